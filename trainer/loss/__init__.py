"""The loss of a micro-batch.

An author of a loss registers it in `LOSSES`; see `Loss`, `Criterion` and `Trained`.
"""

from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.data.base import Batch
from trainer.loss.base import LOSSES, Criterion, Loss, LossKeys, Trained

__all__ = ["LOSSES", "Batch", "ConfigError", "Criterion", "Loss", "LossKeys", "Trained", "check_in"]

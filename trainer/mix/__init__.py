"""Mixing of examples.

An author of a mixing registers it in `MIXES`; see `Mix`, `Pairs` and `mix_targets`.
"""

from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.data.base import Batch
from trainer.mix._blend import mix_targets, soft_targets
from trainer.mix._pairs import Pairs
from trainer.mix.base import MIXES, Mix, Mixing, MixKeys

__all__ = ["MIXES", "Batch", "ConfigError", "Mix", "MixKeys", "Mixing", "Pairs", "check_in"]
__all__ += ["mix_targets", "soft_targets"]

"""Networks, and what is done to their weights before training.

An author of a network registers it in `MODELS`; see `Model`.
"""

from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.model._ghost import check_ghosts
from trainer.model._init import Init
from trainer.model.base import MODELS, Model, ModelKeys, put_weights

__all__ = ["MODELS", "ConfigError", "Model", "ModelKeys", "check_in"]
__all__ += ["Init", "check_ghosts", "put_weights"]

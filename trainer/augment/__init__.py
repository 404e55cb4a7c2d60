"""Augmentation of whole batches on the training device, and views of an image in evaluation.

An author of an augmentation registers it in `AUGMENTS`; see `Augment` and `draw`.
"""

from trainer.augment._draws import draw, draw_noise, draw_numbers, to_device
from trainer.augment._tta import Views, choose_views
from trainer.augment.base import AUGMENTS, Augment, AugmentKeys, Chain
from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.data.base import Batch

__all__ = ["AUGMENTS", "Augment", "AugmentKeys", "Batch", "Chain", "Clock", "ConfigError"]
__all__ += ["check_in", "draw", "draw_noise", "draw_numbers", "to_device"]
__all__ += ["Views", "choose_views"]

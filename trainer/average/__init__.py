"""Averaged weights, and the BatchNorm statistics that are recomputed for them.

An author of an average registers it in `AVERAGES`; see `Averaging`, `Average` and `Shadow`.
"""

from trainer.average._averaged_copy import Shadow
from trainer.average._batch_norm import check_bn_images, recompute
from trainer.average.base import (
    AVERAGES,
    Average,
    AverageKeys,
    Averaging,
    Forgetful,
    SnapshotPlan,
    check_evaluated,
)
from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.core.units import Duration

__all__ = ["AVERAGES", "Average", "AverageKeys", "Averaging", "Clock", "ConfigError", "Duration"]
__all__ += ["Forgetful", "Shadow", "SnapshotPlan", "check_in"]
__all__ += ["check_bn_images", "check_evaluated", "recompute"]

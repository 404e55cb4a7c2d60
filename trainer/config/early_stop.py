"""When a run that no longer improves is ended, as it is configured."""

from collections.abc import Collection
from dataclasses import dataclass

from trainer.core.errors import ConfigError, unknown
from trainer.core.units import Duration
from trainer.metrics import AVERAGED, VALIDATED, watchable


@dataclass(frozen=True)
class EarlyStop:
    """When a run that no longer improves is ended.

    Attributes:
        patience: how long no evaluation needs to be better than the best before; the first
            evaluation at which it has run out is the run's last. None: the run goes to its end.
        metric: what is watched, one of `metrics.watchable` or of `evaluation.watched`; whether
            larger is better follows from it. Epochs that do not measure it do not count.
    """

    patience: Duration | None = None
    metric: str = "val_loss"

    def __post_init__(self) -> None:
        if self.patience is not None and not self.patience.value:
            raise ConfigError(
                f"early_stop.patience={self.patience} bears nothing: write a longer one, such as "
                "5ep, or null to train to the end"
            )
        if self.patience is None and self.metric != "val_loss":
            raise ConfigError(
                f"early_stop.metric={self.metric} has no effect without early_stop.patience, such "
                "as early_stop.patience=5ep"
            )

    def check(self, *, has_val: bool, has_average: bool, chosen: Collection[str] = ()) -> None:
        """Raise ConfigError unless the run measures what is watched.

        Args:
            chosen: metrics of validation that the configuration adds and that can be watched.
        """
        if self.patience is None:
            return
        names = {*watchable(has_val=has_val, has_average=has_average), *(chosen if has_val else ())}
        if self.metric in names:
            return
        if self.metric not in {*watchable(has_val=True, has_average=True), *chosen}:
            raise unknown("early_stop.metric", self.metric, names)
        why = []
        if self.metric.startswith((VALIDATED, f"{AVERAGED}{VALIDATED}")) and not has_val:
            why.append(
                "data.val=0 leaves no image to measure it on: hold images out, as with data.val=10%"
            )
        if self.metric.startswith(AVERAGED) and not has_average:
            why.append("average=none leaves no averaged weights to measure")
        raise ConfigError(
            f"early_stop.metric={self.metric}: {'; '.join(why)}. This run measures: "
            f"{', '.join(sorted(names))}"
        )

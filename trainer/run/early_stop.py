"""Whether a run still improves, and how it is told that it ended before its planned steps."""

import math
from collections.abc import Iterator

from trainer.config.early_stop import EarlyStop
from trainer.evaluation.watched import rises
from trainer.record.runs import EpochRow
from trainer.state import Run


def out_of_patience(config: EarlyStop, row: EpochRow, run: Run) -> bool:
    """Take in an epoch's row, and return whether the run ends here, the same in all processes.

    A score that is equal to the best is no improvement. What was seen is in `run.state.patience`,
    and so in checkpoints.
    """
    value = None if config.patience is None else row.value(config.metric)
    if config.patience is None or value is None or math.isnan(value):
        return False
    seen, sign = run.state.patience, 1 if rises(config.metric) else -1
    if "best" not in seen or sign * value > sign * seen["best"]:
        seen.update(best=value, step=row.step)
    borne = run.clock().steps(config.patience)
    return bool(run.strategy.all_max(int(row.step - seen["step"] >= max(borne, 1))))


def how_it_stopped(config: EarlyStop, run: Run) -> Iterator[str]:
    """Yield a line on what ended a run before the steps that were planned."""
    seen, planned = run.state.patience, run.planner.facts()
    if seen.get("stopped"):
        best = run.state.best[0][1] if run.state.best else None
        kept = "" if best is None else f"; the best checkpoint is that of step {best}"
        yield (
            f"stopped early at step {seen['stopped']}: {config.metric} has not improved for "
            f"{config.patience}, since step {seen['step']} ({seen['best']:.4g}){kept}"
        )
    elif planned and planned["is_cut"]:
        yield (
            f"max_time was over after step {run.state.step}, before the planned end of the "
            "schedule: the last steps were slower than those before, or the time is too short"
        )

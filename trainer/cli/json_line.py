"""`--json`: how a command line ended, as one JSON object in the last line of standard output."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.core.errors import Diverged, Stopped, TrainerError

if TYPE_CHECKING:
    from trainer.record.runs import RunRow

FLAG = "--json"

# Of a summary, what the line holds where the run has it.
FIGURES = (
    *("key", "steps", "best_val_top1", "best_checkpoint", "best_checkpoints", "stopped_early"),
    *("planned", "test", "test_avg", "lr_range", "weights_sha256", "seconds"),
)


@dataclass
class Ending:
    """How a command line ended.

    Attributes:
        status: as in `summary.json`; of a sweep `completed` or `failed`.
        folder: of the run or sweep, None where there is none.
        facts: what else is known.
    """

    status: str = "completed"
    folder: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def of_run(self, row: "RunRow") -> None:
        """Take in the record of a run."""
        self.status, self.folder = row.status, row.path
        self.facts |= figures(row.summary)
        if row.epochs:
            last = row.epochs[-1]
            scores = {"loss": last.val_loss, "top1": last.val_top1, "top5": last.val_top5}
            self.facts["val"] = {k: v for k, v in scores.items() if v is not None}

    def of_error(self, error: BaseException) -> None:
        """Take in what went wrong, and what the folder says of it, if there is one."""
        from trainer.record.runs import read_summary

        by_kind = "diverged" if isinstance(error, Diverged) else "failed"
        self.status = "interrupted" if isinstance(error, Stopped) else by_kind
        is_ours = isinstance(error, TrainerError)
        self.facts["message"] = str(error) if is_ours else f"{type(error).__name__}: {error}"
        folder = error.folder if isinstance(error, TrainerError) else None
        if folder is not None and Path(folder).is_dir():
            self.folder = Path(folder)
            self.facts |= figures(read_summary(self.folder))

    def line(self, exit_code: int) -> str:
        """Return the object, in one line; what is not known is left out."""
        folder = None if self.folder is None else str(self.folder.absolute())
        known = {"status": self.status, "exit_code": exit_code, "folder": folder, **self.facts}
        return json.dumps({k: v for k, v in known.items() if v not in (None, {})})

    def show(self, exit_code: int) -> int:
        """Write the line after all else, and return 0."""
        sys.stdout.write(self.line(exit_code) + "\n")
        return 0


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the line holds of a summary."""
    return {name: summary[name] for name in FIGURES if name in summary}

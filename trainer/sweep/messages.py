"""The messages between a sweep and its workers. Both are of one program, and nothing else writes to
the pipe between them."""

from dataclasses import dataclass
from pathlib import Path

from trainer.config.run_config import RunConfig

# how a job ended, as its worker reports
DONE, FAILED, STOPPED, BUSY, REUSED = "done", "failed", "stopped", "busy", "reused"

LOST = "lost"  # as the sweep notes of a worker that cannot report any more


@dataclass(frozen=True)
class JobTask:
    """A job that a worker is to do.

    Attributes:
        number: of the job.
        config: what to run.
        overrides: that distinguish it, canonical.
        folder: of its record; what an earlier attempt left there is gone on with or cleared.
        key: that its result will have, None where that is not known before.
        root: folder of all results, where jobs are locked.
        reuse: whether a run with that key, finished elsewhere meanwhile, is its result.
    """

    number: int
    config: RunConfig
    overrides: tuple[str, ...]
    folder: Path
    key: str | None
    root: Path
    reuse: bool = True


@dataclass(frozen=True)
class KeyRequest:
    """A question: what keys will the results of these configurations have? The answer is a tuple:
    a key for each, None where the job will fail."""

    configs: tuple[RunConfig, ...]


@dataclass(frozen=True)
class LintRequest:
    """A question: what looks odd about these configurations? The answer is a tuple: for each a line
    by each rule's name.

    Attributes:
        configs: of jobs.
        swept: keys that differ between the jobs of the sweep, but for the seed.
    """

    configs: tuple[RunConfig, ...]
    swept: tuple[str, ...]


@dataclass(frozen=True)
class ChoiceRequest:
    """A question: what does a configuration mean that leaves choices to this machine?"""

    config: RunConfig


@dataclass(frozen=True)
class ChoiceReply:
    """The answer, and the lines that say why; None where the job will fail."""

    config: RunConfig | None
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stop:
    """A request: end the job under way as a signal would, with a checkpoint."""

    signum: int


@dataclass(frozen=True)
class Beat:
    """A sign of life: what was done so far, of a total that is 0 while it is not known, and the
    best validation accuracy; `cpu_s` are processor seconds of the worker's process."""

    step: int
    total: int
    epoch: float
    best: float | None
    cpu_s: float


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        number: of the job.
        how: `done` (its folder says the rest), `failed`, `stopped`, `busy` (another process is at
            it), `reused`.
        message: what went wrong.
        path: of the run that is its result, where that was reused.
        is_memory: whether it failed because no memory was left: another worker may have some.
    """

    number: int
    how: str
    message: str = ""
    path: Path | None = None
    is_memory: bool = False

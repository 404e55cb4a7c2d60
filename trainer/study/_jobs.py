"""The runs of a study as a sweep: those that are finished are not run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.distributed import cores
from trainer.record import RunRow, read_run
from trainer.study.demos.pool import Job, run_chains


def run_all(jobs: Sequence[tuple[str, ...]], *, name: str, quiet: bool = False) -> list[RunRow]:
    """Run jobs below `outputs/<name>`, and return what they recorded, in their order.

    Args:
        jobs: words of each.
        name: of the sweep.
        quiet: print nothing.

    Raises:
        TrainerError: if a job has no result; the same call again runs what is missing.
    """
    folder = Path("outputs") / name
    chains = []
    places = []
    for words in jobs:
        place = folder / str(abs(hash_of(words)))
        places.append(place)
        if not (place / "summary.json").exists():
            chains.append((Job((*words, "threads=1", "checkpoint.every=1000ep"), place),))
    run_chains(chains, cores(), lambda text: None if quiet else print(text, flush=True))
    return [read_run(place) for place in places]


def hash_of(words: Sequence[str]) -> int:
    import zlib

    return zlib.crc32("\0".join(words).encode())

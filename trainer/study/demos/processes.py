"""One run in two processes against the same run in one: the same weights, and how fast."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.analysis.compare import Arm
from trainer.core.environment import variables
from trainer.core.errors import TrainerError
from trainer.core.signals import leave_group
from trainer.record import style
from trainer.record.console import Console
from trainer.record.runs import RunRow
from trainer.study.demos import pictures, verdict
from trainer.study.demos.pictures import Shown
from trainer.study.demos.runs import DemoJob, read_timed, report_job, run_here, timed_jobs
from trainer.study.demos.spec import Demo
from trainer.study.demos.speed import draw_ratios, ratio_note, ratio_text, ratios_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
TINIEST = 1e-18  # where a difference of exactly 0 is drawn on a logarithmic axis


def run(demo: Demo, folder: Path, seeds: Sequence[int], *, quiet: bool) -> list[Arm]:
    """Run half of the seeds in two processes, all in one, the other half in two, and nothing beside
    them: the two see the same machine."""
    arms, console = timed_jobs(demo, folder, seeds), Console(quiet=quiet)
    (one, two), half, done = arms, len(seeds) // 2, 0
    for jobs, is_many in ((two[:half], True), (one, False), (two[half:], True)):
        if jobs:
            launch(jobs, folder, is_many=is_many)
        for job in jobs:
            report_job(done, job, console)
            done += 1
    return read_timed(demo, arms)


def launch(jobs: Sequence[DemoJob], folder: Path, *, is_many: bool) -> None:
    """Run jobs one after the other in processes of their own, two of torchrun's or one.

    Raises:
        TrainerError: if they fail, with what they said.
    """
    file = folder / "jobs.json"
    file.write_text(json.dumps([[job.label, job.overrides, str(job.folder)] for job in jobs]))
    start = TORCHRUN if is_many else ()
    command = [sys.executable, *start, "-m", __name__, str(file)]
    environment = variables(OMP_NUM_THREADS="1")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    file.unlink()
    if done.returncode:
        reason = last_line(done.stderr)
        raise TrainerError(f"{' '.join(command)} ended with {done.returncode}: {reason}")


def last_line(printed: str) -> str:
    """Return the line that says why processes failed: the last that names an error, or else the
    last with words; torchrun prints a frame below."""
    lines = [line.strip() for line in printed.splitlines() if re.search(r"\w", line)]
    errors = [line for line in lines if re.search(r"\w(Error|Exception)\b|terminate called", line)]
    return (errors or lines or ["nothing was printed"])[-1]


def show(demo: Demo, arms: Sequence[Arm], facts: str) -> Shown:
    """Return the largest difference of weights seed by seed, beside the ratio of speeds."""
    distances = distances_of(arms)
    ratios = ratios_of(arms)
    first, second = (arm.label for arm in demo.arms)
    sentence = f"{equality_text(distances)} {ratio_text(ratios, first)}"
    figure = pictures.framed(demo.title, sentence, facts, height=2.7)
    left, right = figure.subplots(1, 2)
    draw_distances(left, distances)
    draw_ratios(right, ratios, f"images per second, {second} / {first}")
    by_seed = ", ".join(f"{d:.2g}" for d in distances)
    table = f"{verdict.table(demo, arms)}{ratio_note(ratios)}\nlargest difference: {by_seed}\n"
    return Shown(sentence, figure, table)


def distances_of(arms: Sequence[Arm]) -> list[float]:
    """Return the largest absolute difference of any weight between the two arms, by seed."""
    from safetensors.torch import load_file

    found = []
    for one, two in zip(arms[0].runs, arms[1].runs, strict=True):
        if {one.status, two.status} == {"completed"}:
            first, second = (load_file(weights_of(run)) for run in (one, two))
            found.append(max(float((first[k] - second[k]).abs().max()) for k in first))
    return found


def weights_of(run: RunRow) -> Path:
    """Return the file of a run's final weights."""
    return max((run.path / "checkpoints").glob("step-*")) / "model.safetensors"


def equality_text(distances: Sequence[float]) -> str:
    """Return a sentence on the differences of weights."""
    if not distances:
        return "No verdict on the weights: no pair of runs completed."
    largest = max(distances)
    largest_text = (
        f"largest difference of any weight {largest:.1e} over {len(distances)} seeds, float64"
    )
    if largest < 1e-9:
        return f"Two processes end with the weights of one, but for rounding ({largest_text})."
    return f"Two processes do not end with the weights of one ({largest_text})."


def draw_distances(axes: Axes, distances: Sequence[float]) -> None:
    """Draw each seed's largest difference on a logarithmic axis, with float64's and float32's
    rounding beside it."""
    drawn = [max(d, TINIEST) for d in distances]
    axes.plot(drawn, range(len(drawn)), "o", color=style.ACCENT, ms=6, mew=0)
    for place, name in ((2.0**-53, "rounding of\nfloat64"), (2.0**-24, "rounding of\nfloat32")):
        axes.axvline(place, color=style.GREY, linewidth=1.2, linestyle="--")
        axes.annotate(name, (place * 1.5, 0.04), xycoords=("data", "axes fraction"), fontsize=7.5)
    axes.set_xscale("log")
    axes.set_xlim(min([1e-18, *drawn]), 1e-5)
    axes.set_xticks([10.0**e for e in range(-18, -4, 3)])
    axes.set_ylim(-0.3 * len(drawn) - 0.7, max(1, len(drawn)) - 0.3)
    axes.set_yticks([0, len(drawn) - 1], ["seed 0", f"seed {len(drawn) - 1}"])
    style.clean_axes(axes, "x")
    pictures.heading(axes, "largest difference of any weight at the end")
    assert all(math.isfinite(d) for d in drawn)


def main() -> None:
    """Run the jobs of a file, in as many processes as torchrun started."""
    runs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for label, overrides, folder in runs:
        run_here(DemoJob(label, tuple(overrides), Path(folder)))
    leave_group(0)


if __name__ == "__main__":
    main()

"""Two arms that should end alike, one of them sooner: in one process, or in two against one.

Their runs are no jobs of a sweep: workers would run them beside each other, and reuse one of a pair
that was measured at another time.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.analysis.compare import Arm, Comparison, to_markdown
from trainer.api import compose
from trainer.core.environment import load_text, variables
from trainer.core.errors import Diverged, Stopped, TrainerError
from trainer.core.signals import leave_group
from trainer.record.console import Console
from trainer.record.provenance import host
from trainer.record.run_folder import make_folder, removed_if_unused
from trainer.record.runs import RunRow, read_run
from trainer.record.spread import Spread
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.study.arms import columns, compared, notes, numbers, rows_of
from trainer.study.halves import Half, draw_arms
from trainer.study.page import StudyFinding
from trainer.study.runs import REPORT, REPORTED, StudyRuns
from trainer.study.study import Study
from trainer.study.timed_pictures import draw_distances, draw_ratios
from trainer.study.verdict import conclusions, difference_text, power_text
from trainer.sweep.results import job_line

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
LEAST_ROUNDS, APART = 8, 0.1  # of heaps of ratios, the latter on a logarithmic scale
ROUNDING = 1e-9  # a difference below it is one of rounding


@dataclass(frozen=True)
class TimedJob:
    """One run that is timed: its arm's label, its overrides, the folder of its record."""

    label: str
    overrides: tuple[str, ...]
    folder: str


Work = Callable[[Study, Sequence[Sequence[TimedJob]]], Iterator[TimedJob]]


def speed(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Run both arms of each seed in this process, each first in turn, and nothing beside them."""
    for label in study.labels:
        study.compose(*study.job(label, study.chosen(label), 0).overrides)
    return speed_of(study, run_arms(study, in_turn, quiet=quiet))


def speed_of(study: Study, arms: Sequence[Arm]) -> StudyFinding:
    """Return the ratio of speeds seed by seed beside the final accuracies."""
    runs, found = runs_of(study, arms), compared(study, arms)
    said = [ratio_text(ratios_of(arms), arms[0].label), *conclusions(runs, found)]
    labels = [arm.label for arm in arms]
    accuracies = [[100.0 * v for v in arm.values(REPORTED).values()] for arm in arms]

    def draw(panel: SubFigure) -> None:
        above, below = panel.subplots(2, 1, height_ratios=(1.0, 1.6))
        draw_ratios(above, ratios_of(arms), interval(ratios_of(arms)), [a.label for a in arms])
        draw_arms(below, labels, accuracies, [difference_text(r.difference) for r in found.rows])
        below.set_xlabel("test accuracy (%)", fontsize=14)

    worth = Half(speed_headline(arms), draw)
    return finding_of(runs, found, said, power_text(study, found), worth)


def processes(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Run half of the seeds in two processes, all in one, the other half in two, and nothing beside
    them: the two see the same machine."""
    study.compose(*study.job(study.labels[0], (), 0).overrides)
    arms = run_arms(study, in_halves, quiet=quiet)
    return processes_of(study, arms, distances_of(arms))


def processes_of(study: Study, arms: Sequence[Arm], distances: Sequence[float]) -> StudyFinding:
    """Return whether two processes end with the weights of one, and the ratio of speeds."""
    runs, found = runs_of(study, arms), compared(study, arms)
    said = [equality_text(distances), ratio_text(ratios_of(arms), arms[0].label)]
    same = "the same weights" if max(distances, default=1.0) < ROUNDING else "other weights"

    def draw(panel: SubFigure) -> None:
        above, below = panel.subplots(2, 1)
        draw_ratios(above, ratios_of(arms), interval(ratios_of(arms)), [a.label for a in arms])
        draw_distances(below, distances)

    worth = Half(f"{speed_headline(arms)}, {same}", draw)
    largest = f"\n\nlargest difference: {', '.join(f'{d:.2g}' for d in distances)}"
    return finding_of(runs, found, said, power_text(study), worth, largest)


def runs_of(study: Study, arms: Sequence[Arm]) -> StudyRuns:
    return StudyRuns(study, (), {label: study.chosen(label) for label in study.labels}, tuple(arms))


def finding_of(
    runs: StudyRuns,
    found: Comparison,
    said: Sequence[str],
    power: str,
    worth: Half,
    more: str = "",
) -> StudyFinding:
    ratios = ", ".join(f"{ratio:.3f}" for ratio in ratios_of(runs.tuned))
    return StudyFinding(
        said,
        power,
        f"{to_markdown(found, columns(runs, found))}\nimages/s by seed, as a ratio: {ratios}{more}",
        rows_of(runs.tuned),
        worth=worth,
        notes=list(notes(runs)),
        ours=dict(numbers(found)),
    )


def run_arms(study: Study, work: Work, *, quiet: bool) -> list[Arm]:
    """Run every arm with every seed, each run in a folder of its own below a new one, and return
    what they recorded.

    Args:
        study: of two arms.
        work: runs them, and yields each when it ended.
        quiet: print nothing.
    """
    place, console = make_folder(None, study.folder.name, study.folder.parent), Console(quiet=quiet)
    jobs = []
    for number, label in enumerate(study.labels):
        name = "".join(c if c.isalnum() or c in ".-" else "_" for c in label)
        values, arm = study.chosen(label), place / f"{number}_{name}"
        lines = [study.job(label, values, s, REPORT).overrides for s in study.reported]
        jobs.append([TimedJob(label, ln, str(arm / str(s))) for s, ln in enumerate(lines)])
    with removed_if_unused(place):
        for number, job in enumerate(work(study, jobs)):
            row = read_run(Path(job.folder))
            console.say(job_line(number, [job.label, job.overrides[-1]], row))
    return [
        Arm(label, {}, tuple(read_run(Path(job.folder)) for job in some))
        for label, some in zip(study.labels, jobs, strict=True)
    ]


def in_turn(study: Study, jobs: Sequence[Sequence[TimedJob]]) -> Iterator[TimedJob]:
    """Run the jobs of a seed one after the other in this process, each arm first in turn."""
    for i, pair in enumerate(zip(*jobs, strict=True)):
        for job in pair if i % 2 == 0 else pair[::-1]:
            run_here(job, study.config_dir, study.plugins)
            yield job


def in_halves(study: Study, jobs: Sequence[Sequence[TimedJob]]) -> Iterator[TimedJob]:
    """Run half of the second arm's jobs in two processes, all of the first's in one, the rest in
    two."""
    one, two = jobs
    half = len(two) // 2
    for some, is_many in ((two[:half], True), (one, False), (two[half:], True)):
        if some:
            launch(some, study, is_many=is_many)
        yield from some


def run_here(job: TimedJob, config_dir: Path | None = None, plugins: tuple[str, ...] = ()) -> None:
    """Run a job in this process; one that diverges is a result.

    Raises:
        Stopped: after a signal.
        TrainerError: if it fails otherwise than by diverging.
    """
    config = compose(*job.overrides, config_dir=config_dir, plugins=plugins)
    try:
        execute(RunRequest(config, job.overrides, folder=job.folder, quiet=True))
    except Diverged:
        pass
    except Stopped as error:
        again = "runs that are timed against each other begin anew with the same command"
        raise Stopped(f"stopped; {again}", error.signum) from error


def launch(jobs: Sequence[TimedJob], study: Study, *, is_many: bool) -> None:
    """Run jobs one after the other in processes of their own, two of torchrun's or one.

    Raises:
        TrainerError: if they fail, with what they said.
    """
    file = Path(jobs[0].folder).parents[1] / "jobs.json"
    place = None if study.config_dir is None else str(study.config_dir)
    lines = [[job.label, job.overrides, job.folder] for job in jobs]
    file.write_text(json.dumps([lines, place, study.plugins]))
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
    if largest < ROUNDING:
        return f"Two processes end with the weights of one, but for rounding ({largest_text})."
    return f"Two processes do not end with the weights of one ({largest_text})."


def ratios_of(arms: Sequence[Arm]) -> list[float]:
    """Return the second arm's images per second as a multiple of the first's, by seed."""
    pairs = zip(arms[0].runs, arms[1].runs, strict=True)
    speeds = [(speed_in(one), speed_in(two)) for one, two in pairs]
    return [two / one for one, two in speeds if one and two]


def speed_in(run: RunRow) -> float | None:
    """Return the median of images per second over a run's epochs, the first left out where there
    are more."""
    found = [row.images_per_s for row in run.epochs if row.images_per_s]
    return statistics.median(found[1:] or found) if found else None


def interval(ratios: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the geometric mean of ratios and the ends of its 95 % interval (Student's, of the
    logarithms); None for fewer than two."""
    spread = Spread.of([math.log(ratio) for ratio in ratios])
    if spread.mean is None or spread.half_width is None:
        return None
    reach = spread.half_width
    return math.exp(spread.mean), math.exp(spread.mean - reach), math.exp(spread.mean + reach)


def ratio_text(ratios: Sequence[float], baseline: str) -> str:
    """Return a sentence on the ratio of speeds."""
    found = interval(ratios)
    if found is None:
        return f"No verdict on speed: too few pairs of runs ({len(ratios)})."
    mean, low, high = found
    where = f"{host()['processor']}, {load_text()}"
    heaps = two_heaps([math.log(ratio) for ratio in ratios])
    if heaps is not None:
        few, many = (f"{len(h)} near {math.exp(statistics.fmean(h)):.2f}" for h in heaps)
        return (
            f"No verdict on speed: of {len(ratios)} pairs of runs, {few} and {many} times "
            f"{baseline}'s images per second; something else moved them ({where})."
        )
    counted = f"95 % interval {low:.2f} to {high:.2f}; {len(ratios)} pairs of runs; {where}"
    not_told = ", not told apart" if low <= 1.0 <= high else ""
    return f"Speed: {mean:.2f} times {baseline}'s images per second ({counted}){not_told}."


def speed_headline(arms: Sequence[Arm]) -> str:
    """Return in a few words how much faster the second arm is, or that it is not told."""
    found = interval(ratios_of(arms))
    one, two = arms[0].label, arms[1].label
    if found is None or found[1] <= 1.0 <= found[2]:
        return f"{two} and {one}: speeds not told apart"
    return f"{two}: {found[0]:.2f} times as fast as {one}"


def two_heaps(logs: Sequence[float]) -> tuple[list[float], list[float]] | None:
    """Return the two heaps that numbers fall into, None where there is one.

    Of all cuts of the sorted numbers that leave a fifth of them, and two, on either side, the one
    that leaves the least variance within: two heaps if that is less than a tenth of all, and their
    means are a tenth apart. Of ten normal numbers 2 in 100 samples fall so, of 8 or 20 no more than
    4; fewer than 8 never do.
    """
    found, least = sorted(logs), max(2, -(-len(logs) // 5))
    if len(found) < LEAST_ROUNDS:
        return None
    cuts = [(found[:i], found[i:]) for i in range(least, len(found) - least + 1)]
    low, high = min(cuts, key=lambda cut: sum(map(scatter, cut)))
    is_apart = statistics.fmean(high) - statistics.fmean(low) > APART
    return (low, high) if is_apart and scatter(low) + scatter(high) < scatter(found) / 10 else None


def scatter(numbers: Sequence[float]) -> float:
    """Return the sum of the squared differences from the mean."""
    return statistics.pvariance(numbers) * len(numbers)


def main() -> None:
    """Run the jobs of a file, in as many processes as torchrun started."""
    lines, place, plugins = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for label, overrides, folder in lines:
        job = TimedJob(label, tuple(overrides), folder)
        run_here(job, None if place is None else Path(place), tuple(plugins))
    leave_group(0)


if __name__ == "__main__":
    main()

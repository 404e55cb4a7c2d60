"""Figures that are one sweep and what an analysis makes of it: the trade-off, the slices, the
staircase of tricks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.analysis import attribution, lr_tradeoff, slices
from trainer.analysis.attribution import Attribution, attribution_figure, leave_one_out, staircase
from trainer.analysis.compare import Arm, Comparison, arms_of, compare
from trainer.composition.search_path import Sources
from trainer.core.yaml_files import read_yaml
from trainer.record.runs import RunRow
from trainer.study._facts import shown_overrides
from trainer.study._jobs import run_all
from trainer.study.comparisons.page import difference_text
from trainer.study.comparisons.spec import texts
from trainer.study.comparisons.verdict import LEVEL, is_shown
from trainer.study.demos.verdict import judged, points
from trainer.study.reproduction.outcome import Outcome
from trainer.sweep.expand import Search, expand
from trainer.sweep.runner import counted

Settings = Mapping[str, Any]
STAIRS, TOP1 = "bag_of_tricks", "test_top1"
REPORT = "report_test=true"


def preset_jobs(preset: str, overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the words of every job of a preset of a sweep, as `-m +sweep=<preset> WORDS` has
    them."""
    file = Sources().file(f"sweep/{preset}")
    assert file is not None, preset
    params = texts(read_yaml(file)["hydra"]["sweeper"]["params"])
    return [
        (f"+sweep={preset}", *job.overrides) for job in expand(overrides, Search(params=params))
    ]


def run_preset(settings: Settings) -> tuple[str, list[RunRow], str]:
    """Run a preset; return its command, its runs, and whether they are as many as it states."""
    preset, overrides = settings["preset"], settings["overrides"]
    jobs, stated = preset_jobs(preset, overrides), len(preset_jobs(preset, ()))
    command = " ".join(["python -m trainer -m", f"+sweep={preset}", *shown_overrides(overrides)])
    power = f"{len(jobs)} runs, as stated beforehand."
    if len(jobs) < stated or settings.get("is_toy"):
        power = f"Below its stated power: {len(jobs)} runs where {stated} were stated beforehand"
        power += ", of a toy size." if settings.get("is_toy") else "."
    return command, run_all(jobs), power


def tradeoff(settings: Settings, folder: Path) -> Outcome:
    """Make the trade-off of the learning rate."""
    command, rows, power = run_preset(settings)
    found = lr_tradeoff.tradeoff(arms_of(rows), "val_top1")
    best = lr_tradeoff.best_of(found, "val_top1")
    lr_tradeoff.figure_of(found, "val_top1").savefig(folder / "lr_tradeoff.png")
    (folder / "lr_tradeoff.csv").write_text(lr_tradeoff.to_csv(found), encoding="utf-8")
    ends = (found[0].lr, found[-1].lr)
    sentences = ["No learning rate had a run that completed with every seed."]
    if best is not None:
        where = "at an end of the range" if best.lr in ends else "inside the range"
        sentences = [f"The best mean is at {best.lr:g}, {where} ({ends[0]:g} to {ends[1]:g})."]
        for point, name in ((found[0], "lowest"), (found[-1], "highest")):
            if point.spread.mean is not None and point is not best:
                lost = (best.spread.mean or 0.0) - point.spread.mean
                sentences.append(
                    f"The {name}, {point.lr:g}, has {points(lost)} points less on val."
                )
    count = sum(len(point.arm.diverged) for point in found)
    sentences.append(f"{count} of {len(rows)} runs diverged, which is recorded as a result.")
    ours = {"best": "" if best is None else f"{best.lr:g}"}
    return outcome_of(command, sentences, power, rows, ours, ("lr_tradeoff.png", "lr_tradeoff.csv"))


def slice_(settings: Settings, folder: Path) -> Outcome:
    """Make a slice through the learning rate and a second value."""
    command, rows, power = run_preset(settings)
    found = slices.slice_of(arms_of(rows), "val_top1")
    ridge = slices.fit_of(found)
    slices.slices_figure(found, ridge).savefig(folder / "slice.png")
    (folder / "slice.csv").write_text(slices.to_csv(found, ridge), encoding="utf-8")
    (folder / "slice.md").write_text(slices.to_markdown(found, ridge), encoding="utf-8")
    slope = "none" if ridge.slope is None else f"{ridge.slope:+.2f}"
    if ridge.interval is not None:
        slope += f" (95 % interval {ridge.interval[0]:+.2f} to {ridge.interval[1]:+.2f})"
    files = ("slice.png", "slice.md", "slice.csv")
    sentences = [slices.sentence(found, ridge)]
    return outcome_of(command, sentences, power, rows, {"slope": slope}, files)


def stairs(settings: Settings, folder: Path) -> Outcome:
    """Make the staircase of tricks, each step compared with the one before it, and the whole of
    them with what leaves one out."""
    steps, without, seeds = settings["steps"], settings["without"], range(settings["seeds"])
    runs = climb(steps, without, seeds, settings["overrides"])
    arms = {name: Arm(name, {"preset": name}, tuple(rows)) for name, rows in runs.items()}
    found = Attribution(
        staircase([arms[name] for name in steps], TOP1),
        leave_one_out([arms[name] for name in (settings["whole"], *without)], TOP1),
    )
    (folder / "stairs.md").write_text(attribution.to_markdown(found), encoding="utf-8")
    (folder / "stairs.csv").write_text(attribution.to_csv(found), encoding="utf-8")
    attribution_figure(list(found.parts)).savefig(folder / "stairs.png")
    stated, n = settings["stated"], len(seeds)
    power = f"n={n}, as stated beforehand."
    if n < stated or settings.get("is_toy"):
        power = f"Below its stated power: n={n}, of a toy size, where {stated} were stated."
    first, last = arms[steps[0]], arms[steps[-1]]
    whole = compare([first, last], TOP1).rows[1].difference
    counts = [len(last.completed), len(first.completed)]
    sentences = [judged(last.label, first.label, whole, seeds=counts)]
    sentences += [differing(title, part) for title, part in found.parts]
    ours = {} if whole is None else {"whole": f"{points(whole.mean, '+')} points"}
    command = f"python -m trainer -m +experiment={STAIRS}/{steps[0]},... seed=... report_test=true"
    rows = [row for arm in arms.values() for row in arm.runs]
    return outcome_of(
        command, sentences, power, rows, ours, ("stairs.png", "stairs.md", "stairs.csv")
    )


def climb(
    steps: Sequence[str], without: Sequence[str], seeds: Sequence[int], overrides: Sequence[str]
) -> dict[str, list[RunRow]]:
    """Run every preset with every seed, the last step with the teacher that was trained beside the
    others."""
    early = {
        name: [(f"+experiment={STAIRS}/{name}", *overrides, REPORT, f"seed={s}") for s in seeds]
        for name in (*steps[:-1], *without)
    }
    lines = [line for one in early.values() for line in one]
    *rows, teacher = run_all([*lines, (f"+experiment={STAIRS}/teacher", *overrides, "seed=0")])
    last = (f"+experiment={STAIRS}/{steps[-1]}", *overrides, f"loss.teacher={teacher.path}", REPORT)
    runs = {name: [rows.pop(0) for _ in seeds] for name in early}
    return {**runs, steps[-1]: run_all([(*last, f"seed={seed}") for seed in seeds])}


def differing(title: str, part: Comparison) -> str:
    """Return which rows of a comparison differ from what they are compared with, all of them
    counted."""
    parts = [
        f"{row.arm.label} {difference_text(row.difference)}" for row in part.rows if is_shown(row)
    ]
    adjusted = f"adjusted for {counted(len(part.rows) - 1, 'comparison')} (Holm, p < {LEVEL:g})"
    if not parts:
        return f"{title}: none shows a difference, {adjusted}."
    return f"{title}: these differ, in points, {adjusted}: {', '.join(parts)}."


def outcome_of(
    command: str,
    sentences: Sequence[str],
    power: str,
    rows: Sequence[RunRow],
    ours: Mapping[str, str],
    files: Sequence[str],
) -> Outcome:
    """Return an outcome of runs."""
    seconds = sum(row.seconds.get("total", 0.0) for row in rows)
    return Outcome(command, tuple(sentences), power, ours, tuple(files), len(rows), seconds)

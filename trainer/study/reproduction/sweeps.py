"""Figures that are one sweep and what an analysis makes of it: the trade-off, the slices, the
staircase of tricks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.analysis import lr_tradeoff, slices
from trainer.analysis.compare import Arm, Comparison, arms_figure, arms_of, compare
from trainer.analysis.compare import to_csv as compared_csv
from trainer.analysis.compare import to_markdown as compared_markdown
from trainer.record import RunRow
from trainer.sources import Sources, read_yaml
from trainer.study._facts import shown_words
from trainer.study._jobs import run_all
from trainer.study.comparisons.spec import texts
from trainer.study.demos.verdict import judged, points
from trainer.study.reproduction.outcome import Outcome
from trainer.sweep.draw import Search, expand

Settings = Mapping[str, Any]
STAIRS = "bag_of_tricks"
REPORT = "report_test=true"


def preset_jobs(preset: str, words: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the words of every job of a preset of a sweep, as `-m +sweep=<preset> WORDS` has
    them."""
    file = Sources().file(f"sweep/{preset}")
    assert file is not None, preset
    params = texts(read_yaml(file)["hydra"]["sweeper"]["params"])
    return [(f"+sweep={preset}", *job.words) for job in expand(words, Search(params=params))]


def run_preset(settings: Settings) -> tuple[str, list[RunRow], str]:
    """Run a preset; return its command, its runs, and whether they are as many as it states."""
    preset, words = settings["preset"], settings["words"]
    jobs, stated = preset_jobs(preset, words), len(preset_jobs(preset, ()))
    command = " ".join(["python -m trainer -m", f"+sweep={preset}", *shown_words(words)])
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
    said = ["No learning rate had a run that completed with every seed."]
    if best is not None:
        where = "at an end of the range" if best.lr in ends else "inside the range"
        said = [f"The best mean is at {best.lr:g}, {where} ({ends[0]:g} to {ends[1]:g})."]
        for point, name in ((found[0], "lowest"), (found[-1], "highest")):
            if point.spread.mean is not None and point is not best:
                lost = (best.spread.mean or 0.0) - point.spread.mean
                said.append(f"The {name}, {point.lr:g}, has {points(lost)} points less on val.")
    count = sum(len(point.arm.diverged) for point in found)
    said.append(f"{count} of {len(rows)} runs diverged, which is recorded as a result.")
    ours = {"best": "" if best is None else f"{best.lr:g}"}
    return outcome_of(command, said, power, rows, ours, ("lr_tradeoff.png", "lr_tradeoff.csv"))


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
    said = [slices.sentence(found, ridge)]
    return outcome_of(command, said, power, rows, {"slope": slope}, files)


def stairs(settings: Settings, folder: Path) -> Outcome:
    """Make the staircase of tricks, each step compared with the one before it."""
    steps, seeds, words = settings["steps"], range(settings["seeds"]), settings["words"]
    runs = climb(steps, seeds, words)
    arms = [Arm(step, {"step": step}, tuple(rows)) for step, rows in runs.items()]
    before = {step: other for other, step in itertools.pairwise(steps)}
    found = compare(arms, "test_top1", steps[0], against=before)
    (folder / "stairs.md").write_text(compared_markdown(found), encoding="utf-8")
    (folder / "stairs.csv").write_text(compared_csv(found), encoding="utf-8")
    arms_figure(arms, "test_top1").savefig(folder / "stairs.png")
    stated, n = settings["stated"], len(seeds)
    power = f"n={n}, as stated beforehand."
    if n < stated or settings.get("is_toy"):
        power = f"Below its stated power: n={n}, of a toy size, where {stated} were stated."
    whole = compare([arms[0], arms[-1]], "test_top1").rows[1].difference
    counts = [len(arms[-1].completed), len(arms[0].completed)]
    said = [judged(steps[-1], steps[0], whole, seeds=counts), *steps_said(found)]
    ours = {} if whole is None else {"whole": f"{points(whole.mean, '+')} points"}
    command = f"python -m trainer -m +experiment={STAIRS}/{steps[0]},... seed=... report_test=true"
    rows = [row for step in runs.values() for row in step]
    return outcome_of(command, said, power, rows, ours, ("stairs.png", "stairs.md", "stairs.csv"))


def climb(
    steps: Sequence[str], seeds: Sequence[int], words: Sequence[str]
) -> dict[str, list[RunRow]]:
    """Run every step with every seed, the last with the teacher that was trained beside others."""
    early = {
        step: [(f"+experiment={STAIRS}/{step}", *words, REPORT, f"seed={s}") for s in seeds]
        for step in steps[:-1]
    }
    lines = [line for step in early.values() for line in step]
    *rows, teacher = run_all([*lines, (f"+experiment={STAIRS}/teacher", *words, "seed=0")])
    last = (f"+experiment={STAIRS}/{steps[-1]}", *words, f"loss.teacher={teacher.path}", REPORT)
    runs = {step: [rows.pop(0) for _ in seeds] for step in early}
    return {**runs, steps[-1]: run_all([(*last, f"seed={seed}") for seed in seeds])}


def steps_said(found: Comparison) -> list[str]:
    """Return the steps whose difference from the one before them leaves out 0."""
    told = []
    for row in found.rows:
        one = row.difference
        if one and one.low is not None and one.high is not None and not one.low <= 0.0 <= one.high:
            low, high = points(one.low, "+"), points(one.high, "+")
            told.append(f"{row.arm.label} {points(one.mean, '+')} ({low} to {high})")
    if not told:
        return ["No step by itself shows a difference from the one before it."]
    return [f"Steps that differ from the one before, each interval alone: {', '.join(told)}."]


def outcome_of(
    command: str,
    said: Sequence[str],
    power: str,
    rows: Sequence[RunRow],
    ours: Mapping[str, str],
    files: Sequence[str],
) -> Outcome:
    """Return an outcome of runs."""
    seconds = sum(row.seconds.get("total", 0.0) for row in rows)
    return Outcome(command, tuple(said), power, ours, tuple(files), len(rows), seconds)

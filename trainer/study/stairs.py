"""A staircase of tricks: presets of which each adds one, and the whole without one each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.analysis import attribution
from trainer.analysis.attribution import Attribution, attribution_figure, leave_one_out, staircase
from trainer.analysis.compare import Arm, compare
from trainer.record.runs import RunRow
from trainer.study.arms import rows_of
from trainer.study.page import StudyFinding
from trainer.study.runs import REPORT, run_all
from trainer.study.study import Study
from trainer.study.verdict import all_differences_text, judged, points, power_text

PRESETS, TOP1 = "bag_of_tricks", "test_top1"


def find(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Run the staircase, each step compared with the one before it, and the whole of the tricks
    with what leaves one out."""
    steps, without = study.settings["steps"], study.settings["without"]
    runs = climb(study, steps, without, quiet=quiet)
    arms = {name: Arm(name, {"preset": name}, tuple(rows)) for name, rows in runs.items()}
    found = Attribution(
        staircase([arms[name] for name in steps], TOP1),
        leave_one_out([arms[name] for name in (study.settings["whole"], *without)], TOP1),
    )
    first, last = arms[steps[0]], arms[steps[-1]]
    whole = compare([first, last], TOP1).rows[1].difference
    counts = [len(last.completed), len(first.completed)]
    said = [judged(last.label, first.label, whole, seeds=counts, margin=study.margin)]
    others = ("the step before", study.settings["whole"])
    said += [
        f"{title}. {all_differences_text(part, other)}"
        for (title, part), other in zip(found.parts, others, strict=True)
    ]
    return StudyFinding(
        said,
        power_text(study),
        attribution.to_markdown(found),
        rows_of(list(arms.values())),
        attribution_figure(list(found.parts)),
        {".csv": attribution.to_csv(found)},
        ours={} if whole is None else {"whole": f"{points(whole.mean, '+')} points"},
    )


def climb(
    study: Study, steps: Sequence[str], without: Sequence[str], *, quiet: bool
) -> dict[str, list[RunRow]]:
    """Run every preset with every seed, the last step with the teacher that was trained beside the
    others."""
    words, seeds = (*study.always, *study.base, *study.last_words), study.reported
    early = {
        name: [(f"+experiment={PRESETS}/{name}", *words, REPORT, f"seed={s}") for s in seeds]
        for name in (*steps[:-1], *without)
    }
    lines = [line for one in early.values() for line in one]
    teacher = (f"+experiment={PRESETS}/teacher", *words, "seed=0")
    *rows, taught = run_all([*lines, teacher], study, quiet=quiet)
    last = (f"+experiment={PRESETS}/{steps[-1]}", *words, f"loss.teacher={taught.path}", REPORT)
    runs = {name: [rows.pop(0) for _ in seeds] for name in early}
    of_last = run_all([(*last, f"seed={seed}") for seed in seeds], study, quiet=quiet)
    return {**runs, steps[-1]: of_last}

"""The precision table as a study."""

from __future__ import annotations

import shlex
from pathlib import Path

from trainer.study.page import StudyFinding
from trainer.study.precision_table.options import parse_options
from trainer.study.precision_table.report import numbers_of, write
from trainer.study.precision_table.table import measured
from trainer.study.study import Study


def find(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Measure networks in several number formats."""
    line = shlex.split(study.settings["options"])
    root = [w.split("=", 1)[1] for w in study.line if w.startswith("data.root=")]
    line += ["--root", root[-1]] if root else []
    options = parse_options([*line, "--out", str(folder)])
    made = measured(options)
    text = write(folder, made.speeds, made.scores, made.facts())
    ours = {}
    for row in made.speeds:
        one = numbers_of(row, made.speeds, options.epoch_images)
        if row.precision != "fp32" and row.at == "equal" and one["times_fp32"]:
            ours[f"{row.model} {row.precision}"] = f"{one['times_fp32']:.2f} times fp32's speed"
    said = [f"{name}: {words} at equal batch." for name, words in ours.items()]
    power = "Of a toy size." if study.is_toy else f"{options.rounds} rounds, interleaved."
    names = ("table.md", "table.json", "speed.csv", "trained.csv")
    return StudyFinding(
        said or ["No network was measured in two formats."],
        power,
        text,
        notes=[f"the table alone: `python -m trainer precision_table {study.settings['options']}`"],
        ours=ours,
        files=tuple(name for name in names if (folder / name).is_file()),
    )

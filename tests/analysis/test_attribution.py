import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from tests.analysis.conftest import Answer
from tests.analysis.runs import lr, made_run, write_run
from trainer.analysis._arms import Arm, arms_of
from trainer.analysis._statistics import holm, welch
from trainer.analysis.attribution import (
    attribution_figure,
    attribution_of,
    pick,
    presets_of,
    to_csv,
    to_markdown,
)
from trainer.core.errors import ConfigError
from trainer.record.runs import RunRow

SCORES = {
    "baseline": (0.70, 0.72, 0.74),
    "warmup": (0.80, 0.81, 0.82),
    "mixup": (0.81, 0.82, 0.84),
    "all_but_warmup": (0.60, 0.62, 0.64),
}
STEPS = ("baseline", "warmup", "mixup")


def runs() -> list[RunRow]:
    made = []
    for i, (name, scores) in enumerate(SCORES.items()):
        for seed, score in enumerate(scores):
            run = made_run(seed, score, path=name, **lr(0.1 * (i + 1)))
            words = [f"+experiment=tricks/{name}", f"seed={seed}"]
            made.append(replace(run, summary={**run.summary, "overrides": words}))
    return made


def arms() -> list[Arm]:
    return arms_of(runs())


def test_each_step_is_compared_with_the_one_before() -> None:
    found = attribution_of(arms(), steps=STEPS)
    assert found.steps is not None
    assert found.without is None
    rows = found.steps.rows
    assert [row.arm.label for row in rows] == list(STEPS)
    assert rows[0].difference is None
    expected = [welch(SCORES[a], SCORES[b]) for a, b in (STEPS[:2], STEPS[1:])]
    found_ones = [row.difference for row in rows[1:]]
    assert [d.mean for d in found_ones if d] == pytest.approx([0.09, 0.04 / 3])
    assert [(d.low, d.high) for d in found_ones if d] == [(e.low, e.high) for e in expected]
    chances = holm([e.p for e in expected if e.p is not None])
    assert [d.p_holm for d in found_ones if d] == pytest.approx(chances)


def test_what_leaves_one_out_is_compared_with_the_whole() -> None:
    found = attribution_of(arms(), whole="mixup", without=["all_but_warmup", "baseline"])
    assert found.steps is None
    assert found.without is not None
    means = [row.difference.mean for row in found.without.rows if row.difference]
    assert means == pytest.approx([0.62 - 0.82 - 0.01 / 3, 0.72 - 0.82 - 0.01 / 3])


def test_names_are_presets_or_words() -> None:
    assert presets_of(arms()[0]) == {"tricks/all_but_warmup", "all_but_warmup"}
    for name in ("warmup", "tricks/warmup", "optim.lr=0.2"):
        arm = pick(arms(), name)
        assert arm.label == name
        assert list(arm.values("val_top1").values()) == pytest.approx(list(SCORES["warmup"]))
    with pytest.raises(ConfigError, match="unknown name 'warmpu'; did you mean 'warmup'"):
        pick(arms(), "warmpu")
    with pytest.raises(ConfigError, match=r"'optim\.lr=9' means 0 of the arms"):
        pick(arms(), "optim.lr=9")
    twice = made_run(0, 0.5, path="again", **lr(7.0))
    twice = replace(twice, summary={"overrides": ["experiment=tricks/warmup", "optim.lr=7"]})
    with pytest.raises(ConfigError, match="the preset warmup was run with 2 settings"):
        pick(arms_of([*runs(), twice]), "warmup")


def test_what_cannot_be_compared_is_refused() -> None:
    for asked in (
        {"steps": ["baseline"]},
        {"whole": "mixup"},
        {"without": ["baseline"]},
        {"steps": STEPS, "without": ["baseline"]},
    ):
        with pytest.raises(ConfigError, match="an attribution needs two or more steps"):
            attribution_of(arms(), **asked)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"warmup and optim\.lr=0\.2 are the same runs"):
        attribution_of(arms(), steps=["warmup", "optim.lr=0.2"])


def test_tables() -> None:
    found = attribution_of(arms(), steps=STEPS, whole="mixup", without=["all_but_warmup"])
    text = to_markdown(found)
    assert "## Each step added to those before it" in text
    assert "- differences are from the row above (Welch's t)" in text
    assert "- differences are from `mixup` (Welch's t)" in text
    assert "| warmup | 3 | 81.00 | 1.00 | +9.00 |" in text
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert [(r["way"], r["arm"], r["against"]) for r in rows] == [
        ("steps", "baseline", ""),
        ("steps", "warmup", "baseline"),
        ("steps", "mixup", "warmup"),
        ("without", "mixup", ""),
        ("without", "all_but_warmup", "mixup"),
    ]
    assert float(rows[1]["difference"]) == pytest.approx(0.09)


def test_bars_reach_from_one_mean_to_the_next() -> None:
    found = attribution_of(arms(), steps=STEPS, whole="mixup", without=["all_but_warmup"])
    steps, without = attribution_figure(list(found.parts)).axes
    spans = [sorted((b.get_x(), b.get_x() + b.get_width())) for b in steps.patches]
    assert spans == [pytest.approx([72.0, 81.0]), pytest.approx([81.0, 82.33], abs=0.01)]
    surely, unsure = (tuple(bar.get_facecolor())[:3] for bar in steps.patches)
    assert surely != unsure  # the second may well be chance
    assert tuple(without.patches[0].get_facecolor())[:3] not in (surely, unsure)  # surely worse
    assert steps.texts[0].get_text().startswith("+9.00 (+4.84 to")
    assert [t.get_text() for t in steps.get_yticklabels()] == list(STEPS)


@pytest.mark.slow
def test_the_command_writes_picture_and_tables(here: Path, answer: Answer) -> None:
    for i, run in enumerate(runs()):
        write_run(run, here / "sweep" / str(i))
    done = answer("attribution", "sweep", "--steps", "baseline, warmup,mixup")
    assert "| mixup | 3 |" in done.out
    made = [p.name for p in (here / "sweep").iterdir() if p.is_file()]
    assert sorted(made) == ["attribution.csv", "attribution.md", "attribution.png"]
    assert answer("attribution", "sweep", "--steps", "baseline").code == 2

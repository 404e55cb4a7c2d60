"""`trainer explain`: what it prints, what it refuses, and that it does so without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import Call, environment, snapshot
from trainer import compose
from trainer.composition.search_path import SEAMS, Sources
from trainer.explain import all_pages, page_of
from trainer.explain.schedule import moments
from trainer.optim import build_optimizer
from trainer.scheduler import SCHEDULERS, Clock, Schedule

FOUND = Sources()
NAMES = [(group, name) for group in SEAMS for name in FOUND.options(group)]

# Answers lines one after the other, before anything heavy was imported.
LINES = """
import contextlib, io, json, sys
from trainer.cli.main import exit_code
answers = {}
for line in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = exit_code(["explain", *line.split()])
    answers[line] = [code, out.getvalue(), "torch" in sys.modules]
print(json.dumps(answers))
"""


def without_torch(lines: list[str], folder: Path) -> dict[str, list[Any]]:
    """Return code, text and whether torch was there, for each line."""
    done = subprocess.run(
        [sys.executable, "-c", LINES],
        cwd=folder,
        env=environment(),
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.slow
def test_every_name_is_explained_without_torch(here: Path) -> None:
    first = "scheduler=cosine epochs=10 optim.lr=0.2"
    lines = [first, "", "optim.lr", "swa=paper"]
    lines += [f"augment=[{n}]" if g == "augment" else f"{g}={n}" for g, n in NAMES]
    answers = without_torch(lines, here)
    assert snapshot(here) == {}
    for line, (code, text, has_torch) in answers.items():
        assert code == 0, line
        assert not has_torch, line
        if "=" in line and line != "swa=paper":
            page = page_of(line.split()[0].replace("[", "").replace("]", ""))
            assert page is not None
            assert text.startswith(page.title)
            for leftover in ("$", "\\", "```", ":::"):
                assert leftover not in text, line
    assert text_lines(answers[""][1]) >= {f"{g}={n}" for g, n in NAMES}
    assert "ηₜ = 0 + (0.2 − 0) (1 + cos(π pₜ)) / 2" in answers[first][1]
    assert "SWA as in its paper" in answers["swa=paper"][1]
    assert "The schedule of stochastic" in answers["swa=paper"][1]


def text_lines(text: str) -> set[str]:
    return {word for line in text.splitlines() for word in line.split()[:1]}


@pytest.mark.slow
def test_a_key_says_what_it_is_and_where_it_belongs(call: Call) -> None:
    done = call("explain", "average.every", "average=swa")
    assert done.code == 0
    flat = " ".join(done.out.split())
    assert "A snapshot is taken each so often" in flat
    assert "here 1ep" in flat
    assert "1st (ema)" in flat
    assert "belongs to average=ema" in flat
    assert "also swa.every=..." in flat
    done = call("explain", "clip_norm")
    assert "Clipping of gradients" in done.out  # the page of the key


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("scheduler=cosin",), "unknown scheduler 'cosin'; did you mean 'cosine'?"),
        (("optimm.lr",), "nothing to explain under 'optimm.lr'; did you mean 'optim.lr'?"),
        (("cosin",), "did you mean 'scheduler=cosine'?"),
        (("swa",), "'swa' is scheduler=swa and average=swa: write one of them"),
        (("optim.lr=abc",), "optim.lr must be a number, got 'abc'"),
        (("scheduler=cosine", "optim.lr=-1"), "optim.lr must be"),
        (("scheduler=cosine", "epochs=0"), "epochs must be positive"),
        (("scheduler=cosine", "scheduler.gamma=1"), "unknown key 'scheduler.gamma'"),
        (("scheduler=step", "scheduler.gamma=2"), "scheduler.gamma must be in (0, 1]"),
        (
            ("scheduler=step", "scheduler.warmup=30ep"),
            "scheduler.warmup=30ep is as long as the run",
        ),
        (("scheduler=step", "scheduler.every=0st"), "scheduler.every=0st is less than one step"),
        (("scheduler=multistep", "scheduler.milestones=[25ep]"), "an epoch counted as 1000"),
        (("loss=distill", "loss.temperature=-1"), "loss.temperature must be positive"),
        (("optim=sgd", "resume=outputs/latest"), "leave out the other words"),
        (("experiment=swaa",), "unknown experiment 'swaa'; did you mean 'swa'?"),
        (("--anwsers",), "did you mean --answers?"),
    ],
)
def test_a_mistake_is_answered_in_one_line(
    call: Call, here: Path, words: tuple[str, ...], told: str
) -> None:
    done = call("explain", *words)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert told in done.err
    assert snapshot(here) == {}


@pytest.mark.slow
def test_a_word_alone_is_a_name_or_a_key_where_it_is_one(call: Call) -> None:
    assert call("explain", "mixup").out.startswith("Mixup: mix=mixup")
    assert call("explain", "optimizer=adam").out.startswith("Adam: optim=adam")
    assert call("explain", "label_smoothing").out.startswith("loss.label_smoothing")
    assert call("explain", "warmup").out.startswith("scheduler.warmup")
    assert "scheduler=cosine" in call("explain", "scheduler").out
    assert "mean over five" not in call("explain", "+experiment=swa").out
    assert "Stochastic weight averaging as in its paper" in call("explain", "+experiment=swa").out
    both = call("explain", "augment=[standard,cutout]").out
    assert "Pad, crop, flip" in both
    assert "Cutout: augment=cutout" in both


@pytest.mark.slow
def test_answers_are_folded_until_they_are_asked_for(call: Call) -> None:
    folded = call("explain", "scheduler=cosine").out
    shown = call("explain", "scheduler=cosine", "--answers", "epochs=10").out
    assert "0.795" not in folded
    assert "--answers" in folded
    assert "0.795" in shown


def test_a_file_of_ones_own_has_the_page_of_what_it_names(call: Call, here: Path) -> None:
    (here / "own" / "optim").mkdir(parents=True)
    (here / "own" / "optim" / "gentle.yaml").write_text("name: adam\nlr: 0.0001\n")
    done = call("explain", "optim=gentle", "--config-dir", "own")
    assert done.code == 0, done.err
    assert done.out.startswith("Adam: optim=gentle")
    assert "optim.lr = 1e-4" in done.out or "optim.lr = 0.0001" in done.out


def told_rates(text: str) -> Iterator[tuple[float, float]]:
    """Yield share and learning rate of each row of the table."""
    for match in re.finditer(r"^ +(\d+)% +[\d.-]+ +(\S+)", text, re.MULTILINE):
        yield int(match[1]) / 100, float(match[2])


SHAPES: dict[str, tuple[str, ...]] = {
    "cosine": ("scheduler.min_lr=1%", "scheduler.warmup=10%"),
    "polynomial": ("scheduler.power=2",),
    "exponential": (),
    "step": ("scheduler.step_size=30%",),
    "multistep": (),
    "cyclic": ("scheduler.mode=triangular2", "scheduler.step_size=10%"),
    "cosine_restarts": (),
    "onecycle": (),
    "piecewise_linear": (),
    "swa": (),
    "constant": (),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_the_rates_told_are_those_of_a_run(call: Call, name: str) -> None:
    words = (f"scheduler={name}", "epochs=10", "optim.lr=0.2", *SHAPES[name])
    rows = dict(told_rates(call("explain", *words).out))
    assert len(rows) == 11
    config = compose(*words)
    per_epoch = 300  # of some data, not the thousand that the text was made with
    total = 10 * per_epoch
    schedule = Schedule(config.scheduler, peak=0.2, total=total, steps_per_epoch=per_epoch)
    for share, lr in rows.items():
        clock = Clock(round(share * total), total, per_epoch, schedule.warmup)
        assert lr == pytest.approx(0.2 * schedule(clock).lr_scale, abs=0.2 * 0.01)


def test_shapes_are_all_but_those_that_need_the_data() -> None:
    assert {*SHAPES, "plateau", "torch"} == set(SCHEDULERS.names())


@pytest.mark.slow
def test_what_needs_the_data_is_not_told(call: Call) -> None:
    for words in (
        ("scheduler=plateau",),
        ("scheduler=torch",),
        ("scheduler=step", "scheduler.step_size=300st"),
        ("scheduler=step", "scheduler.step_size=3ep", "max_steps=100"),
        ("scheduler=cyclic", "scheduler.mode=exp_range"),
    ):
        done = call("explain", *words)
        assert done.code == 0, done.err
        assert "not drawn here" in done.out
        assert list(told_rates(done.out)) == []
    rows = dict(told_rates(call("explain", "scheduler=step", "scheduler.step_size=50st").out))
    assert rows == {}
    done = call("explain", "scheduler=step", "scheduler.step_size=50st", "max_steps=100")
    assert dict(told_rates(done.out))[0.6] == pytest.approx(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND.options("optim"))
def test_the_values_of_a_formula_are_those_of_the_optimizer(name: str) -> None:
    config = compose(f"optim={name}", "optim.lr=0.0123", "optim.weight_decay=0.0456")
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    optimizer = build_optimizer(config.optim, model, 64)
    held = {str(v) for group in optimizer.param_groups for v in flattened(group.values())}
    page = page_of(f"optim={name}")
    assert page is not None
    plain = config.plain()["optim"]
    items = re.findall(
        r"^- (?:\$[^$]+\$(?:, )?)+: `optim\.(\w+)`", page.sections["Formula"], re.MULTILINE
    )
    numbers = [v for key in items for v in flattened([plain[key]]) if isinstance(v, float)]
    assert "lr" in "".join(re.findall(r"`optim\.(lr)`", page.sections["Formula"]))
    assert len(numbers) >= 1
    for number in numbers:
        assert str(number) in held, f"{number} of {items}"
    assert {"0.0123", "0.0456"} <= held


def flattened(values: Any) -> Iterator[object]:
    """Yield numbers and texts of values that may be in lists."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flattened(value)
        else:
            yield value


def test_momentum_is_told_where_the_schedule_moves_it() -> None:
    found = moments(
        {
            "name": "onecycle",
            "warmup": "0ep",
            "every": "1st",
            "min_lr": 0,
            "pct_start": "30%",
        },
        0.2,
        10,
        None,
    )
    assert found[0].momentum == pytest.approx(0.95)
    assert found[3].momentum == pytest.approx(0.85, abs=1e-3)


def test_every_page_is_reached_by_a_word() -> None:
    for page in all_pages():
        assert page_of(page.written[0]) is page

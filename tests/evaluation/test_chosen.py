"""Metrics chosen by name are torchmetrics' own on the same logits, whatever the batches and the
processes."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import TINY, Call
from tests.training import assembled
from trainer import compose
from trainer.config.early_stop import EarlyStop
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.units import Duration
from trainer.evaluation import chosen
from trainer.evaluation.chosen import ChosenMetrics, Measures, classes, quiet
from trainer.evaluation.watched import rises, watched
from trainer.metrics import Scores
from trainer.record.runs import EpochRow
from trainer.run.early_stop import out_of_patience
from trainer.strategy.base import Single

pytest.importorskip("torchmetrics")

CLASSES = 6
CPU = torch.device("cpu")
# What some classes need to give a single number.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "f_beta": {"beta": 2.0},
    "eer": {"average": "macro"},
    "log_auc": {"average": "macro"},
}
NO_NUMBER = {"confusion_matrix", "precision_recall_curve", "roc", "stat_scores"}
NO_NUMBER |= {name for name in classes() if "_at_" in name}
SCALARS = sorted(set(classes()) - NO_NUMBER)


class Several(Single):
    """One process that was given what the others brought."""

    def __init__(self, others: list[Any]) -> None:
        super().__init__(World())
        self.others = others

    def all_gather(self, value: Any) -> list[Any]:
        return [value, *self.others]


class Kept(Single):
    """A process whose part is kept."""

    def all_gather(self, value: Any) -> list[Any]:
        self.part = value
        return [value]


def written(name: str) -> Any:
    return {"name": name, **ARGUMENTS[name]} if name in ARGUMENTS else name


def answers(ties: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and labels of 83 images; no image is of the last class."""
    draw = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(83, CLASSES, generator=draw)
    logits = logits.round() if ties else logits
    return logits, torch.randint(CLASSES - 1, (83,), generator=draw)


def measured(name: str, logits: torch.Tensor, labels: torch.Tensor, cuts: list[int]) -> float:
    """Return a metric of images that processes share, up to these places, in batches of 7."""
    made = ChosenMetrics.parse([written(name)], "metrics").build(CLASSES, CPU)
    bounds = [0, *cuts, len(labels)]
    parts = []
    for low, high in itertools.pairwise(bounds):
        mine = made.fresh()
        for start in range(low, high, 7):
            stop = min(start + 7, high)
            mine.add(logits[start:stop], labels[start:stop])
        parts.append(mine)
    others = []
    for part in parts[1:]:
        kept = Kept(World())
        part.into(None, kept)
        others.append(kept.part)
    scores = parts[0].into(Scores(1.0, 0.5, None, len(labels)), Several(others))
    assert scores is not None
    return scores.more.get(name, math.nan)


def test_every_metric_of_the_package_is_offered_by_one_short_name() -> None:
    package = importlib.import_module("torchmetrics.classification")
    assert len(classes()) == sum(name.startswith("Multiclass") for name in dir(package))
    assert {"f1", "auroc", "calibration_error", "matthews_corr_coef", "f_beta"} <= set(classes())
    assert len(SCALARS) >= 16
    for name, found in classes().items():
        for spelling in (name.upper(), found.__name__, found.__name__.removeprefix("Multiclass")):
            assert chosen.known_name(spelling, "metrics") == name


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", SCALARS)
def test_a_metric_is_torchmetrics_s_own_on_the_same_logits(name: str, ties: bool) -> None:
    logits, labels = answers(ties)
    with quiet():
        theirs = classes()[name](num_classes=CLASSES, **ARGUMENTS.get(name, {}))
        # as one batch, in float64 as its own tests do
        expected = float(theirs(logits.double().softmax(1), labels))
    one = measured(name, logits, labels, [])
    assert one == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)
    for cuts in ([41], [7, 8], [83], [0]):  # and where a process has no image
        assert measured(name, logits, labels, cuts) == pytest.approx(one, rel=1e-12, nan_ok=True)


@pytest.mark.slow
def test_the_usual_ones_are_scikit_learn_s() -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    logits, labels = answers(ties=False)
    guesses, present = logits.argmax(1), range(CLASSES - 1)
    expected = {
        "f1": theirs.f1_score(labels, guesses, labels=range(CLASSES), average=None)[present].mean()
        if not (guesses == CLASSES - 1).any()
        else theirs.f1_score(labels, guesses, average="macro"),
        "matthews_corr_coef": theirs.matthews_corrcoef(labels, guesses),
        "cohen_kappa": theirs.cohen_kappa_score(labels, guesses),
    }
    for name, value in expected.items():
        assert measured(name, logits, labels, [40]) == pytest.approx(value, rel=1e-6, abs=1e-6), (
            name
        )
    probabilities = logits.double().softmax(1).numpy()
    full, some = torch.arange(83) % CLASSES, probabilities
    area = theirs.roc_auc_score(full, some, multi_class="ovr", average="macro")
    assert measured("auroc", logits, full, [40]) == pytest.approx(area, rel=1e-6)


@pytest.mark.parametrize("name", sorted({*SCALARS, "stat_scores"} - {"eer", "log_auc"}))
def test_sums_take_the_same_memory_for_any_number_of_images(name: str) -> None:
    keeps = {"auroc", "average_precision", "calibration_error", "stat_scores"}
    if name in keeps - {"auroc", "average_precision"}:
        pytest.skip("keeps every image, or gives no number")
    more = {"thresholds": 50} if name in keeps else ARGUMENTS.get(name, {})
    made = ChosenMetrics.parse([{"name": name, **more}], "metrics").build(CLASSES, CPU)
    sizes = []
    for _ in range(3):
        made.add(*answers(ties=False))
        states = made.metrics[name].metric_state.values()
        sizes.append(sum(s.numel() for s in states if isinstance(s, torch.Tensor)))
        assert not any(isinstance(s, list) for s in states)
    assert len(set(sizes)) == 1


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("metrics=[f1scor]", "unknown metric (metrics[0]) 'f1scor'; write f1; known: "),
        ("metrics=[auroc,auc]", "unknown metric (metrics[1]) 'auc'"),
        ("metrics=[f1,F1Score]", "metrics has f1 twice"),
        ("metrics=[f_beta]", "f_beta needs beta: write {name: f_beta, beta: ...}"),
        ("metrics=[{name: f1, averge: macro}]", "'averge'; did you mean 'average'?"),
        ("metrics=[{name: f1, num_classes: 3}]", "unknown argument of f1 (metrics[0])"),
        ("metrics=[{name: f1, average: mean}]", "`average` to be one of"),
        ("metrics=[{average: macro}]", "must be the name of a metric"),
        ("metrics=[3]", "must be the name of a metric"),
        ("metrics=[eer]", "write average: macro for the mean over classes"),
        ("checkpoint.metric=val_f1", "unknown checkpoint.metric 'val_f1'"),
        ("checkpoint.metric=val_top", "did you mean 'val_top1'?"),
    ],
)
def test_a_mistake_is_refused_by_name(word: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(*TINY, word)
    assert text in str(caught.value)


@pytest.mark.parametrize("name", sorted(NO_NUMBER))
def test_what_gives_no_number_is_refused_at_the_start(name: str) -> None:
    least = {f"min_{word}": 0.5 for word in ("recall", "precision", "specificity", "sensitivity")}
    least = {k: v for k, v in least.items() if name.endswith(f"_{k[4:]}")}
    with pytest.raises(ConfigError, match="no single number"):
        ChosenMetrics.parse([{"name": name, **least}], "metrics")


def test_without_the_package_the_line_that_installs_it_is_said(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes.cache_clear()
    monkeypatch.setitem(sys.modules, "torchmetrics.classification", None)
    done = call(*TINY, "metrics=[f1]")
    classes.cache_clear()
    assert (done.code, list(here.iterdir())) == (2, [])
    assert "metrics needs a package: pip install torchmetrics" in done.err


@pytest.mark.slow
def test_what_has_nothing_to_act_on_is_refused(call: Call) -> None:
    done = call(*TINY, "metrics=[f1]", "data.val=0", "report_test=false")
    assert (done.code, "nothing to act on" in done.err) == (2, True)
    done = call(*TINY, "metrics=[f1]", "checkpoint.metric=val_f1", "data.val=0")
    assert (done.code, "nothing to act on" in done.err) == (2, True)
    done = call(*TINY, "metrics=[negative_predictive_value]", "scheduler=plateau")
    assert done.code == 0, done.err
    words = ("scheduler=plateau", "scheduler.metric=val_negative_predictive_value")
    done = call(*TINY, "metrics=[negative_predictive_value]", *words)
    assert (done.code, "does not say whether more" in done.err) == (2, True)


@pytest.mark.slow
def test_an_early_stop_can_watch_one_by_its_direction(call: Call, here: Path) -> None:
    still = ("optim.lr=1e-12", "optim.weight_decay=0", "epochs=9", "early_stop.patience=2ep")
    for number, name in enumerate(("f1", "hamming_distance")):
        words = (f"metrics=[{name}]", f"early_stop.metric=val_{name}", f"hydra.run.dir={number}")
        done = call(*TINY, *still, *words)
        assert done.code == 0, done.err
        assert f"val_{name} has not improved for 2ep" in done.out
        assert summary(here / str(number))["steps"] == 3 * 4  # no better than the first
    refused = call(*TINY, *still, "early_stop.metric=val_f1")
    assert refused.code == 2
    assert "unknown early_stop.metric 'val_f1'" in refused.err
    without = call(*TINY, *still, "metrics=[f1]", "early_stop.metric=val_f1", "data.val=0")
    assert (without.code, "data.val=0" in without.err) == (2, True)


@pytest.mark.slow
def test_a_row_is_judged_by_its_metric_s_direction() -> None:
    for name, best_epoch in (("f1", 2), ("hinge_loss", 1)):
        with assembled(*TINY, f"metrics=[{name}]") as run:
            config = EarlyStop(Duration(1, "ep"), f"val_{name}")
            for epoch, score in enumerate((0.5, 0.6, 0.5, math.nan), 1):
                row = EpochRow(epoch, 4 * epoch, 0.1, 1.0, 0.5, more={f"val_{name}": score})
                out_of_patience(config, row, run)
            assert run.state.patience["step"] == 4 * best_epoch


@pytest.mark.slow
def test_the_direction_of_a_watched_metric_is_its_class_s() -> None:
    config = compose(*TINY, f"metrics=[{','.join(s for s in SCALARS if s not in ARGUMENTS)}]")
    table = watched(config.metrics)
    assert table["val_loss"] is table["val_calibration_error"] is False
    assert table["val_hamming_distance"] is table["val_hinge_loss"] is False
    assert table["val_top1"] is table["val_f1"] is table["val_auroc"] is True
    assert "val_negative_predictive_value" not in table
    assert {name: rises(name) for name in table} == table


def summary(run: Path) -> Any:
    return json.loads((run / "summary.json").read_text())


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


WORDS = (*TINY, "average=ema", "epochs=3", "metrics=[f1,auroc,calibration_error]")


@pytest.mark.slow
def test_a_run_records_them_and_is_steered_by_them(call: Call, here: Path) -> None:
    steer = ("scheduler=plateau", "scheduler.metric=val_f1", "checkpoint.metric=val_f1")
    done = call(*WORDS, *steer, "hydra.run.dir=run")
    assert done.code == 0, done.err
    found = rows(here / "run")
    names = {"f1", "auroc", "calibration_error"}
    assert all({f"val_{n}" for n in names} <= set(row) for row in found)
    assert {f"avg_val_{n}" for n in names} <= set(found[-1])
    end = summary(here / "run")
    assert names <= set(end["test"]) & set(end["test_avg"])
    best = max(found, key=lambda row: row["val_f1"])
    assert end["best_checkpoint"] == f"checkpoints/step-{best['step']:08d}"
    assert end["best_val_top1"] == max(row["val_top1"] for row in found)
    assert "f1" in done.out
    done = call("task=evaluate", "task.run=run", "hydra.run.dir=found")
    assert done.code == 0, done.err
    again = summary(here / "found")["evaluation"]
    assert {n: again[n] for n in names} == {n: end["test"][n] for n in names}


@pytest.mark.slow
def test_they_move_nothing_and_none_is_neutral(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tuple(word for word in WORDS if not word.startswith("metrics"))
    for words, place in ((plain, "none"), (WORDS, "some")):
        assert call(*words, f"hydra.run.dir={place}").code == 0
    none, some = summary(here / "none"), summary(here / "some")
    assert none["weights_sha256"] == some["weights_sha256"]
    assert none["key"] != some["key"]
    assert {k: v for k, v in some["test"].items() if k in none["test"]} == none["test"]
    from trainer.config.compare import decisive_values

    assert "metrics" not in decisive_values(compose(*plain), ())


def test_a_fresh_one_is_empty() -> None:
    made = ChosenMetrics.parse("f1", "metrics").build(CLASSES, CPU)
    first = measured("f1", *answers(ties=False), [])
    fresh: Callable[[], Measures] = made.fresh
    made.add(torch.eye(CLASSES), torch.arange(CLASSES))
    mine = fresh()
    mine.add(*answers(ties=False))
    scores = mine.into(Scores(1.0, 0.5, None, 83), Single(World()))
    assert scores is not None
    assert scores.more == {"f1": first}

"""Mechanisms are drawn from what happens: properties of their numbers, and that each is drawn."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from matplotlib.text import Text
from torch import nn

from tests.command import Call
from tests.study.studies import arm, made, run
from trainer.core.errors import ConfigError
from trainer.record.runs import RunRow
from trainer.record.style import new_figure
from trainer.study import grids, mechanisms, rates, timed
from trainer.study.arms import arms_half, compared, finding_of
from trainer.study.halves import FRAMES, REST, halves_figure, headline_of, write_gif
from trainer.study.make import make, opened
from trainer.study.mechanisms import blend, descent, numbers, paths, schedule, seconds, trajectory
from trainer.study.mechanisms._live import live, loss_of, put, vector
from trainer.study.page import StudyFinding
from trainer.study.runs import StudyRuns
from trainer.study.spec import load, names
from trainer.study.study import Study, changed

MINUTE = names("minute")
SMALL = ["data=synthetic", "data.num_train=64", "data.num_test=40", "data.image_shape=[1,8,8]"]
SMALL += ["model=mlp", "model.hidden=[8]", "batch_size=16", "epochs=2", "optim.lr=0.1"]
MIXES = {"none": {"overrides": ["mix=none"]}, "mixup": {"overrides": ["mix=mixup"]}}


def small(*more: str, **parts: Any) -> Study:
    """A study whose runs take a moment."""
    return made(base=[*SMALL, *more], **parts)


def drawn(name: str, seen: Any) -> None:
    """Draw what was seen, whole and as it was after a third, and see that something is there."""
    for share in (0.3, 1.0):
        figure = new_figure(5, 4, dpi=50)
        mechanisms.load(name).draw(figure.subfigures(1, 1), seen, share)
        figure.canvas.draw()
        assert any(text.get_text() for text in figure.findobj(Text))
        assert all(axes.has_data() for axes in figure.axes)


@pytest.mark.slow
def test_a_blend_is_the_weighted_sum_of_its_two_images_pixel_by_pixel_and_its_label_sums_to_1() -> (
    None
):
    study = small("label_noise=40%", arms=MIXES)
    seen = blend.see(study, [])
    first, second, mixed = seen.images
    np.testing.assert_allclose(mixed, seen.share * first + (1 - seen.share) * second, atol=1e-5)
    assert seen.target.sum() == pytest.approx(1.0)
    assert seen.labels[0] != seen.labels[1]
    assert seen.target[list(seen.labels)] == pytest.approx([seen.share, 1 - seen.share])
    assert list(seen.hearts) == ["none", "mixup"]
    for points in seen.hearts.values():
        assert points[-1, 0] == 1.0
        assert (np.diff(points[:, 0]) >= 0).all()
        assert ((points[:, 1] >= 0) & (points[:, 1] <= 1)).all()
    drawn("blend", seen)
    drawn("blend", replace(seen, hearts={}))


@pytest.mark.slow
def test_corrupt_labels_are_those_that_differ_from_what_they_were() -> None:
    one = live(small("label_noise=40%", arms=MIXES), "none")
    images, labels = blend.corrupt(one)
    assert one.run.data.noise is not None
    assert len(images) == len(labels) == one.run.data.noise.changed


@pytest.mark.slow
def test_a_trajectory_is_of_the_later_half_and_knows_the_loss_about_it() -> None:
    study = small()
    seen = trajectory.see(study, [])
    one = live(study, study.labels[0])
    total, per_epoch = one.run.total, one.run.data.steps_per_epoch
    assert len(seen.points) >= total - math.ceil(total / 2)
    assert per_epoch >= 2
    middle = len(seen.x) // 2
    assert seen.losses[middle, middle] == pytest.approx(seen.average)
    drawn("trajectory", seen)
    with pytest.raises(ConfigError, match="two: 2 steps are too few to draw a trajectory"):
        trajectory.see(small("max_steps=2"), [])


@pytest.mark.slow
def test_weights_put_back_are_those_that_were_taken() -> None:
    one = live(small(), "plain")
    weights = vector(one.run.model)
    batch = one.train_images()
    before = loss_of(one.run.model, batch.images, batch.labels)
    put(one.run.model, weights * 2)
    assert loss_of(one.run.model, batch.images, batch.labels) != before
    put(one.run.model, weights)
    assert loss_of(one.run.model, batch.images, batch.labels) == before


def test_steps_of_a_small_rate_creep_a_right_one_arrives_and_a_large_one_climbs() -> None:
    places = np.linspace(-1.0, 3.0, 401)
    seen = descent.steps_on(places, 0.5 * (places - 1.0) ** 2)
    low, right, high = seen.paths
    assert 0 < low[-1] < 0.6
    assert right[1] == pytest.approx(1.0, abs=0.02)
    # a rate of 2.4 over the curvature: each step lands 1.4 times as far on the other side
    assert high[1] - 1.0 == pytest.approx(1.4, abs=0.03)
    drawn("descent", seen)


@pytest.mark.slow
def test_the_loss_along_the_gradient_falls_first() -> None:
    seen = descent.see(small(), [])
    start = float(np.interp(0.0, seen.places, seen.losses))
    assert float(seen.losses.min()) < start
    assert 0.0 < seen.places[seen.losses.argmin()] < seen.places[-1]


@pytest.mark.slow
def test_the_rate_of_a_trace_is_the_schedules_and_the_loss_the_batches() -> None:
    arms = {n: {"overrides": [f"scheduler={n}"]} for n in ("constant", "cosine")}
    constant, cosine = schedule.see(small(arms=arms), [])
    assert set(constant.lrs) == {0.1}
    assert cosine.lrs[0] == pytest.approx(0.1)
    assert (np.diff(cosine.lrs) < 0).all()
    assert constant.losses[0] == cosine.losses[0]
    assert constant.smooth.min() >= constant.losses.min()
    drawn("schedule", [constant, cosine])


@pytest.mark.slow
def test_paths_take_the_optimizers_own_steps() -> None:
    def plain(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=1.0)

    points = paths.follow(plain, 1e-4)
    x, y = paths.START
    steep = paths.STEEP
    assert points[1] == pytest.approx([x - 1e-4 * steep[0] * x, y - 1e-4 * steep[1] * y])
    assert len(points) == paths.STEPS + 1
    arms = {n: {"overrides": [f"optim={n}"]} for n in ("sgd", "adam")}
    sgd, adam = paths.see(small(arms=arms), [])
    assert (
        paths.loss_of(adam.points)[-1]
        < paths.loss_of(sgd.points)[-1]
        < paths.loss_of(sgd.points)[0]
    )
    drawn("paths", [sgd, adam])


@pytest.mark.slow
def test_numbers_vanish_below_the_least_of_their_format() -> None:
    seen = numbers.sizes_of(torch.tensor([1e-9, 1e-30, -1e-42, 0.5, 0.0]))
    assert len(seen.sizes) == 4  # a gradient of 0 is not lost
    assert seen.lost == {"fp32": 0.0, "bf16": pytest.approx(0.25), "fp16": pytest.approx(0.75)}
    assert seen.ranges["fp16"] == (2.0**-24, 65504.0)
    assert seen.steps["bf16"] == 2.0**-7
    drawn("numbers", seen)
    assert numbers.see(small(), []).sizes.min() > 0.0


@pytest.mark.slow
def test_the_seconds_of_two_processes_are_their_half_and_the_exchange() -> None:
    def timed(processes: int, speed: float) -> RunRow:
        one = run(0, 0.5, (1.0, speed, speed))
        return replace(one, config={"batch_size": 16}, summary={"world_size": processes})

    seen = seconds.see(small(), [timed(1, 100.0), timed(2, 160.0)])
    assert (seen.whole, seen.two, seen.images) == (pytest.approx(160.0), pytest.approx(100.0), 16)
    assert seen.half > 0.0
    assert seen.exchange == pytest.approx(max(0.0, seen.two - seen.half))
    drawn("seconds", seen)


def finding(study: Study) -> StudyFinding:
    """What made-up runs of a study come to; nothing is trained."""
    if study.draw == "rates":
        jobs = rates.jobs_of(study)
        rows = [arm("", 0.5 + 0.01 * (i % 7)).runs[0] for i in range(len(jobs))]
        return rates.finding_of(study, jobs, rows)
    if not study.arms:
        rows = []
        for number, line in enumerate(study.grid_jobs()):
            words = {w.split("=")[0]: yaml.safe_load(w.split("=")[1]) for w in line}
            config = {"optim": {"name": "sgd", "lr": words["optim.lr"]}, "seed": words["seed"]}
            config["batch_size"] = words["batch_size"]
            row = arm("", 0.5 + 0.005 * (number % 9)).runs[0]
            rows.append(replace(row, config=config, path=Path(str(number))))
        find = grids.slice_finding if study.draw == "slice" else grids.tradeoff_of
        return find(study, rows, "n=2.")
    scores = [0.5 + 0.001 * seed for seed in range(3)]
    arms = [arm(label, *(x + 0.01 * i for x in scores)) for i, label in enumerate(study.labels)]
    if study.draw == "speed":
        return timed.speed_of(study, arms)
    if study.draw == "processes":
        return timed.processes_of(study, arms, [1e-17, 2e-17, 3e-17])
    return finding_of(StudyRuns(study, (), dict.fromkeys(study.labels, ()), tuple(arms)))


@pytest.mark.slow
@pytest.mark.parametrize("name", MINUTE)
def test_every_demonstration_draws_both_halves(name: str, tmp_path: Path) -> None:
    words = [w for w in SMALL if not w.startswith(("batch_size", "optim"))]
    study = changed(load(name, "minute"), words, seeds=2)
    found = finding(study)
    assert found.worth is not None
    assert found.figure is None
    runs = found.runs
    if study.draw == "processes":
        runs = [
            replace(r, config={"batch_size": 16}, summary={"world_size": n})
            for r, n in zip(runs, (1, 2), strict=False)
        ]
    seen = mechanisms.load(study.mechanism).see(study, runs)
    figure = halves_figure(study, seen, found.worth)
    figure.savefig(tmp_path / "picture.png")
    said = [text.get_text() for text in figure.findobj(Text)]
    assert {"How it works", "What it is worth"} <= set(said)
    assert not [text for text in said if "nan" in text.split()]
    title = next(
        text
        for text in figure.findobj(Text)
        if text.get_text().lower().startswith(found.worth.headline[:20].lower())
    )
    assert title.get_window_extent().x1 < figure.bbox.width
    assert 20_000 < (tmp_path / "picture.png").stat().st_size < 150_000


@pytest.mark.slow
def test_every_demonstration_has_a_mechanism_and_every_mechanism_a_demonstration() -> None:
    used = {load(name, "minute").mechanism for name in MINUTE}
    assert used == set(mechanisms.names())
    assert isinstance(mechanisms.load("trajectory"), object)
    with pytest.raises(
        ConfigError, match="unknown mechanism 'trajectori'; did you mean 'trajectory'"
    ):
        mechanisms.load("trajectori")


@pytest.mark.slow
def test_a_picture_has_both_halves_and_its_headline_is_what_came_of_it(tmp_path: Path) -> None:
    study = small(arms=MIXES, mechanism="paths")
    arms = (arm("none", 0.7, 0.71, 0.72), arm("mixup", 0.8, 0.81, 0.82))
    half = arms_half(StudyRuns(study, (), {}, arms), compared(study, arms))
    assert half.headline == "mixup gains 10.0 points against none"
    same = (arms[0], arm("mixup", 0.7, 0.71, 0.72))
    assert headline_of(study, compared(study, same)) == "mixup and none: not told apart"
    places = np.stack([np.linspace(-9.0, 0.0, 30), np.zeros(30)], axis=1)
    seen = [paths.Path("sgd", 0.1, places)]
    figure = halves_figure(study, seen, half)
    figure.savefig(tmp_path / "picture.png")
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {"How it works", "What it is worth", "Mixup gains 10.0 points against none"} <= words
    write_gif(study, seen, tmp_path / "moving.gif")
    from PIL import Image

    with Image.open(tmp_path / "moving.gif") as image:
        # frames that do not differ are stored once
        assert FRAMES // 2 <= image.n_frames <= FRAMES + REST  # type: ignore[attr-defined]


def test_a_picture_is_opened_where_there_is_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda uri: not shown.append(uri))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert opened(Path("a.png")) == f"no display here: the picture is {Path('a.png').resolve()}"
    assert shown == []
    monkeypatch.setenv("DISPLAY", ":0")
    assert opened(Path("a.png")) == "opened   a.png"
    assert shown == [Path("a.png").resolve().as_uri()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tune", "--show"), "--tune chooses values and ends: --show has no effect"),
        (("--tune", "--first-seed", "5"), "--first-seed has no effect"),
        (("--first-seed", "-1"), "--first-seed must be 0 or more, got -1"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    words: tuple[str, ...], message: str, call: Call
) -> None:
    outcome = call("demo", "mixup", *words)
    assert outcome.code == 2
    assert message in outcome.err


def test_a_study_without_a_mechanism_has_nothing_that_moves(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--gif: two draws no mechanism at the scale minute"):
        make(made(), tmp_path, is_animated=True)


def test_the_first_seed_moves_every_run() -> None:
    study = changed(load("mixup", "minute"), seeds=3, first=100)
    assert list(study.reported) == [100, 101, 102]
    assert study.command() == "python -m trainer demo mixup --seeds 3 --first-seed 100"
    grid = changed(load("lr", "minute"), seeds=2, first=7)
    seeds = {w for line in grid.grid_jobs() for w in line if w.startswith("seed=")}
    assert seeds == {"seed=7", "seed=8"}


def rated(none: dict[float, float], mixup: dict[float, float]) -> StudyFinding:
    """What two arms over rates come to, whose seeds are a point apart."""
    arms = {
        label: {"overrides": [f"mix={label}"], "tune": {"optim.lr": list(values)}}
        for label, values in (("none", none), ("mixup", mixup))
    }
    study = changed(small(arms=arms, draw="rates"), seeds=3)
    jobs = rates.jobs_of(study)
    scores = {"none": none, "mixup": mixup}
    rows = []
    for job in jobs:
        score = scores[job.arm][rates.rate_of(job)] + 0.01 * job.seed
        rows.append(replace(run(job.seed, score), config={"seed": job.seed}))
    return rates.finding_of(study, jobs, rows)


@pytest.mark.slow
def test_arms_over_rates_are_compared_at_their_best_and_at_each_rate() -> None:
    found = rated({0.01: 0.5, 0.1: 0.8}, {0.01: 0.7, 0.1: 0.795})
    assert found.sentences[0].startswith("mixup is not told apart from none: -0.5 points")
    assert "(adjusted for 2 rates, Holm): 0.01: +20.0 (" in found.sentences[1]
    assert found.sentences[1].endswith("0.1: -0.5 (-2.8 to +1.8), not told apart.")
    assert found.sentences[2] == (
        "Within 5 points of an arm's best, of the rates tried: none over a factor of 1 (0.1 to "
        "0.1), mixup over a factor of 1 (0.1 to 0.1)."
    )
    assert found.worth is not None
    assert found.worth.headline == (
        "at the same rate mixup gains up to 20.0 points; each at its best: not told apart"
    )
    better = rated({0.01: 0.5, 0.1: 0.6}, {0.01: 0.7, 0.1: 0.65})
    assert better.sentences[0].startswith("mixup gains 10.0 points of test accuracy against none")
    assert better.worth is not None
    assert better.worth.headline == "mixup gains 10.0 points against none"

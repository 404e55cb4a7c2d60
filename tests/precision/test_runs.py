"""Number formats in whole runs: with clipping, accumulation, averages, mixing and checkpoints."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import TINY, Call
from trainer.api import compose
from trainer.core.environment import World
from trainer.core.errors import Diverged
from trainer.loop import EpochRecord, Pause, fit
from trainer.precision.formats import FORMATS
from trainer.precision.step import Precision
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.state import Run, load_state, save_state

pytestmark = pytest.mark.slow  # whole runs

HERE = [name for name in FORMATS if name != "tf32"]  # those that a processor has
SCALED = [name for name in HERE if FORMATS[name].scales_loss]
CLIPS = ("clip_norm=null", "clip_norm=0.01", "clip_value=0.001")
OVERFLOW = 2.0**40  # gradients of float16 overflow down to about 2**16


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """`prepare` sets the threads of this process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def made(*overrides: str) -> Run:
    """Return a run, ready at its first step: four steps an epoch, the last of fewer images."""
    config = compose(*TINY, "optim.lr=0.01", *overrides)
    return assemble(config, *prepare(config, World()))[0]


def finished(*overrides: str) -> tuple[Run, list[EpochRecord]]:
    run = made(*overrides)
    return run, [event for event in fit(run) if isinstance(event, EpochRecord)]


def count_steps(run: Run) -> list[int]:
    """Note the step at which the optimizer is called to step."""
    stepped: list[int] = []
    step = run.optimizer.step

    def counted(*args: Any, **kwargs: Any) -> Any:
        stepped.append(run.state.step)
        return step(*args, **kwargs)

    run.optimizer.step = counted  # type: ignore[method-assign]
    return stepped


def weights_of(run: Run) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in run.model.state_dict().items()}


def assert_equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=0, atol=0, msg=key)


@pytest.mark.parametrize("name", HERE)
def test_one_optimizer_step_each_and_none_where_it_is_skipped(name: str) -> None:
    overrides = ("epochs=1", f"precision={name}")
    for clip, accumulate in itertools.product(CLIPS, (1, 4)):
        run = made(*overrides, clip, f"accumulate={accumulate}")
        stepped = count_steps(run)
        (row,) = fit(run)
        assert isinstance(row, EpochRecord)
        assert stepped == [1, 2, 3, 4]
        assert run.state.step == run.total == 4
        assert row.skipped_steps == (0 if name in SCALED else None)


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("clip", CLIPS)
def test_overflows_are_skipped_counted_and_recorded_while_time_goes_on(
    name: str, clip: str
) -> None:
    overrides = (f"precision={name}", f"precision.init_scale={OVERFLOW}", clip)
    overrides = (*overrides, "average=swa", "average.start=0ep", "average.every=1st")
    run = made(*overrides, "scheduler=exponential", "epochs=10", "optim.momentum=0.9")
    stepped, before, lrs = count_steps(run), weights_of(run), []
    parameters = {name for name, _ in run.model.named_parameters()}
    for row in fit(run):
        assert isinstance(row, EpochRecord)
        lrs.append(row.lr)
        assert row.loss_scale == OVERFLOW / 2**row.skipped_steps
        if row.step == 8:
            assert row.skipped_steps == 8
            assert stepped == []
            assert row.train.grad_norm is None
            assert row.avg_val is None  # no snapshot yet
            assert run.optimizer.state_dict()["state"] == {}
            now = weights_of(run)
            assert_equal({k: before[k] for k in parameters}, {k: now[k] for k in parameters})
    skipped = run.state.skipped_steps
    assert 20 <= skipped <= 30
    assert stepped == list(range(skipped + 1, 41))
    assert row.train.grad_norm is not None
    assert run.average.state_dict()["count"] == len(stepped)
    assert lrs == sorted(set(lrs), reverse=True)


@pytest.mark.parametrize("name", SCALED)
def test_the_norm_before_clipping_is_that_of_float32(name: str) -> None:
    norms = {}
    for precision in ("fp32", name):
        run, rows = finished(f"precision={precision}", "clip_norm=0.05", "epochs=3", "accumulate=2")
        norms[precision] = [row.train.grad_norm for row in rows], weights_of(run)
    assert min(norms["fp32"][0]) > 0.05  # it is clipped
    assert norms[name][0] == pytest.approx(norms["fp32"][0], rel=0.02)
    for key, value in norms["fp32"][1].items():
        torch.testing.assert_close(norms[name][1][key], value, rtol=0.02, atol=0.002)


def test_endless_skipping_ends_the_run_with_its_own_code(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = Precision.backward
    monkeypatch.setattr(Precision, "backward", lambda self, loss: backward(self, loss * 1e38))
    overrides = ("precision=fp16", "precision.init_scale=1024", "epochs=9", "name=endless")
    ended = call(*TINY, *overrides)
    assert ended.code == 3
    assert "the gradient at step 10 is not finite at any loss scale" in ended.err
    assert "until it fell to 0.5" in ended.err
    (run,) = (here / "outputs" / "endless").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["status"], summary["exit_code"], summary["steps"]) == ("diverged", 3, 11)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["skipped_steps"] for row in rows] == [4, 8]
    assert [row["loss_scale"] for row in rows] == [64.0, 4.0]
    assert "grad_norm" not in rows[0]
    assert "skipped 4 steps, loss scale 64" in ended.out


def test_a_loss_that_is_not_finite_is_divergence_under_a_scale_too() -> None:
    run = made("precision=fp16")
    with torch.no_grad():
        next(run.model.parameters()).fill_(1e30)
    with pytest.raises(Diverged, match="the loss at step 0 is not finite"):
        list(fit(run))


def pause_at(run: Run, step: int) -> None:
    """Train to a step."""
    events = fit(run, pause=lambda clock: clock.step == step)
    next(event for event in events if isinstance(event, Pause))


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("step", [2, 6])
def test_a_resumed_run_ends_with_the_same_bits(name: str, step: int) -> None:
    overrides = [f"precision={name}", "average=ema", "mix=mixup", "accumulate=2", "clip_norm=0.1"]
    overrides += ["optim.momentum=0.9", "epochs=3"]
    if name in SCALED:  # skips at first, then it grows
        overrides += [f"precision.init_scale={2.0**19}", "precision.growth_interval=3"]
    whole, rows = finished(*overrides)
    half = made(*overrides)
    pause_at(half, step)
    averaged = half.average.eval_model()
    saved = copy.deepcopy(save_state(half)), weights_of(half)
    resumed = made(*overrides)
    with torch.no_grad():  # nothing of what it was made with may stay
        for parameter in resumed.model.parameters():
            parameter.fill_(0.1)
    load_state(resumed, *saved, {} if averaged is None else averaged.state_dict())
    later = [event for event in fit(resumed) if isinstance(event, EpochRecord)]
    assert_equal(weights_of(whole), weights_of(resumed))
    assert str(whole.optimizer.state_dict()) == str(resumed.optimizer.state_dict())
    assert [(r.loss_scale, r.skipped_steps, r.train, r.avg_val) for r in later] == [
        (r.loss_scale, r.skipped_steps, r.train, r.avg_val) for r in rows if r.step > step
    ]
    if name in SCALED:
        assert 0 < whole.state.skipped_steps < whole.total
        assert len({r.loss_scale for r in rows}) > 1


def test_accumulation_weighs_every_image_alike_the_short_step_included() -> None:
    """Windows of 12, 12, 12 and 11 images in micro-batches of up to 12, 6, 4 and 3 of them."""
    overrides = (
        "precision=fp64",
        "model.norm=none",
        *("data.num_train=52", "data.val=5", "batch_size=12"),
        "clip_norm=0.5",
    )
    reference, rows = finished(*overrides)
    sizes = [w[0].step_images for w in reference.data.train_steps(0, 0)]
    assert sizes == [12, 12, 12, 11]
    for accumulate in (2, 3, 4):
        run, again = finished(*overrides, f"accumulate={accumulate}")
        parts = [[len(b.labels) for b in w] for w in run.data.train_steps(0, 0)]
        assert all(len(p) > 1 for p in parts)
        assert len(set(parts[-1])) > 1  # and of unequal parts
        for key, value in weights_of(reference).items():
            torch.testing.assert_close(weights_of(run)[key], value, rtol=1e-12, atol=1e-12)
        for one, two in zip(rows, again, strict=True):
            assert two.train.loss == pytest.approx(one.train.loss, rel=1e-12)


def test_only_scaled_runs_record_a_scale(call: Call, here: Path) -> None:
    for name in ("fp16", "bf16"):
        assert call(*TINY, f"precision={name}", f"name={name}").code == 0
        (run,) = (here / "outputs" / name).iterdir()
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for row in rows:
            assert row.get("loss_scale") == (65536.0 if name == "fp16" else None)
            assert row.get("skipped_steps") == (0 if name == "fp16" else None)


def test_bad_words_are_refused_before_anything_is_made(call: Call, here: Path) -> None:
    for overrides, message in {
        ("precision=tf32",): "needs an NVIDIA GPU of compute capability 8.0 or higher",
        ("precision=bf16", "precision.init_scale=2"): "belongs to precision=",
        ("precision=O3", "optim=adam"): "optim.eps=1e-08 is 0 in the float16",
        ("precision=fp16", "precision.init_scale=0.1"): "precision.init_scale must be from 1 to",
    }.items():
        refused = call(*TINY, *overrides)
        assert refused.code == 2, refused.err
        assert message in refused.err
    assert list(here.iterdir()) == []

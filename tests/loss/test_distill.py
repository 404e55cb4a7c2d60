"""Distillation is the papers' formula; its teacher sees what the student sees and never moves."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.command import TINY, Call, snapshot
from tests.training import assembled
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.core.weights_source import Origin
from trainer.data.base import Batch
from trainer.loss.base import LOSSES
from trainer.loss.distill import Distill, Distillation, closeness

RUN = Origin(Path("/a/run"))


class Fixed(nn.Module):
    """A teacher with an opinion that no image changes."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert not torch.is_grad_enabled()
        assert len(images) == len(self.logits)
        return self.logits * 1.0


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * 3


def batch_of(labels: list[int], num_classes: int, targets: torch.Tensor | None = None) -> Batch:
    return Batch(torch.zeros(len(labels), 1, 1, 1), torch.tensor(labels), num_classes, targets)


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def test_by_hand() -> None:
    student = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)  # 3/4, 1/4
    teacher = Fixed(torch.zeros(1, 2, dtype=torch.float64))  # 1/2, 1/2
    got = Distillation(Distill(RUN, temperature=1.0), teacher)(student, batch_of([0], 2))
    divergence = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert float(got) == pytest.approx(divergence + math.log(4 / 3), rel=1e-14)
    assert got.shape == ()


def test_the_temperature_by_hand() -> None:
    student = torch.tensor([[2 * math.log(3.0), 0.0]], dtype=torch.float64)  # 3/4, 1/4 at T = 2
    taught = torch.zeros(1, 2, dtype=torch.float64)
    divergence = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert float(closeness(student, taught, 2.0)) == pytest.approx(4 * divergence, rel=1e-14)


def test_hot_distributions_match_logits() -> None:
    """Section 2.1 of arXiv:1503.02531: at high temperature it is half the squared distance of the
    centred logits over K."""
    student, taught = draw(5, 4), draw(5, 4, seed=1)
    student, taught = student - student.mean(1, keepdim=True), taught - taught.mean(1, keepdim=True)
    expected = float((student - taught).square().sum(1).mean() / (2 * 4))
    assert float(closeness(student, taught, 1e4)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    st.integers(2, 9),
    st.integers(1, 6),
    st.sampled_from([0.5, 1.0, 4.0, 20.0]),
    st.floats(0.1, 3.0),
    st.floats(0.1, 3.0),
    st.booleans(),
)
def test_the_formula_agrees_with_numpy(num_classes, count, t, alpha, weight, is_soft) -> None:
    student, taught = draw(count, num_classes), draw(count, num_classes, seed=1)
    labels = [i % num_classes for i in range(count)]
    targets = draw(count, num_classes, seed=2).softmax(1) if is_soft else None
    keys = Distill(RUN, temperature=t, alpha=alpha, label_weight=weight, label_smoothing=0.1)
    got = Distillation(keys, Fixed(taught))(student, batch_of(labels, num_classes, targets))
    p, q = log_softmax(taught.numpy() / t), log_softmax(student.numpy() / t)
    soft = (np.exp(p) * (p - q)).sum(1).mean() * t**2
    hard = np.eye(num_classes)[labels] if targets is None else targets.numpy()
    hard = 0.9 * hard + 0.1 / num_classes
    entropy = -(hard * log_softmax(student.numpy())).sum(1).mean()
    assert float(got) == pytest.approx(alpha * soft + weight * entropy, rel=1e-10)


def test_the_gradient_is_that_of_the_papers_cross_entropy() -> None:
    student, taught, t = draw(6, 5).requires_grad_(), draw(6, 5, seed=1), 20.0
    (ours,) = torch.autograd.grad(closeness(student, taught, t), student)
    soft = nn.functional.cross_entropy(student / t, (taught / t).softmax(1)) * t**2
    (theirs,) = torch.autograd.grad(soft, student)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-14)


def test_a_student_that_agrees_has_nothing_more_to_learn_from_the_teacher() -> None:
    logits = draw(4, 3).requires_grad_()
    loss = closeness(logits, logits.detach() + 5.0, 4.0)  # a constant moves no distribution
    (gradient,) = torch.autograd.grad(loss, logits)
    assert abs(float(loss.detach())) < 1e-12
    assert float(gradient.abs().max()) < 1e-12


def test_without_labels_the_teacher_alone_counts() -> None:
    student, teacher = draw(4, 3), Fixed(draw(4, 3, seed=1))
    loss = Distillation(Distill(RUN, label_weight=0.0, alpha=2.0), teacher)
    got = loss(student, batch_of([0, 1, 2, 0], 3))
    assert torch.equal(got, loss(student, batch_of([2, 2, 2, 2], 3)))
    expected = 2 * closeness(student, teacher.logits.detach(), 20.0)
    assert float(got) == pytest.approx(float(expected))


def test_no_gradient_reaches_the_teacher() -> None:
    student, teacher = draw(4, 3).requires_grad_(), Fixed(draw(4, 3, seed=1))
    Distillation(Distill(RUN), teacher)(student, batch_of([0, 1, 2, 0], 3)).backward()
    assert teacher.logits.grad is None
    assert student.grad is not None


def test_low_precision_is_widened_first() -> None:
    student, taught = draw(4, 5).bfloat16(), draw(4, 5, seed=1).bfloat16()
    assert torch.equal(
        closeness(student, taught, 4.0), closeness(student.float(), taught.float(), 4.0)
    )
    assert closeness(draw(1, 2), taught[:1, :2], 1.0).dtype == torch.float64


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 0}, r"loss\.temperature must be positive, got 0"),
        ({"alpha": 0}, r"loss\.alpha must be positive, got 0"),
        ({"alpha": -1}, r"loss\.alpha must be positive"),
        ({"label_weight": -0.5}, r"loss\.label_weight must be 0 or more"),
        ({"label_smoothing": 1}, r"loss\.label_smoothing must be in \[0, 1\)"),
        ({"label_weight": 0, "label_smoothing": 0.1}, r"label_smoothing=0.1 has no effect with"),
        ({"teacher": "torchvision:V1"}, r"loss\.teacher=torchvision:V1: .*name a run"),
        ({"teacher": "w.safetensors"}, r"does not say which network .* set loss\.teacher_model"),
        ({"teacher_model": "mlp"}, r"loss\.teacher_model=mlp is for a \.safetensors file"),
        ({"teacher_args": {"width": 3}}, r"loss\.teacher_args needs loss\.teacher_model"),
        (
            {"teacher": "w.safetensors", "teacher_model": "mlq"},
            r"unknown loss\.teacher_model 'mlq'; did you mean 'mlp'",
        ),
    ],
)
def test_bad_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Distill, {"teacher": "/a/run", **values}, "loss")


def test_the_name_loads_the_class() -> None:
    assert LOSSES.load("distill") is Distill


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


@pytest.fixture
def teacher(call: Call, here: Path) -> Path:
    """A finished run of a larger network, with averaged weights."""
    overrides = ("model.hidden=[24,12]", "average=ema", "optim.lr=0.1", "hydra.run.dir=teacher")
    ended = call(*TINY, *overrides)
    assert ended.code == 0, ended.err
    return here / "teacher"


@pytest.mark.slow
def test_the_whole_program_learns_from_a_run_and_from_a_file_alike(
    call: Call, here: Path, teacher: Path
) -> None:
    shutil.copy(
        next((teacher / "checkpoints").iterdir()) / "model.safetensors", here / "w.safetensors"
    )
    mixed = (*TINY, "loss=distill", "mix=mixup", "loss.temperature=4")
    args = "loss.teacher_args={hidden:[24,12]}"
    for name, overrides in {
        "run": ("loss.teacher=teacher",),
        "file": ("loss.teacher=w.safetensors", "loss.teacher_model=mlp", args),
        "average": ("loss.teacher=teacher@average",),
    }.items():
        ended = call(*mixed, *overrides, f"hydra.run.dir={name}")
        assert ended.code == 0, ended.err
    run, file, average = (summary(here / name) for name in ("run", "file", "average"))
    assert run["weights_sha256"] == file["weights_sha256"] != average["weights_sha256"]
    assert run["weights_read"] == file["weights_read"] != average["weights_read"]
    assert list(run["weights_read"]) == ["loss.teacher"]
    recorded = yaml.safe_load((here / "run" / "config.yaml").read_text())
    assert recorded["loss"]["teacher"] == str(teacher)

    moved = here / "moved"
    shutil.copytree(teacher, moved)
    ended = call(*mixed, "loss.teacher=moved", "hydra.run.dir=again")
    assert ended.code == 0, ended.err
    assert summary(here / "again")["key"] == run["key"] != average["key"]


@pytest.mark.slow
def test_the_teacher_sees_the_student_s_images_in_eval_mode(teacher: Path) -> None:
    overrides = ("loss=distill", f"loss.teacher={teacher}", "mix=mixup", "augment=[shift]")
    with assembled(*TINY, *overrides) as run:
        seen: dict[str, torch.Tensor] = {}
        assert isinstance(run.loss, Distillation)
        network = run.loss.teacher
        for name, module in (("student", run.model), ("teacher", network)):
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: seen.__setitem__(name, inputs[0].clone())
            )
        assert not any(module.training for module in network.modules())
        assert not any(parameter.requires_grad for parameter in network.parameters())
        before = {n: t.clone() for n, t in network.state_dict().items()}
        from trainer.loop import train_epoch

        list(train_epoch(run))
        assert torch.equal(seen["student"], seen["teacher"])
        assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
        own = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
        assert not own & {id(p) for p in network.parameters()}


@pytest.mark.slow
def test_a_teacher_moves_no_stream(teacher: Path) -> None:
    states = []
    for overrides in (("loss=distill", f"loss.teacher={teacher}"), ()):
        with assembled(*TINY, *overrides) as run:
            states.append((run.model.state_dict(), torch.get_rng_state()))
    assert all(torch.equal(t, states[1][0][n]) for n, t in states[0][0].items())
    assert torch.equal(states[0][1], states[1][1])


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp64", "bf16", "O2", "O3"])
def test_the_teacher_computes_in_the_run_s_precision(teacher: Path, precision: str) -> None:
    overrides = (f"precision={precision}", "loss=distill", f"loss.teacher={teacher}")
    with assembled(*TINY, *overrides) as run:
        (step, *_) = run.data.train_steps(0, 0)
        batch = run.ready(step[0])
        outputs = []
        layers = [m for m in run.loss.teacher.modules() if isinstance(m, nn.Linear)]
        layers[-1].register_forward_hook(lambda _, inputs, logits: outputs.append(logits.dtype))
        with run.precision.autocast():
            loss = run.loss(run.parallel(batch.images), batch)
        expected = {"fp64": torch.float64, "bf16": torch.bfloat16}.get(precision, torch.float16)
        assert outputs == [expected]
        assert loss.dtype == run.precision.wide_dtype
        assert bool(loss.isfinite())


@pytest.mark.slow
def test_a_resumed_run_ends_as_the_whole_one_and_wants_the_same_teacher(
    call: Call, here: Path, teacher: Path
) -> None:
    overrides = (*TINY, "loss=distill", "loss.teacher=teacher", "checkpoint.every=1st")
    ended = call(*overrides, "checkpoint.keep=all", "hydra.run.dir=whole")
    assert ended.code == 0, ended.err
    for name in ("stopped", "other"):
        shutil.copytree(here / "whole", here / name)
        (here / name / "summary.json").unlink()
        for step in (6, 7, 8):
            shutil.rmtree(here / name / "checkpoints" / f"step-{step:08d}")
    ended = call("resume=stopped")
    assert ended.code == 0, ended.err
    assert "resumed at step 5 of 8" in ended.out
    for key in ("key", "weights_sha256", "weights_read", "test"):
        assert summary(here / "stopped")[key] == summary(here / "whole")[key]

    shutil.rmtree(teacher)
    ended = call("resume=other")
    assert ended.code == 4
    assert f"loss.teacher: no run and no file at {teacher}" in ended.err
    ended = call(*TINY, "model.hidden=[24,12]", "seed=9", "hydra.run.dir=teacher")
    assert ended.code == 0, ended.err
    before = snapshot(here / "other" / "checkpoints")
    ended = call("resume=other")
    assert ended.code == 2
    assert "loss.teacher: the weights there have changed since" in ended.err
    assert snapshot(here / "other" / "checkpoints") == before


@pytest.mark.slow
def test_teachers_that_do_not_fit_leave_nothing(call: Call, here: Path, teacher: Path) -> None:
    shutil.copy(
        next((teacher / "checkpoints").iterdir()) / "model.safetensors", here / "w.safetensors"
    )
    before = snapshot(here)
    file = ("loss.teacher=w.safetensors", "loss.teacher_model=mlp")
    lines: dict[tuple[str, ...], tuple[int, str]] = {
        (): (2, "loss.teacher is missing"),
        ("loss.teacher=nowhere",): (4, f"loss.teacher: no run and no file at {here}/nowhere"),
        ("loss.teacher=teacher", "data.num_train=65"): (2, "was trained on other images"),
        file: (2, "these weights do not fit the model: of another shape"),
        (*file, "loss.teacher_args={hidden:[24,13]}"): (2, "(12, 24) for (13, 24)"),
        (*file, "loss.teacher_args={hiden:[24,12]}"): (2, "did you mean 'model.hidden'"),
        (*file, "loss.teacher_args={hidden:[24,12]}", "data.num_classes=5"): (2, "(10,) for (5,)"),
    }
    for overrides, (code, told) in lines.items():
        ended = call(*TINY, "loss=distill", *overrides)
        assert ended.code == code, ended.err
        assert told in ended.err
        assert ended.err.count("\n") == 1
    assert snapshot(here) == before

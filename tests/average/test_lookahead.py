"""Lookahead: slow weights step towards the fast ones, which then return."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from tests.average.trajectory import TOTAL, module_with, plan_for, walk, weights_of
from tests.command import TINY, Call, snapshot
from trainer.average.base import AVERAGES, Average
from trainer.average.lookahead import Lookahead
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError


def train(
    model: nn.Module, average: Average, moves: torch.Tensor, start: int = 0
) -> list[np.ndarray | None]:
    """Add a move (3,) at each step, as an optimizer would; return the slow weights after each."""
    path = []
    for step, move in enumerate(moves[start:], start + 1):
        with torch.no_grad():
            next(model.parameters()).add_(move)
        average.update(model, Clock(step, TOTAL, 10))
        slow = weights_of(average.eval_model())
        path.append(None if slow is None else slow.copy())
    return path


def test_by_hand() -> None:
    lookahead = Lookahead(alpha=0.5)
    model = module_with(torch.zeros(3))
    average = lookahead.build(model, plan_for(lookahead, "0st", "2st"))
    slow = train(model, average, torch.ones(4, 3))
    # fast: 1, 2 -> 1, 2, 3 -> 2; slow: 0, 1, 1, 2
    assert [float(s[0]) for s in slow if s is not None] == [0.0, 1.0, 1.0, 2.0]
    assert weights_of(model).tolist() == [2.0] * 3


@pytest.mark.parametrize(("k", "alpha", "start"), [(5, 0.5, 0), (6, 0.8, 7), (1, 0.3, 0)])
def test_parity_with_the_paper_s_algorithm(k: int, alpha: float, start: int) -> None:
    moves = 0.1 * walk(5, count=TOTAL - 1)
    fast = walk(6)[0].numpy()
    model = module_with(torch.from_numpy(fast))
    slow = fast.copy()
    lookahead = Lookahead(alpha)
    average = lookahead.build(model, plan_for(lookahead, f"{start}st", f"{k}st"))
    got = train(model, average, moves)
    for step, move in enumerate(moves.numpy(), 1):
        fast = fast + move
        if step <= start:
            slow = fast.copy()
        elif (step - start) % k == 0:
            slow = slow + alpha * (fast - slow)
            fast = slow.copy()
        if step < start:
            assert got[step - 1] is None
        else:
            np.testing.assert_allclose(got[step - 1], slow, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(weights_of(model), fast, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_parity_on_a_network_with_a_momentum_that_stays(momentum: float) -> None:
    """Against the algorithm written around `torch.optim.SGD`, whose buffers nobody touches."""
    torch.manual_seed(0)
    images, labels = torch.randn(8, 3), torch.randint(2, (8,))

    def descend(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    mine, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(mine.state_dict())
    optimizers = [
        torch.optim.SGD(m.parameters(), lr=0.3, momentum=momentum) for m in (mine, theirs)
    ]
    lookahead = Lookahead(0.5)
    average = lookahead.build(mine, plan_for(lookahead, "0st", "3st"))
    slow = [p.detach().clone() for p in theirs.parameters()]
    for step in range(1, 13):
        descend(mine, optimizers[0])
        average.update(mine, Clock(step, TOTAL, 10))
        descend(theirs, optimizers[1])
        if step % 3 == 0:
            with torch.no_grad():
                for s, p in zip(slow, theirs.parameters(), strict=True):
                    s += 0.5 * (p - s)
                    p.copy_(s)
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_the_model_s_buffers_stay() -> None:
    model = nn.BatchNorm1d(2)
    lookahead = Lookahead()
    average = lookahead.build(model, plan_for(lookahead, "0st", "1st"))
    model(torch.randn(4, 2))
    before = {n: b.clone() for n, b in model.named_buffers()}
    average.update(model, Clock(1, TOTAL, 10))
    assert all(torch.equal(b, before[n]) for n, b in model.named_buffers())
    assert average.is_stale


@pytest.mark.parametrize("stop", [0, 6, 7, 12, 15])
def test_saved_and_loaded_at_any_step_it_goes_on_bit_for_bit(stop: int) -> None:
    lookahead, moves = Lookahead(0.8), 0.1 * walk(5, count=29, dtype=torch.float32)
    plan = plan_for(lookahead, "7st", "4st")

    def begin() -> tuple[nn.Module, Average]:
        model = module_with(torch.zeros(3))
        return model, lookahead.build(model, plan)

    straight, average = begin()
    slow = train(straight, average, moves)
    first, average = begin()
    train(first, average, moves[:stop])
    kept = average.eval_model()
    saved = {} if kept is None else {k: v.clone() for k, v in kept.state_dict().items()}
    second, again = begin()
    second.load_state_dict(first.state_dict())
    again.load_state_dict(average.state_dict(), saved)
    assert np.array_equal(train(second, again, moves, start=stop)[-1], slow[-1])
    assert np.array_equal(weights_of(second), weights_of(straight))


@pytest.mark.slow
def test_the_run_records_both_and_training_is_another(call: Call, here) -> None:
    plain = call(*TINY, "hydra.run.dir=plain")
    ahead = call(*TINY, "average=lookahead", "average.every=2st", "hydra.run.dir=ahead")
    assert (plain.code, ahead.code) == (0, 0), plain.err + ahead.err
    first, second = (
        json.loads((here / d / "summary.json").read_text()) for d in ("plain", "ahead")
    )
    assert "test_avg" not in first
    assert {"test", "test_avg"} <= set(second)
    rows = [
        json.loads((here / d / "metrics.jsonl").read_text().splitlines()[-1])
        for d in ("plain", "ahead")
    ]
    assert rows[0]["train_loss"] != rows[1]["train_loss"]
    assert any("average.safetensors" in path for path in snapshot(here / "ahead"))


@pytest.mark.parametrize("alpha", [0.0, -0.5, 2])
def test_an_alpha_with_which_nothing_trains_is_refused(alpha: float) -> None:
    with pytest.raises(ConfigError, match=r"average\.alpha must be in \(0, 1\]"):
        build(Lookahead, {"alpha": alpha}, "average")


def test_an_average_that_the_run_never_reaches_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"after step 42, but the run has 40"):
        plan_for(Lookahead(), "38st", "4st")


def test_the_name_loads_the_class() -> None:
    assert AVERAGES.load("lookahead") is Lookahead

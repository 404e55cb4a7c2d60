"""The page counts as torch and trainer do: paths, schedules and averages, to 1e-9."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.browser import Browser
from tests.playground.trajectories import MARKS
from trainer.composition.compose import compose_overrides
from trainer.config.run_config import RunConfig, parse
from trainer.core.clock import Clock
from trainer.optim.lion import LionOptimizer
from trainer.optim.muon import Muon, MuonOptimizer
from trainer.scheduler import SCHEDULERS
from trainer.scheduler.base import Schedule, set_hyperparameters

pytestmark = MARKS
CLOSE = 1e-9
NEAR = 1e-12  # of a point that is nearer to 0 than a thousandth
# at usual rates these circle a minimum with steps that do not shrink, and multiply a start's last
# digit by 1e12: torch's own paths are not to be had twice then
CALM = {
    ("muon", s): 0.01 for s in ("ravine", "scaled", "saddle", "minima", "plateau", "rosenbrock")
}
CALM |= {("rmsprop", "rosenbrock"): 0.001}
TURN = (math.cos(math.pi / 6), math.sin(math.pi / 6))


def ravine(x, y):
    return 0.5 * (TURN[0] * x + TURN[1] * y) ** 2 + 20 * (TURN[0] * y - TURN[1] * x) ** 2


def minima(x, y):
    sharp = torch.exp(-((x + 1.2) ** 2 + y**2) / 0.0968)
    flat = 0.8 * torch.exp(-((x - 0.9) ** 2 + y**2) / 1.28)
    return 1.2 + 0.02 * (x**2 + y**2) - sharp - flat


SURFACES: dict[str, Callable[[Any, Any], torch.Tensor]] = {
    "ravine": ravine,
    "scaled": lambda x, y: 0.5 * (x**2 + 100 * y**2),
    "saddle": lambda x, y: x**2 / 2 - y**2 / 2 + y**4 / 4,
    "minima": minima,
    "plateau": lambda x, y: 1 - (1 + x**2 + 2 * y**2) ** -2,
    "rosenbrock": lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
}


class Uncorrected(torch.optim.Optimizer):
    """Adam without bias correction, which torch does not have."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                (one, two), state = group["betas"], self.state[p]
                g = p.grad + group["weight_decay"] * p
                state["m"] = one * state.get("m", 0.0) + (1 - one) * g
                state["v"] = two * state.get("v", 0.0) + (1 - two) * g**2
                p -= group["lr"] * state["m"] / (state["v"].sqrt() + 1e-8)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda g, **keys: torch.optim.SGD(g, momentum=0.9, **keys),
    "nesterov": lambda g, **keys: torch.optim.SGD(g, momentum=0.9, nesterov=True, **keys),
    "rmsprop": torch.optim.RMSprop,
    "adam": lambda g, **keys: torch.optim.Adam(g, betas=(0.9, 0.999), **keys),
    "raw": lambda g, **keys: Uncorrected(g, {"betas": (0.9, 0.999), **keys}),
    "adamw": lambda g, **keys: torch.optim.AdamW(g, betas=(0.9, 0.999), **keys),
    "lion": lambda g, **keys: LionOptimizer(g, {"betas": (0.9, 0.99), **keys}),
    "muon": lambda g, **keys: MuonOptimizer([{**one, **Muon().settings()} for one in g], keys),
}


def schedule_of(name: str, keys: dict[str, str], warmup: int, total: int) -> Schedule:
    """Return trainer's schedule with the page's keys."""
    words = [f"scheduler={name}", *(f"scheduler.{k}={v}" for k, v in keys.items())]
    words += [f"scheduler.warmup={warmup}%"] if warmup else []
    choice = parse(compose_overrides(words).values()).scheduler
    return Schedule(choice, peak=1.0, total=total, steps_per_epoch=10)


def followed(name: str, states: list[dict[str, Any]], schedule: Schedule) -> np.ndarray:
    """Return where torch's optimizer goes from the starts of several states: (states, steps + 1,
    2)."""
    places = [torch.tensor([s["at"]], dtype=torch.float64, requires_grad=True) for s in states]
    rates = [{"params": [p], "lr": s["lr"][name]} for p, s in zip(places, states, strict=True)]
    optimizer = OPTIMIZERS[name](rates, lr=1.0, weight_decay=states[0]["wd"])
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    steps, found = states[0]["steps"], []
    for step in range(steps + 1):
        found.append([p.detach().numpy()[0].copy() for p in places])
        point = schedule(Clock(step, steps, 10))
        set_hyperparameters(optimizer, [point] * len(places))
        for place, state in zip(places, states, strict=True):
            (place.grad,) = torch.autograd.grad(SURFACES[state["surface"]](*place[0]), place)
        optimizer.step()
    return np.array(found).swapaxes(0, 1)


def states_of(page: Browser, more: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a state for each surface, with every optimizer and its usual rate."""
    script = """(more) => Object.keys(playground.SURFACES).map(surface => ({
      ...playground.fromHash("#surface=" + surface),
      show: Object.keys(playground.OPTIMIZERS), ...more}))"""
    found = page.ask(f"({script})({json.dumps(more)})")
    assert [state["surface"] for state in found] == list(SURFACES)
    for state, name in itertools.product(found, OPTIMIZERS):
        state["lr"][name] = CALM.get((name, state["surface"]), state["lr"][name])
    return list(found)


def paths_of(page: Browser, states: list[dict[str, Any]]) -> list[dict[str, list]]:
    """Return the page's points of every state, by optimizer."""
    script = """(states) => states.map(state => Object.fromEntries(
      playground.simulate(state).map(path => [path.name, path.points])))"""
    return list(page.ask(f"({script})({json.dumps(states)})"))


def compare(name: str, state: dict[str, Any], got: list, want: np.ndarray, box: list) -> int:
    """Check points as far as they are inside the picture; return how many those are."""
    for step, (ours, theirs) in enumerate(zip(got, want, strict=False)):
        if not (box[0] <= theirs[0] <= box[1] and box[2] <= theirs[1] <= box[3]):
            return step
        apart = math.dist(ours, theirs)
        told = f"{name} on {state['surface']} at step {step}: {apart}"
        assert apart <= CLOSE * math.hypot(*theirs) + NEAR, told
    return len(got)


def boxes(page: Browser) -> dict[str, list]:
    script = "Object.fromEntries(Object.entries(playground.SURFACES).map(([k, s]) => [k, s.box]))"
    return dict(page.ask(script))


@pytest.mark.parametrize(
    ("more", "schedule"),
    [
        ({"steps": 500}, ("constant", {}, 0)),
        (
            {"steps": 200, "schedule": "onecycle", "warmup": 10, "wd": 0.1},
            ("onecycle", {"pct_start": "30%"}, 10),
        ),
    ],
)
def test_paths_are_torch_s_for_every_optimizer_on_every_surface(opened, more, schedule) -> None:
    states = states_of(opened, more)
    paths, box = paths_of(opened, states), boxes(opened)
    assert list(paths[0]) == list(OPTIMIZERS)
    made = schedule_of(*schedule, more["steps"])
    inside = 0
    for name in OPTIMIZERS:
        want = followed(name, states, made)
        for state, path, theirs in zip(states, paths, want, strict=True):
            inside += compare(name, state, path[name], theirs, box[state["surface"]])
    assert inside > 0.8 * len(states) * len(OPTIMIZERS) * more["steps"]


def test_paths_of_every_scene_are_torch_s_without_noise(opened) -> None:
    states = opened.ask(
        "Object.keys(playground.SCENES).map(name => ({...playground.begun(name), noise: 0}))"
    )
    box, made = boxes(opened), schedule_of("constant", {}, 0, 500)
    assert len(states) == 6
    for state in states:
        (path,) = paths_of(opened, [state])
        assert state["show"] == list(path)
        for name in path:
            (want,) = followed(name, [state], made)
            assert compare(name, state, path[name], want, box[state["surface"]]) > 1


def test_schedules_are_trainer_s(opened) -> None:
    keys = opened.ask(
        "Object.fromEntries(Object.entries(playground.SCHEDULES).map(([k, s]) => [k, s.keys]))"
    )
    assert set(keys) < set(SCHEDULERS.names())
    for name in keys:
        for warmup, total in ((0, 20), (0, 137), (10, 200), (30, 500)):
            steps = f"Array.from({{length: {total + 1}}}, (_, step) => step)"
            call = f"playground.scheduleAt('{name}', step, {total}, {warmup})"
            got = opened.ask(f"{steps}.map(step => {call}.map(x => x ?? null))")
            schedule = schedule_of(name, keys[name], warmup, total)
            for step, found in enumerate(got):
                want = schedule(Clock(step, total, 10))
                told = f"{name}, warm-up {warmup} %, step {step} of {total}"
                assert found[0] == pytest.approx(want.lr_scale, rel=CLOSE, abs=1e-15), told
                momentum = found[1] if len(found) > 1 else None
                assert (momentum is None) == (want.momentum is None), told
                assert momentum is None or momentum == pytest.approx(want.momentum, rel=CLOSE)


@pytest.mark.parametrize(("start", "every", "decay"), [(50, 1, 0.9), (0, 7, 0.5), (90, 3, 0.99)])
def test_averages_are_trainer_s(opened, start, every, decay) -> None:
    hash_ = f"#scene=average&from={start}&every={every}&decay={decay}&steps=120"
    path = opened.ask(f"playground.simulate(playground.fromHash('{hash_}'))[0]")
    clock = Clock(0, 120, 10)
    words = {
        "swa": [f"average.start={start}%", f"average.every={every}st"],
        "ema": [f"average.decay={decay}"],
    }
    for name, more in words.items():
        config: RunConfig = parse(compose_overrides([f"average={name}", *more]).values())
        model = nn.Linear(2, 1, bias=False, dtype=torch.float64)
        component = config.average.component
        average = component.build(model, component.plan(config.average.shared, clock))
        for step, point in enumerate(path["points"]):
            model.weight.data = torch.tensor([point], dtype=torch.float64)
            if step:
                average.update(model, clock.at(step))
            found, ours = average.eval_model(), path["averages"][name]["points"][step]
            assert (ours is None) == (found is None), (name, step)
            if found is not None:
                want = found.weight.detach().numpy()[0].tolist()
                assert ours["w"] == pytest.approx(want, rel=CLOSE), (name, step)

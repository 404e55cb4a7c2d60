"""A key that is added later makes no other result while it has its neutral value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY
from trainer import compose
from trainer.config import compare
from trainer.config.compare import changed_keys, decisive_values, leaves, neutral_values
from trainer.config.run_config import RunConfig
from trainer.core.units import Duration
from trainer.model.base import MODELS

IMAGES = [word for word in TINY if not word.startswith("model")]


@dataclass(frozen=True)
class Growing:
    """A component of a plugin."""

    width: int = 8
    names: tuple[str, ...] = field(default_factory=lambda: ("a", "b"))


@dataclass(frozen=True)
class Grown(Growing):
    """Of a later version, which has more keys."""

    depth: int = 2
    start: Duration = Duration(10, "%")


@pytest.fixture
def config_of(here: Path) -> Iterator[Any]:
    """Compose with a component of the name `growing`, which is of one class or another."""
    folder = here / "own" / "model"
    folder.mkdir(parents=True)

    def make(cls: type, *overrides: str) -> RunConfig:
        MODELS._classes["growing"] = cls
        keys = {"width": 8, "names": "[a, b]", "depth": 2, "start": "10%"}
        lines = [f"{key}: {keys[key]}" for key in cls.__dataclass_fields__]  # type: ignore[attr-defined]
        (folder / "growing.yaml").write_text("\n".join(["name: growing", *lines]))
        return compose(*IMAGES, "model=growing", *overrides, config_dir=str(here / "own"))

    yield make
    del MODELS._classes["growing"]


@pytest.mark.slow
def test_a_field_that_a_component_gets_later_is_neutral_at_its_default(config_of: Any) -> None:
    before, after = config_of(Growing), config_of(Grown)
    assert decisive_values(before, ()) == decisive_values(after, ())
    assert changed_keys(before.plain(), after, ()) == []
    for override, was in (("model.depth=3", 2), ("model.start=20%", "10%")):
        other = config_of(Grown, override)
        assert decisive_values(before, ()) != decisive_values(other, ())
        assert changed_keys(before.plain(), other, ()) == [f"{override} (was {was})"]
    assert changed_keys(after.plain(), before, ()) == [
        *("model.depth=not there (was 2)", "model.start=not there (was 10%)")
    ]
    wide = config_of(Grown, "model.width=9", "model.names=[c]")
    assert set(decisive_values(wide, ())) - set(decisive_values(before, ())) == {
        *("model.width", "model.names")
    }


def test_a_key_that_a_run_gets_later_is_neutral_at_the_value_of_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = compose(*TINY)
    old = before.plain()
    later = make_dataclass(
        "Later", [("patience", int | None)], bases=(RunConfig,), frozen=True, kw_only=True
    )
    values = {name: getattr(before, name) for name in RunConfig.__dataclass_fields__}
    same, other = (later(**values, patience=patience) for patience in (None, 5))
    assert changed_keys(old, same, ()) == ["patience=None (was not there)"]
    monkeypatch.setitem(compare.NEUTRAL, "patience", None)
    assert changed_keys(old, same, ()) == []
    assert decisive_values(before, ()) == decisive_values(same, ())
    assert changed_keys(old, other, ()) == ["patience=5 (was None)"]
    assert decisive_values(before, ()) != decisive_values(other, ())


@pytest.mark.slow
def test_a_key_of_a_schedule_of_some_parameters_is_neutral_too() -> None:
    config = compose(*TINY, "optim.groups=[{match: bias, scheduler: cosine}]")
    old = config.plain()
    assert old["optim"]["groups"][0]["scheduler"].pop("min_lr") == 0
    key = "optim.groups[0].scheduler.min_lr"
    assert key in dict(leaves(config.plain())).keys() & neutral_values(config).keys()
    assert changed_keys(old, config, ()) == []
    other = compose(*TINY, "optim.groups=[{match: bias, scheduler: {name: cosine, min_lr: 1%}}]")
    assert changed_keys(old, other, ()) == [f"{key}=1% (was 0)"]


def test_what_has_no_default_always_counts() -> None:
    values = decisive_values(compose(*TINY), ())
    named = {f"{group}.name" for group in ("data", "model", "optim", "scheduler", "precision")}
    assert values.keys() >= {"seed", "threads", "engine", "epochs", *named} - {"precision.name"}


@pytest.mark.slow
def test_keys_are_left_out_with_all_below_them() -> None:
    one, other = compose(*TINY), compose(*TINY, "data.val=0", "seed=3", "optim.lr=3")
    assert changed_keys(one.plain(), other, ("data", "optim.lr")) == ["seed=3 (was 0)"]
    assert changed_keys("nothing", other, ()) == ["no configuration in its manifest"]

"""The names of `strategy=`, their keys, and what is refused."""

from __future__ import annotations

import pytest

from tests.command import TINY, Call
from trainer import compose
from trainer.core.errors import ConfigError
from trainer.core.units import Seconds
from trainer.strategy.keys import KEYS, Exchange, StrategyChoice, parse_strategy


@pytest.mark.slow
@pytest.mark.parametrize("name", KEYS)
def test_a_choice_is_read_back_as_it_was_written(name: str) -> None:
    choice = parse_strategy({"name": name})
    assert parse_strategy(choice.plain()) == choice
    assert compose(*TINY, f"strategy={name}").strategy == choice  # its YAML holds the defaults


def test_keys_are_typed() -> None:
    made = parse_strategy({"name": "ddp", "timeout": "5s", "compress": "bf16"})
    assert made.timeouts.timeout == Seconds(5)
    assert made.exchange == Exchange(compress="bf16")
    assert made.plain()["timeout"] == "5s"
    assert made.changed() == ["strategy.timeout", "strategy.compress"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"name": "ddp", "timeout": 5}, "strategy.timeout=5s"),
        ({"name": "ddp", "timeout": "0.5s"}, "from 1s"),
        ({"name": "ddp", "timeout": "1e9s"}, "86400s"),
        ({"name": "ddp", "compress": "int8"}, "strategy.compress"),
        ({"name": "ddp", "static_graph": 1}, "true or false"),
        ({"name": "auto", "bucket_view": True}, "strategy.bucket_view"),
        ({"name": "single", "timeout": "5s"}, "strategy.timeout"),
        ({"name": "dddp"}, "did you mean 'ddp'"),
    ],
)
def test_what_does_not_exist_is_refused(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        parse_strategy(values)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (("strategy=dp",), "two GPUs"),
        (("strategy=ddp",), "torchrun"),
        (("strategy.timeout=5s",), "strategy.timeout has no effect in one process"),
        (("strategy.bucket_view=true",), "belongs to strategy=ddp"),
    ],
)
def test_what_cannot_take_effect_here_is_refused(
    call: Call, overrides: tuple[str, ...], named: str
) -> None:
    done = call(*TINY, *overrides)
    assert done.code == 2
    assert named in done.err


@pytest.mark.slow
def test_timeouts_do_not_make_another_result() -> None:
    from trainer.config.compare import decisive_values
    from trainer.run.identity import UNRELATED

    def values(*overrides: str) -> dict[str, object]:
        return decisive_values(compose(*TINY, *overrides), UNRELATED)

    assert values("strategy.timeout=5s") == values()
    assert values("strategy=ddp", "strategy.compress=fp16") != values("strategy=ddp")


def test_the_defaults_are_those_of_the_page() -> None:
    timeouts = StrategyChoice().timeouts
    assert (timeouts.start_timeout, timeouts.timeout) == (Seconds(300), Seconds(60))

"""Every key of every choice has a text, from its dataclass or the comment of its YAML."""

from __future__ import annotations

import math

import pytest

from trainer.composition.search_path import SEAMS, Sources
from trainer.config.groups import REGISTRIES
from trainer.core.convert import typed
from trainer.explain.keys import all_keys, key_text, words_for

FOUND = Sources()
KEYS = all_keys(FOUND)


@pytest.mark.slow
def test_every_key_has_a_meaning_a_kind_and_a_default() -> None:
    assert len(KEYS) >= 150
    for key, names in KEYS.items():
        group, _, field = key.partition(".")
        for name in names or [""]:
            text = key_text(key, name, FOUND)
            assert text.meaning, key
            assert len(text.meaning) >= 4, key
            assert text.kind, key
            assert text.defaults, key
            assert (group in SEAMS) == bool(names)
        if group in REGISTRIES and group != "augment":
            assert set(key_text(key, names[0], FOUND).defaults) == set(names), field


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "chosen", "meaning", "kind", "allowed"),
    [
        ("optim.lr", "sgd", "peak of the learning rate, whatever", "a number", "(0, inf)"),
        ("optim.betas", "lion", "weight of the past in", "a list: a number, a number", ""),
        ("optim.betas", "adam", "decay of the first and second moment", "a list: ", ""),
        ("average.every", "swa", "a snapshot is taken each so often", "a span of time", ""),
        ("clip_value", "", "greatest absolute value of any gradient", "a number, or null", ""),
        ("augment.cutout.size", "", "side of the square", "a whole number", "[0, inf)"),
        ("model.act", "cnn", "nonlinearity after each BatchNorm", "relu, celu, gelu, silu", ""),
        ("data.mean", "mnist", "(C,) per-channel mean", "a list: a number", ""),
        ("strategy.compress", "ddp", "number format in which gradients", "none, bf16, fp16", ""),
        ("checkpoint.keep", "", "newest ones that stay", "a number, or all", ""),
    ],
)
def test_a_key_is_told_by_its_own_class(
    key: str, chosen: str, meaning: str, kind: str, allowed: str
) -> None:
    text = key_text(key, chosen, FOUND)
    assert text.meaning.startswith(meaning)
    assert text.kind.startswith(kind)
    assert text.allowed == allowed


def test_defaults_are_those_of_the_dataclasses() -> None:
    text = key_text("optim.lr", "sgd", FOUND)
    assert set(text.defaults) == set(FOUND.options("optim"))
    assert math.isclose(float(text.defaults["lion"]), 3e-4)
    assert text.spellings == ("optimizer.lr",)
    swa = REGISTRIES["average"].load("swa")()
    assert key_text("average.include_init", "swa", FOUND).defaults == {
        "swa": typed(swa.include_init)
    }


def test_other_spellings_of_names_are_told() -> None:
    assert words_for("average=swa") == ["swa=on"]
    assert "swa=paper" in words_for("average=swa_paper")
    assert words_for("optim=adam") == ["optimizer=adam"]

"""Outputs follow the names of classes, whatever their order; what is not known is said."""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from tests.checkpoint.test_load_into import network, source_of, weights_of
from trainer.checkpoint.by_class import class_axes, put_in_order
from trainer.checkpoint.load_into import Teachers, start_from
from trainer.checkpoint.weights import Weights, read_weights
from trainer.config.groups import REGISTRIES
from trainer.core.errors import ConfigError
from trainer.core.weights_source import Origin

IMAGES = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def pooled(classes: int = 4, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*net, nn.Linear(3, classes)).eval()


def trained(classes: str | None, seed: int = 1) -> Weights:
    """Return weights of a network that knows these classes."""
    given = weights_of(pooled(len(classes or "abcd"), seed).state_dict())
    return replace(given, classes=None if classes is None else tuple(classes))


@pytest.mark.parametrize("order", [*map("".join, itertools.permutations("abcd"))][::3])
def test_in_any_order_each_class_keeps_its_output(order, caplog) -> None:
    caplog.set_level(logging.INFO)
    donor, model = pooled(seed=1), pooled(seed=2)
    start_from(model, trained("abcd"), source_of(order), pooled)
    expected = donor(IMAGES)[:, ["abcd".index(name) for name in order]]
    assert torch.equal(model(IMAGES), expected)
    said = [f"init_from=/a/run: the last layer (3) takes {', '.join(order)} by name"]
    assert [r.getMessage() for r in caplog.records] == (said if order != "abcd" else [])


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("xabc", "the last layer (3) takes a, b, c by name, has x new, leaves out d"),
        ("dxya", "the last layer (3) takes d, a by name, has x, y new, leaves out b, c"),
        (
            "wxyz",
            "the last layer (3) is new: no class of this run is among those of the weights, "
            "a, b, c, d",
        ),
        ("vwxyz", "the last layer (3) is new, for 5 classes instead of 4"),
        ("abc", "the last layer (3) is new, for 3 classes instead of 4"),
    ],
)
def test_classes_that_the_weights_do_not_know_are_new(classes, said, caplog) -> None:
    caplog.set_level(logging.INFO)
    donor, drawn = pooled(seed=1), pooled(len(classes), seed=2)
    model = pooled(len(classes), seed=2)
    start_from(model, trained("abcd"), source_of(classes), pooled)
    assert [r.getMessage() for r in caplog.records] == [f"init_from=/a/run: {said}"]
    assert torch.equal(model[0].weight, donor[0].weight)
    known = "abcd" if len(classes) == 4 else ""
    for place, name in enumerate(classes):
        from_, row = (donor, known.index(name)) if name in known else (drawn, place)
        assert torch.equal(model[3].weight[place], from_[3].weight[row]), name
        assert torch.equal(model[3].bias[place], from_[3].bias[row]), name


def test_what_is_taken_on_trust_is_said_in_one_line(caplog) -> None:
    caplog.set_level(logging.INFO)
    for classes in ("abcd", "badc"):
        model = pooled(seed=2)
        start_from(model, trained(None), source_of(classes), pooled)
        assert torch.equal(model(IMAGES), pooled(seed=1)(IMAGES))
    assert [r.getMessage() for r in caplog.records] == [
        f"init_from=/a/run: its outputs are taken to be this run's classes in this order: {names}"
        for names in ("a, b, c, d", "b, a, d, c")
    ]


def test_on_the_very_images_that_a_run_was_trained_on_names_do_not_count(caplog) -> None:
    caplog.set_level(logging.INFO)
    for known in (None, "badc"):
        model = pooled(seed=2)
        weights = replace(trained(known), data={"name": "d", "fingerprint": "these images"})
        start_from(model, weights, source_of("abcd"), pooled)
        assert torch.equal(model(IMAGES), pooled(seed=1)(IMAGES))
    assert caplog.records == []


def test_names_that_are_not_as_many_as_outputs_are_refused() -> None:
    weights = replace(trained("abcde"), classes=tuple("badc"))
    with pytest.raises(
        ConfigError, match=r"3.weight \(5, 3\) for \(4, 3\), that of their 4 classes"
    ):
        start_from(pooled(), weights, source_of("abcd"), pooled)


def test_a_teacher_s_outputs_are_put_in_order_and_it_must_know_all_classes(tmp_path) -> None:
    component = REGISTRIES["model"].load("mlp")(hidden=(4,))
    torch.manual_seed(0)
    donor = component.build((1, 8, 8), 4).eval()
    file = tmp_path / "teacher.safetensors"
    header = {"classes": json.dumps(list("abcd"))}
    safetensors.torch.save_file(donor.state_dict(), file, header)
    weights = {"loss.teacher": read_weights("loss.teacher", Origin(file), {})}

    def teacher(classes: str) -> nn.Module:
        args = {"hidden": [4], "norm": "batch"}
        teachers = Teachers(weights, source_of(classes), lambda model: model, [1] * len(classes))
        return teachers.network("loss.teacher", "mlp", args)

    order = ["abcd".index(name) for name in "dbca"]
    assert torch.equal(teacher("dbca")(IMAGES), donor(IMAGES)[:, order])
    assert torch.equal(teacher("abcd")(IMAGES), donor(IMAGES))
    with pytest.raises(ConfigError, match=r"know the classes a, b, c, d, and not x; a teacher"):
        teacher("abcx")


@pytest.mark.parametrize(
    ("header", "classes"),
    [
        (None, None),
        ({"format": "pt"}, None),
        ({"classes": '["a", "\\udce9", "\u5b66"]'}, ("a", "\udce9", "\u5b66")),
        ({"classes": "[1, 2]"}, ("1", "2")),
        ({"classes": '["a", "a"]'}, None),
        ({"classes": "[]"}, None),
        ({"classes": '{"a": 1}'}, None),
        ({"classes": "a, b"}, None),
        ({"classes": "[" * 10_000}, None),
    ],
)
def test_a_file_s_header_names_classes_or_does_not(tmp_path: Path, header, classes) -> None:
    file = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, file, header)
    assert read_weights("init_from", Origin(file), {}).classes == classes


@pytest.mark.parametrize("name", REGISTRIES["model"].names())
def test_every_network_shows_which_axis_is_that_of_the_classes(name: str) -> None:
    component = REGISTRIES["model"].load(name)()

    def build(classes: int) -> nn.Module:
        return component.build((3, 32, 32), classes)

    state = torch.get_rng_state()
    axes = class_axes(build, 7)
    assert torch.equal(torch.get_rng_state(), state)
    assert set(axes.values()) == {0}
    assert len({key.rpartition(".")[0] for key in axes}) == 1
    given = replace(weights_of({}), classes=tuple("abcdefg"))
    assert put_in_order(given, network(), source_of("abcdefg"), build, may_be_new=True) is given

"""What holds for every data set: its YAML names its keys, with the values of its class."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from trainer.core.convert import build
from trainer.data.base import DATASETS, DataKeys

CONF = Path(__file__).parents[2] / "conf" / "data"
NAMES = DATASETS.names()


def test_there_are_nine_and_each_has_a_file_of_choices_and_a_test():
    assert NAMES == [
        "cifar10",
        "cifar100",
        "cifar10_jpeg",
        "digits",
        "digits_hard",
        "fashion_mnist",
        "image_folder",
        "mnist",
        "synthetic",
    ]
    assert sorted(path.stem for path in CONF.glob("*.yaml")) == NAMES
    assert all(Path(__file__).with_name(f"test_{name}.py").is_file() for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_yaml_holds_every_key_with_the_default_of_the_class(name):
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert values.pop("name") == name
    shared = {field.name: values.pop(field.name) for field in fields(DataKeys)}
    assert build(DataKeys, shared, "data") == DataKeys()
    cls = DATASETS.load(name)
    assert set(values) == {field.name for field in fields(cls)}
    assert build(cls, values, "data") == cls()

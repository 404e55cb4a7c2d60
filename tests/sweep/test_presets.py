"""Presets of sweeps say their hypothesis and n beforehand; the text's slices are as wide as its."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from tests.command import ROOT
from trainer.api import compose
from trainer.composition.search_path import Sources
from trainer.core.yaml_files import read_yaml

FOLDER = ROOT / "conf" / "sweep"
KEYS = {
    "lr_batch": "batch_size",
    "lr_momentum": "optim.momentum",
    "lr_weight_decay": "optim.weight_decay",
}
SLICES = [f"{name}{scale}" for name in KEYS for scale in ("", "_cpu")]


@pytest.mark.parametrize("name", Sources().options("sweep"))
def test_a_preset_says_command_hypothesis_and_n(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    header = file.read_text().split("\ndefaults:")[0]
    assert re.search(rf"# Command: +python -m \S.*\b{name}\b", header)
    assert re.search(r"# Hypothesis: \w.{20,}", header)
    assert re.search(r"# n: +\d+ ", header)
    assert read_yaml(file)["name"] == name


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_has_cells_and_octaves_enough(name: str) -> None:
    params = read_yaml(FOLDER / f"{name}.yaml")["hydra"]["sweeper"]["params"]
    key = KEYS[name.removesuffix("_cpu")]
    assert list(params) == [key, "optim.lr", "seed"]
    rows, columns = ([float(v) for v in str(params[k]).split(",")] for k in (key, "optim.lr"))
    if key == "optim.momentum":
        rows = [1.0 - value for value in rows]
    assert min(len(rows), len(columns)) >= 6
    assert max(len(rows), len(columns)) >= 8
    for values in (rows, columns):
        assert max(values) / min(values) >= 2**4
        steps = [math.log2(b / a) for a, b in itertools.pairwise(values)]
        assert steps == pytest.approx([math.copysign(1.0, steps[0])] * len(steps))
    assert str(params["seed"]) == "0,1"
    cells, seeds = len(rows) * len(columns), 2
    header = (FOLDER / f"{name}.yaml").read_text()
    assert (
        f"{seeds} seeds for each of {len(columns)} x {len(rows)} cells; {cells * seeds} runs"
        in header
    )


@pytest.mark.slow
def test_the_text_s_slices_cross_where_it_says() -> None:
    for name in KEYS:
        config = compose(f"+sweep={name}")
        assert (config.batch_size, config.model.name, config.data.name) == (
            512,
            "resnet9",
            "cifar10",
        )
        made = compose(f"+sweep={name}").plain()
        assert (made["optim"]["momentum"], made["optim"]["weight_decay"]) == (0.9, 5e-4)
        assert made["model"]["width"] == 64

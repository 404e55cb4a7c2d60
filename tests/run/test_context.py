"""What a run stands on, and what is said of it before it begins."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from tests.training import assembled


def pictures(root: Path, **counts: int) -> Path:
    """Write so many pictures of each class."""
    for place, (name, count) in enumerate(counts.items()):
        (root / "train" / name).mkdir(parents=True)
        for number in range(count):
            colour = (place * 30, number, 9)
            Image.new("RGB", (4, 4), colour).save(root / "train" / name / f"{number}.png")
    return root


@pytest.mark.parametrize(
    ("counts", "overrides", "said"),
    [
        (
            {"a": 12, "b": 1},
            (),
            ["no validation image of class b", "no test image of class b"],
        ),
        ({"a": 12, "b": 1}, ("report_test=false",), ["no validation image of class b"]),
        ({"a": 12, "b": 1}, ("data.val=0",), ["no test image of class b"]),
        ({"a": 12, "b": 12}, ("data.val=4", "data.test=4"), []),
        (
            {"a": 30, **dict.fromkeys("bcdefgh", 1)},
            ("data.val=0", "data.test=1"),
            ["no test image of class b, c, d, e, f and 2 more"],
        ),
    ],
)
def test_classes_without_an_image_to_be_evaluated_on_are_named(
    tmp_path, caplog, counts, overrides, said
) -> None:
    root = pictures(tmp_path / "d", **counts)
    caplog.set_level(logging.WARNING)
    words = ("data=image_folder", f"data.root={root}", "data.cache_size=4", "batch_size=4")
    with assembled(*words, "model=mlp", "model.hidden=[4]", "report_test=true", *overrides):
        assert [record.getMessage() for record in caplog.records] == said

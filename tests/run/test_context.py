"""What a run stands on, and what is said of it before it begins."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from tests.training import assembled
from trainer.core.errors import ConfigError
from trainer.loop import evaluate


def pictures(root: Path, **counts: int) -> Path:
    """Write so many pictures of each class."""
    for place, (name, count) in enumerate(counts.items()):
        (root / "train" / name).mkdir(parents=True)
        for number in range(count):
            colour = (place * 30, number, 9)
            Image.new("RGB", (4, 4), colour).save(root / "train" / name / f"{number}.png")
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "overrides", "said"),
    [
        (
            {"a": 40, "b": 2},
            ("data.val=2", "data.test=1"),
            ["no validation image of class b", "no test image of class b"],
        ),
        ({"a": 40, "b": 2}, ("report_test=false",), ["no validation image of class b"]),
        ({"a": 12, "b": 1}, (), ["no test image of class b"]),
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


FEW = ("data=synthetic", "data.image_shape=[1,12,12]", "data.num_train=320", "data.num_test=1100")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "room", "size"),
    [
        (("batch_size=8",), 0, 32),
        (("batch_size=64", "accumulate=4"), 0, 64),
        (("batch_size=64",), 0, 256),
        (("batch_size=256",), 0, 1000),
        (("batch_size=8", "eval_batch_size=7"), 2**25, 7),
        (("batch_size=8", "eval_batch_size=5000"), 2**25, 1100),
        (("batch_size=8",), 40 * 4 * 2 * 144, 40),  # Flatten reads and writes an image of 144
        (("batch_size=8",), 2**25, 1000),
    ],
)
def test_an_evaluation_takes_little_memory(overrides, room, size, monkeypatch) -> None:
    monkeypatch.setattr("trainer.run.context.EVAL_BYTES", room)
    with assembled(*FEW, "model=mlp", "model.hidden=[4]", *overrides) as run:
        sizes = [len(batch.labels) for batch in run.data.test_batches()]
    assert max(sizes) == size
    assert sum(sizes) == 1100


@pytest.mark.slow
def test_an_evaluation_batch_of_no_image_is_refused() -> None:
    with (
        pytest.raises(ConfigError, match="eval_batch_size must be at least 1, got 0"),
        assembled(*FEW, "eval_batch_size=0"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn", "mlp", "resnet9"])
def test_scores_do_not_depend_on_the_size_of_evaluation_batches(model) -> None:
    scores = set()
    for size in (1000, 300, 32):
        words = (*FEW, "data.num_test=600", "data.noise=0.9", f"model={model}", "threads=1")
        small = ("model.width=2",) if model == "resnet9" else ()
        with assembled(*words, *small, f"eval_batch_size={size}") as run:
            scores.add(evaluate(run, run.model, run.data.test_batches()))
    assert len(scores) == 1

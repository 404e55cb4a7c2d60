"""`task=predict` names pictures as the network would name them in a data set."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command import TINY, Call, snapshot
from trainer.task._sheet import MOST, Captioned

RUN = (*TINY, "data.image_shape=[3,8,8]", "epochs=1", "hydra.run.dir=run")


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def pictures(folder: Path, count: int) -> None:
    """Write pictures of odd sizes and names, some deep down, and things that are none."""
    draw = np.random.default_rng(1)
    for i in range(count):
        place = folder / ("é, =[x]" if i % 3 else "a/b/c")
        place.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 256, (8 + i % 5, 9 + i % 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{i:03}.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")


@pytest.mark.slow
def test_pictures_are_named_and_what_is_broken_is_passed_over(call: Call, here: Path) -> None:
    assert call(*RUN).code == 0
    pictures(here / "in", 7)
    before = snapshot(here / "in")
    done = call("task=predict", "task.run=run", "task.images=in", "task.top=3", "task.out=o=1.csv")
    assert done.code == 0, done.err
    table = rows(here / "o=1.csv")
    assert [row["file"] for row in table][:2] == ["a/b/c/000.png", "a/b/c/003.png"]
    assert len(table) == 8
    (broken,) = [row for row in table if row["problem"]]
    assert (broken["file"], broken["class"]) == ("bad.jpg", "")
    assert "bad.jpg" in done.out
    assert "7 pictures" in done.out
    for row in table:
        if not row["problem"]:
            values = [float(row[f"probability{n}"]) for n in ("", "_2", "_3")]
            assert values == sorted(values, reverse=True)
            assert len({row["class"], row["class_2"], row["class_3"]}) == 3
    assert (here / "o=1.png").stat().st_size > 1000
    assert snapshot(here / "in") == before


@pytest.mark.slow
def test_the_sheet_has_pictures_of_every_part_with_their_names(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(*RUN).code == 0
    pictures(here / "in", 300)
    for i in range(30):  # what cannot be read is made up for
        (here / "in" / "a" / f"{i}.png").write_bytes(b"no picture")
    found: list[Captioned] = []
    monkeypatch.setattr("trainer.task.predict.sheet", lambda shown, _: found.extend(shown))
    call("task=predict", "task.run=run", "task.images=in")
    names = [picture.name for picture in found]
    assert len(set(names)) == MOST
    table = {row["file"]: i for i, row in enumerate(rows(here / "predictions.csv"))}
    places = [table[name] for name in names]
    assert max(b - a for a, b in itertools.pairwise([0, *places, len(table)])) <= 35


@pytest.mark.slow
def test_one_picture_and_batches_say_the_same_as_python(call: Call, here: Path) -> None:
    import torch

    from trainer import load

    assert call(*RUN).code == 0
    pictures(here / "in", 300)
    assert call("task=predict", "task.run=run", "task.images=in").code == 0
    table = {row["file"]: row for row in rows(here / "predictions.csv")}
    name = "é, =[x]/299.png"
    alone = call("task=predict", "task.run=run", f"task.images=in/{name}", "task.out=one.csv")
    assert alone.code == 0, alone.err
    (row,) = rows(here / "one.csv")
    assert row["class"] == table[name]["class"]
    assert float(row["probability"]) == pytest.approx(float(table[name]["probability"]), abs=2e-6)
    network = load(here / "run")
    image = Image.open(here / "in" / name).convert("RGB")
    scale = 8 / min(image.size)
    w, h = (max(round(side * scale), 8) for side in image.size)
    image = image.resize((w, h), Image.Resampling.BILINEAR)
    left, top = (w - 8) // 2, (h - 8) // 2
    pixels = np.array(image.crop((left, top, left + 8, top + 8))).transpose(2, 0, 1)
    (probabilities,) = network(torch.tensor(pixels)[None])
    best = int(probabilities.argmax())
    assert network.classes[best] == row["class"]
    assert float(probabilities[best]) == pytest.approx(float(row["probability"]), abs=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("task.images=in",), 2, "task.run is missing"),
        (("task.run=run",), 2, "task.images is missing"),
        (("task.run=run", "task.images=nowhere"), 5, "nowhere not found"),
        (("task.run=run", "task.images=empty"), 5, "holds no picture"),
        (("task.run=run", "task.images=in/bad.jpg"), 5, "none of 1 files can be read"),
        (("task.run=run", "task.images=in", "task.top=11"), 2, "the network knows 10 classes"),
        (("task.run=run", "task.images=in", "task.top=0"), 2, "task.top must be at least 1"),
        (("task.run=run", "task.images=in", "task.out=a.txt"), 2, "must be a file that ends in"),
        (("task.run=run", "task.images=in", "task.out=there.csv"), 2, "is there already"),
        (("task.run=run", "task.images=in", "task.out=no/a.csv"), 2, "there is no folder"),
    ],
)
def test_what_cannot_be_predicted_is_said_and_leaves_nothing(
    call: Call, here: Path, words: tuple[str, ...], code: int, text: str
) -> None:
    assert call(*RUN).code == 0
    pictures(here / "in", 2)
    (here / "empty").mkdir()
    (here / "there.csv").write_text("mine")
    before = snapshot(here)
    done = call("task=predict", *words)
    assert (done.code, "Traceback" in done.err) == (code, False)
    assert text in done.err
    assert snapshot(here) == before

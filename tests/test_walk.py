"""The way of one's own pictures: from a folder of JPEG files to a file that other programs run.

The pictures are drawn: a network that was trained on five shapes learns five others, of which one
has six times as many pictures as another.
"""

import colorsys
import csv
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.command import Call, snapshot

OTHERS = ("bar", "diamond", "frame", "moon", "spot")
COUNTS = {"arrow": 108, "cross": 84, "disc": 54, "wedge": 36, "étoile": 18}  # 300, 6 to 1
SHAPES = (*OTHERS, *COUNTS)
SIDES = (37, 120)  # pixels, from and to
SMALL = (
    "+experiment=pictures",
    "data.cache_size=24",
    "model.width=8",
    "threads=1",
    "data.val=30",
)
BARE = ("numpy", "numpy.libs", "PIL", "pillow.libs", "onnxruntime")
ANSWER = """\
import contextlib, importlib.util, io, json, sys
bare, program, names = json.loads(sys.stdin.read())
sys.path.append(bare)
assert not any(map(importlib.util.find_spec, ("torch", "trainer", "torchvision", "onnx")))
for name in names:
    said, own = io.StringIO(), {}
    with contextlib.redirect_stdout(said):
        exec(program.replace('"picture.jpg"', repr(name)), own)
    (shares,) = own["network"].run(None, {"images": own["pixels"]})[0].tolist()
    print(json.dumps([said.getvalue().strip(), shares]))
"""


def picture(shape: str, draw: np.random.Generator) -> Image.Image:
    """Draw a polygon whose corners and hue say its class, of any size, on noise."""
    w, h = (int(side) for side in draw.integers(*SIDES, 2))
    image = Image.fromarray(draw.integers(0, 160, (h, w, 3), dtype=np.uint8))
    kind = SHAPES.index(shape)
    hue = (kind + draw.uniform(-1.0, 1.0)) / len(SHAPES)
    color = tuple(int(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.8, 1.0))
    x, y = draw.uniform(0.4, 0.6, 2) * (w, h)
    corner = (x, y, min(w, h) * draw.uniform(0.25, 0.45))
    turned = float(draw.uniform(0, 360))
    ImageDraw.Draw(image).regular_polygon(corner, 3 + kind % 5, turned, fill=color)
    return image


def write(folder: Path, counts: dict[str, int], draw: np.random.Generator) -> None:
    """Write JPEG files, a folder for each class; the accent is a character of its own, as some
    systems write it."""
    for shape, count in counts.items():
        place = folder / unicodedata.normalize("NFD", shape)
        place.mkdir(parents=True)
        for i in range(count):
            picture(shape, draw).save(place / f"{shape} {i:03}.jpg", quality=90)


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def damaged(folder: Path) -> list[Path]:
    """Write a picture that is cut off, an empty file and a web page in a picture's place."""
    whole = next(iter(sorted(folder.glob("*.jpg")))).read_bytes()
    contents = {"cut off.jpg": whole[:300], "empty.jpg": b"", "page.jpg": b"<html>404</html>"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def check_evaluation(folder: Path) -> None:
    """Look at what `task=evaluate` left: figures against its own rows, and the picture."""
    found = json.loads((folder / "summary.json").read_text())["evaluation"]
    images = rows(folder / "images.csv")
    table = rows(folder / "classes.csv")
    assert [row["class"] for row in table] == list(COUNTS)
    recalls = []
    for row in table:
        mine = [image for image in images if image["label"] == row["class"]]
        named = [image for image in images if image["guess"] == row["class"]]
        hits = sum(image["guess"] == row["class"] for image in mine)
        assert int(row["images"]) == len(mine) == 10
        assert float(row["recall"]) == pytest.approx(hits / 10, abs=1e-6)
        recalls.append(hits / 10)
        if named:
            assert float(row["precision"]) == pytest.approx(hits / len(named), abs=1e-6)
    assert found["balanced"] == pytest.approx(sum(recalls) / 5)
    assert found["balanced"] > 0.35, "a guess has 0.2"
    confusion = rows(folder / "confusion.csv")
    for row, recall in zip(confusion, recalls, strict=True):
        assert int(row[row["label"]]) == round(10 * recall)
    with Image.open(folder / "confusion.png") as drawn:
        assert all(400 <= side <= 4000 for side in drawn.size)
        pixels = np.asarray(drawn.convert("L"))
    assert 0.01 < float((pixels < 128).mean()) < 0.9  # letters and cells on a light ground


@pytest.mark.slow
def test_own_pictures_from_a_folder_to_another_program(call: Call, here: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    draw = np.random.default_rng(0)
    write(here / "others/train", dict.fromkeys(OTHERS, 20), draw)
    write(here / "own/train", COUNTS, draw)
    write(here / "own/test", dict.fromkeys(COUNTS, 10), draw)

    # What is damaged is named before anything is trained, and moved away.
    bad = damaged(here / "own/train/cross")
    before = snapshot(here)
    done = call(*SMALL, "data.root=own")
    assert (done.code, "Traceback" in done.err) == (5, False)
    assert "3 of 353 images cannot be read" in done.err
    assert all(file.name in done.err for file in bad)
    assert snapshot(here) == before
    for file in bad:
        file.rename(here / file.name)

    # A run on other pictures, then one that begins with its weights.
    done = call(*SMALL, "data.root=others", "epochs=4", "data.test=20", "hydra.run.dir=first")
    assert done.code == 0, done.err
    own = (*SMALL, "data.root=own", "init_from=first")
    short = (*own, "max_steps=10", "report_test=false")
    done = call(*short, "hydra.run.dir=advised")
    assert done.code == 0, done.err
    advice = [line for line in (done.out + done.err).splitlines() if "are uneven" in line]
    assert len(advice) == 1
    assert "of arrow" in advice[0]
    assert "of étoile" in advice[0]
    done = call(*short, "loss.class_weights=balanced", "hydra.run.dir=weighted")
    assert done.code == 0, done.err
    assert "are uneven" not in done.out + done.err
    done = call(*own, "epochs=4", "data.balance=oversample", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert "are uneven" not in done.out + done.err
    assert "data.balance=oversample: an epoch has" in done.out
    assert "no class of this run is among those of the weights" in done.out

    # Where it errs.
    done = call("task=evaluate", "task.run=run", "hydra.run.dir=found")
    assert done.code == 0, done.err
    check_evaluation(here / "found")

    # What it sees in pictures that lie about.
    places = [here / "new", here / "new/deep/ü b", here / "new/[x], =1"]
    for i in range(15):
        places[i % 3].mkdir(parents=True, exist_ok=True)
        shape = list(COUNTS)[i % 5]
        picture(shape, draw).save(places[i % 3] / f"{shape}, #{i} 'é'.jpg")
    (here / "cut off.jpg").rename(here / "new/deep/cut off.jpg")
    done = call("task=predict", "task.run=run", "task.images=new", "task.top=5")
    assert done.code == 0, done.err
    assert "passed over: " in done.out
    assert "deep/cut off.jpg" in done.out
    assert "15 pictures of" in done.out
    assert "new, 1 passed over" in done.out
    table = rows(here / "predictions.csv")
    files = {path.relative_to(here / "new").as_posix() for path in (here / "new").rglob("*.jpg")}
    assert len(table) == 16
    assert {row["file"] for row in table} == files
    (passed_over,) = [row for row in table if row["problem"]]
    assert (passed_over["file"], passed_over["class"]) == ("deep/cut off.jpg", "")
    seen = {}
    for row in table:
        if not row["problem"]:
            ranks = ("", "_2", "_3", "_4", "_5")
            shares = {row[f"class{n}"]: float(row[f"probability{n}"]) for n in ranks}
            assert set(shares) == set(COUNTS)
            assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
            seen[row["file"]] = shares

    # The same from a program that has three packages and neither torch nor this project.
    done = call("task=export", "task.run=run", "task.format=onnx")
    assert done.code == 0, done.err
    program = done.out[done.out.index("import json") :].strip()
    bare = here / "bare"
    bare.mkdir()
    packages = Path(onnxruntime.__file__).parents[1]
    for name in BARE:
        if (packages / name).exists():
            (bare / name).symlink_to(packages / name)
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", ANSWER],
        input=json.dumps([str(bare), program, [f"new/{file}" for file in seen]]),
        capture_output=True,
        encoding="utf-8",
        cwd=here,
    )
    assert ran.returncode == 0, ran.stderr
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    for (name, values), shares in zip(answers, seen.values(), strict=True):
        assert name == max(shares, key=lambda one: shares[one])
        assert values == pytest.approx([shares[shape] for shape in COUNTS], abs=1e-4)

"""`task=export` writes a file that other programs use, and that answers as the network does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.command import TINY, Call, snapshot
from trainer import load

ENDS = {"torch": "pt2", "onnx": "onnx"}
RUN = (*TINY, "epochs=1", "hydra.run.dir=run")
# Networks of all kinds of layers, small.
NETWORKS = (
    "model=cnn model.width=4",
    "model=lenet5",
    "model=resnet9 model.width=4",
    "model=resnet20",
    "model=airnet model.width=4",
    "model=preact_resnet18",
    "model=wide_resnet model.depth=10 model.widen_factor=1 model.dropout=0.2",
    "model=vgg16",
    "model=resnet50 model.stem=cifar model.width=4 model.variant=D",
    "model=torchvision model.arch=shufflenet_v2_x0_5",
)


def program(text: str, picture: str) -> str:
    """Return the program that was printed, for a picture."""
    lines = text[text.index("import json") :].strip().splitlines()
    assert len(lines) <= 8
    return "\n".join(lines).replace("picture.jpg", picture)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_printed_program_uses_the_file_without_ours(
    call: Call, here: Path, name: str, channels: int
) -> None:
    pytest.importorskip("onnxruntime")
    assert call(*RUN, f"data.image_shape=[{channels},8,8]").code == 0
    done = call("task=export", "task.run=run", f"task.format={name}")
    assert (done.code, done.err) == (0, "")
    draw = np.random.default_rng(2)
    Image.fromarray(draw.integers(0, 256, (13, 10, 3), dtype=np.uint8)).save(here / "p.png")
    assert call("task=predict", "task.run=run", "task.images=p.png").code == 0
    expected = (here / "predictions.csv").read_text().splitlines()[1].split(",")[1]
    alone = "import sys; assert not any('trainer' in p for p in sys.path)\n"
    ran = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", alone + program(done.out, "p.png")],
        capture_output=True,
        text=True,
        cwd=here,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, expected), ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDS)
def test_a_file_says_its_classes_and_the_images_it_takes(call: Call, here: Path, name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    assert call(*RUN, "average=ema").code == 0
    done = call("task=export", "task.run=run@average", f"task.format={name}")
    assert done.code == 0, done.err
    file = here / f"network.{ENDS[name]}"
    network = load("run@average")
    if name == "torch":
        facts = {"metadata.json": ""}
        torch.export.load(file, extra_files=facts)
        found = json.loads(facts["metadata.json"])
    else:
        props = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
        found = {key: json.loads(value) for key, value in props.items()}
    assert found["classes"] == list(network.classes)
    assert found["image_shape"] == [1, 8, 8]
    assert found["mean"] == list(network.mean)


@pytest.mark.slow
@pytest.mark.parametrize("words", NETWORKS)
def test_every_kind_of_network_answers_alike_for_any_number_of_images(
    call: Call, here: Path, words: str
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    run = (*RUN[:4], "data.image_shape=[3,32,32]", "data.num_train=16", "threads=1", "max_steps=1")
    assert call(*run, "batch_size=8", *words.split(), "hydra.run.dir=run").code == 0
    network = load("run")
    pixels = np.load(Path(__file__).parents[2] / "trainer" / "data" / "digits.npz")["images"][:100]
    images = torch.tensor(np.minimum(pixels * 16, 255).astype(np.uint8))
    images = images.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None].repeat(1, 3, 1, 1)
    expected = network(images)
    for name, end in ENDS.items():
        done = call("task=export", "task.run=run", f"task.format={name}")
        assert done.code == 0, done.err
        if name == "torch":
            answer = torch.export.load(here / f"network.{end}").module()(images)
        else:
            session = onnxruntime.InferenceSession(here / f"network.{end}")
            answer = torch.tensor(session.run(None, {"images": images.numpy()})[0])
        assert float((answer - expected).abs().max()) <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("task.out=a.onnx",), "must end in .pt2"),
        (("task.format=tflite",), "unknown task.format 'tflite'; known: onnx, torch"),
        (("task.out=there.pt2",), "is there already"),
        (("task.out=network.pth",), "must be a file that ends in .pt2 or .onnx"),
    ],
)
def test_what_cannot_be_written_is_refused(
    call: Call, here: Path, words: tuple[str, ...], text: str
) -> None:
    assert call(*RUN).code == 0
    (here / "there.pt2").write_text("mine")
    before = snapshot(here)
    done = call("task=export", "task.run=run", *words)
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert text in done.err
    assert snapshot(here) == before


@pytest.mark.slow
def test_what_was_written_wrong_is_not_left(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.task import export

    assert call(*RUN).code == 0

    def broken(*args: object) -> torch.Tensor:
        return torch.zeros(3, 10)

    monkeypatch.setattr(export, "write_torch", broken)
    before = snapshot(here)
    done = call("task=export", "task.run=run")
    assert done.code == 5
    assert "differs from the network" in done.err
    assert snapshot(here) == before

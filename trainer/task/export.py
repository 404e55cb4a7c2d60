"""`task=export`: a trained network as one file that other programs run."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from trainer.core.errors import ConfigError, DataError
from trainer.core.weights_source import Origin
from trainer.record.console import Console, shown_path
from trainer.run.network import Network
from trainer.run.request import RunRequest
from trainer.task._files import OutputFile, written_whole
from trainer.task._snippets import METADATA, snippet
from trainer.task._use import trained_network
from trainer.task.base import TASKS

ENDS = {"torch": ".pt2", "onnx": ".onnx"}
NEEDED = ("onnx", "onnxscript", "onnxruntime")  # packages that write ONNX, and read it
CLOSE = 1e-4  # that a probability may differ by


@dataclass(frozen=True)
class ModelFile(OutputFile):
    """A file for a network."""

    SUFFIXES: ClassVar[tuple[str, ...]] = tuple(ENDS.values())


class Exported(nn.Module):
    """A network with what comes before and after it.

    Args:
        network: to be exported.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.model = network.model
        self.register_buffer("mean", network.normalize.mean)
        self.register_buffer("scale", network.normalize.scale)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (B, K) of images (B, C, H, W), uint8."""
        logits: torch.Tensor = self.model((images.to(self.mean.dtype) - self.mean) * self.scale)
        return logits.softmax(1)


@TASKS.register("export")
@dataclass(frozen=True)
class Export:
    """Writes a trained network as one file, by `torch.export` or as ONNX: images (B, C, H, W) as
    uint8 go in, for any B, probabilities (B, K) come out. The normalisation is inside; classes and
    the images' size are in its metadata. What brings a picture to that size stays outside, and is
    printed.

    What was written is read again and asked: it must agree with the network.

    Attributes:
        run: a run and which of its weights, or a weights file.
        format: `torch` or `onnx`.
        out: the file, which must not be there yet; None: `network.pt2` or `network.onnx`.
    """

    run: Origin
    format: Literal["torch", "onnx"] = "torch"
    out: ModelFile | None = None

    def __post_init__(self) -> None:
        if self.out is not None and self.out.file.suffix.lower() != ENDS[self.format]:
            raise ConfigError(
                f"task.out={self.out}: with task.format={self.format} it must end in "
                f"{ENDS[self.format]}"
            )

    def perform(self, request: RunRequest) -> None:
        """Write the file, read it back, and say how it is used.

        Raises:
            TrainerError: for everything that a user can mend; no file is left then.
        """
        out = self.out or ModelFile(f"network{ENDS[self.format]}")
        out.check_new("task.out")
        lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if self.format == "onnx" and lacking:
            raise ConfigError(f"task.format=onnx needs packages: pip install {' '.join(NEEDED)}")
        console = Console(quiet=request.quiet)
        with console.listening():
            network = trained_network(request, self.run, torch.device("cpu"))
        module = Exported(network).eval()
        images = torch.randint(0, 256, (3, *network.image_shape), dtype=torch.uint8)
        with written_whole(out.file) as making, quiet():
            if self.format == "torch":
                found = write_torch(module, images, facts_of(network), making)
            else:
                found = write_onnx(module, images, facts_of(network), making)
            apart = float((found - module(images)).abs().max())
            if not apart <= CLOSE:
                raise DataError(f"what was written differs from the network by {apart:.2g}")
        console.say(f"{network.label}: {len(network.classes)} classes, for {self.format}")
        console.say(f"network   {shown_path(out.file.absolute())}")
        console.say("to use it without this program:\n")
        console.say(snippet(self.format, out.path, network.image_shape))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' notes to their authors off the screen."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def facts_of(network: Network) -> dict[str, Any]:
    """Return what the metadata say."""
    return {
        "classes": list(network.classes),
        "image_shape": list(network.image_shape),
        "mean": list(network.mean),
        "std": list(network.std),
    }


def write_torch(
    module: nn.Module, images: torch.Tensor, facts: Mapping[str, Any], file: Path
) -> torch.Tensor:
    """Write a module by `torch.export`, and return what the file answers to images."""
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        program = torch.export.export(module, (images,), dynamic_shapes={"images": {0: batch}})
    torch.export.save(program, file, extra_files={METADATA: json.dumps(facts)})
    answer: torch.Tensor = torch.export.load(file).module()(images)
    return answer


def write_onnx(
    module: nn.Module, images: torch.Tensor, facts: Mapping[str, Any], file: Path
) -> torch.Tensor:
    """Write a module as ONNX, and return what the file answers to images."""
    import onnxruntime  # type: ignore[import-untyped]

    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        program = torch.onnx.export(
            module,
            (images,),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes={"images": {0: batch}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update({key: json.dumps(value) for key, value in facts.items()})
    program.save(file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])

"""Where trained weights come from, as users write it."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from trainer.core.convert import Written, shown
from trainer.core.errors import ConfigError

TORCHVISION = "torchvision:"

FILE = ".safetensors"

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl")  # what torch.save writes

SPELLINGS = (
    "a run's folder (its last weights; <run>@best, <run>@average or <run>@<step> for others), "
    "a .safetensors file, or torchvision:<name of weights>"
)


def conversion(path: str) -> str:
    """Return the command that makes a .safetensors file of a pickled state dict."""
    code = (
        f"import torch, safetensors.torch as s; w = torch.load({path!r}, weights_only=True); "
        "w = w.get('state_dict', w.get('model', w)); "
        f"s.save_file({{k: v.contiguous() for k, v in w.items()}}, {path + FILE!r})"
    )
    return f"python -c {shlex.quote(code)}"


@dataclass(frozen=True)
class Origin(Written):
    """A run and which of its weights, a weights file, or weights that torchvision publishes.

    Attributes:
        path: of the run's folder or of the file, absolute and free of links, so that a record can
            be read from anywhere and `outputs/latest` stays the run that it was; None for
            torchvision's.
        which: of a run's weights: `last`, `best` (by validation accuracy), `average`, or a step.
        torchvision: name of torchvision's weights for the chosen network, such as
            `IMAGENET1K_V1`; empty for the others.
    """

    path: Path | None
    which: str = "last"
    torchvision: str = ""

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the origin written as `value`; whether it exists is seen when it is read."""
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{key} must be {SPELLINGS}; got {shown(value)}")
        if value.startswith(TORCHVISION):
            name = value.removeprefix(TORCHVISION)
            if not re.fullmatch(r"\w+", name):
                raise ConfigError(
                    f"{key}={value}: write the weights' name, as in torchvision:IMAGENET1K_V1"
                )
            return cls(None, torchvision=name)
        if Path(value).suffix.lower() in PICKLES:
            raise ConfigError(
                f"{key}={value}: a pickle may run code, and is not read; convert it once:\n"
                f"  {conversion(value)}"
            )
        try:
            match = re.fullmatch(r"(.+)@(last|best|average|\d{1,12})", value, re.DOTALL)
            path, which = value, "last"
            if match and not Path(value).expanduser().exists():
                path, which = match[1], match[2].lstrip("0") or "0"
                if Path(path).suffix == FILE or Path(path).name.startswith("step-"):
                    raise ConfigError(f"{key}={value}: leave out @{which}; there is but one there")
            return cls(Path(path).expanduser().resolve(), which)
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, no such user, \0
            raise ConfigError(f"{key} is no path: {shown(value)} ({error})") from error

    @property
    def is_file(self) -> bool:
        """Whether it is written as a weights file, not as a run."""
        return self.path is not None and self.path.suffix == FILE

    @property
    def run(self) -> Path:
        """The folder of the run; raise ConfigError if it is written as something else."""
        if self.path is None or self.is_file:
            raise ConfigError(f"{self} is no run: write <run>@<step>, <run>@best or <run>")
        is_checkpoint = self.path.parent.name == "checkpoints"
        return self.path.parents[1] if is_checkpoint else self.path

    def __str__(self) -> str:
        if self.path is None:
            return f"{TORCHVISION}{self.torchvision}"
        return str(self.path) if self.which == "last" else f"{self.path}@{self.which}"

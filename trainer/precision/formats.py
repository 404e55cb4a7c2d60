"""What the names of `precision=` mean, and where each of them exists.

bfloat16: "A Study of BFLOAT16 for Deep Learning Training", arXiv:1905.12322; float16 with a loss
scale and master weights: "Mixed Precision Training", arXiv:1710.03740.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from trainer.core.convert import build
from trainer.core.errors import ConfigError, unknown


@dataclass(frozen=True)
class Format:
    """Number formats of a training.

    Attributes:
        weights: type of the model's weights, and so of the optimizer's state.
        autocast: type that `torch.autocast` computes matrix products and convolutions in, or None.
        fp32_precision: of float32 products on a GPU, as torch names it: `ieee`, or `tf32` (10 bits
            of mantissa).
        scales_loss: whether the loss is scaled dynamically before the backward pass.
        has_half_copy: whether a float16 copy is trained, whose master weights are the model;
            evaluations use autocast.
    """

    weights: torch.dtype = torch.float32
    autocast: torch.dtype | None = None
    fp32_precision: str = "ieee"
    scales_loss: bool = False
    has_half_copy: bool = False


# O0 to O3 are the levels of NVIDIA's apex.amp.
FORMATS: Mapping[str, Format] = {
    "fp32": Format(),
    "tf32": Format(fp32_precision="tf32"),
    "bf16": Format(autocast=torch.bfloat16),
    "fp16": Format(autocast=torch.float16, scales_loss=True),
    "fp64": Format(weights=torch.float64),
    "O0": Format(),
    "O1": Format(autocast=torch.float16, scales_loss=True),
    "O2": Format(autocast=torch.float16, scales_loss=True, has_half_copy=True),
    "O3": Format(weights=torch.float16),
}

NAMES = (*FORMATS, "auto")

ON_MPS = ("fp32", "O0", "auto")


@dataclass(frozen=True)
class LossScale:
    """Keys of the choices that scale the loss.

    If a gradient is not finite, the step is skipped and the scale is halved; the scale is doubled
    after `growth_interval` steps without a skip.

    Attributes:
        init_scale: of the first step, from 1 to 2**126 (it is a float32).
        growth_interval: steps in a row without a skip before the scale is doubled.
    """

    init_scale: float = 65536.0
    growth_interval: int = 2000

    def __post_init__(self) -> None:
        if not 1.0 <= self.init_scale <= 2.0**126:
            raise ConfigError(
                f"precision.init_scale must be from 1 to 2**126, got {self.init_scale:g}"
            )
        if not 1 <= self.growth_interval < 2**31:  # torch counts in 32 bits
            raise ConfigError(
                "precision.growth_interval must be at least 1 and below 2**31, "
                f"got {self.growth_interval}"
            )


@dataclass(frozen=True)
class PrecisionChoice:
    """What the configuration chose.

    Attributes:
        name: one of `NAMES`.
        loss_scale: its keys, None where the loss is not scaled.
    """

    name: str = "fp32"
    loss_scale: LossScale | None = None

    def plain(self) -> dict[str, Any]:
        """Return the choice as its YAML holds it."""
        return {"name": self.name, **(asdict(self.loss_scale) if self.loss_scale else {})}


def parse_precision(values: Mapping[str, Any]) -> PrecisionChoice:
    """Return the choice of a mapping of `name` and keys.

    Raises:
        ConfigError: naming the key, the value and what is allowed.
    """
    keys = dict(values)
    name = keys.pop("name", None)
    if name not in NAMES:
        raise unknown("precision", str(name), NAMES)
    if name in FORMATS and FORMATS[name].scales_loss:
        return PrecisionChoice(name, build(LossScale, keys, "precision"))
    if keys:
        raise unknown("key", f"precision.{next(iter(keys))}", ["precision.name"])
    return PrecisionChoice(name)


def has_bf16(device: torch.device) -> bool:
    """Return whether bfloat16 may be faster than float32 on a device: a GPU that does not emulate
    it, or any processor, which has to be tried."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu"


def check_device(name: str, device: torch.device) -> None:
    """Raise ConfigError, with the reason, if a device does not support a format."""
    if device.type == "mps" and name not in ON_MPS:
        raise ConfigError(
            f"precision={name} does not exist on device=mps; use precision=fp32 or precision=auto"
        )
    if name == "tf32":
        lacks = why_no_tf32(device)
        if lacks:
            raise ConfigError(
                "precision=tf32 needs an NVIDIA GPU of compute capability 8.0 or higher: "
                f"{lacks}; use precision=fp32 or precision=auto"
            )


def why_no_tf32(device: torch.device) -> str | None:
    """Return what a device lacks to compute in TF32, or None."""
    if device.type != "cuda":
        return f"device={device.type} is none"
    if torch.version.hip is not None:
        return f"{torch.cuda.get_device_name(device)} is not made by NVIDIA"
    major, minor = torch.cuda.get_device_capability(device)
    if major < 8:
        return f"{torch.cuda.get_device_name(device)} has {major}.{minor}"
    return None


def check_eps(choice: PrecisionChoice, optim: Mapping[str, Any]) -> None:
    """Raise ConfigError if the optimizer's eps is 0 in the type of its state.

    Args:
        choice: of the precision.
        optim: keys of the optimizer.
    """
    weights = FORMATS[choice.name].weights if choice.name in FORMATS else torch.float32
    eps = optim.get("eps")
    if eps and not float(torch.tensor(eps, dtype=weights)):
        name, is_half = str(weights).removeprefix("torch."), weights == torch.float16
        raise ConfigError(
            f"optim.eps={eps:g} is 0 in the {name} of precision={choice.name}: set it to "
            + ("1e-7 or more, or use precision=O2, whose optimizer is float32" if is_half else "")
            + ("" if is_half else f"{torch.finfo(weights).tiny:.3g} or more")
        )


def set_fp32_precision(name: str) -> None:
    """Set how this process multiplies float32 numbers: `ieee`, or `tf32` on a GPU.

    By default cuDNN's convolutions would be TF32 and cuBLAS's products would not. Older and newer
    switches are both set: torch, and its compiler, raise an error where they disagree.
    """
    # a processor's products stay exact
    restore_fp32_precision(
        ("high" if name == "tf32" else "highest", name == "tf32", name, name, "ieee", "ieee")
    )


def fp32_precision() -> tuple[Any, ...]:
    """Return how this process multiplies float32 numbers, for `restore_fp32_precision`."""
    backends: Any = torch.backends  # torch's annotations lack these attributes
    try:
        allowed = backends.cudnn.allow_tf32
    except RuntimeError:  # its parts were set differently
        allowed = None
    return (
        torch.get_float32_matmul_precision(),
        allowed,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.rnn.fp32_precision,
        backends.mkldnn.conv.fp32_precision,
        backends.mkldnn.matmul.fp32_precision,
    )


def restore_fp32_precision(switches: tuple[Any, ...]) -> None:
    """Set how this process multiplies float32 numbers, as `fp32_precision` returned it."""
    backends: Any = torch.backends
    matmul, allowed, conv, rnn, cpu_conv, cpu_matmul = switches
    torch.set_float32_matmul_precision(matmul)
    if allowed is not None:
        backends.cudnn.allow_tf32 = allowed
    backends.cudnn.conv.fp32_precision = conv
    backends.cudnn.rnn.fp32_precision = rnn
    backends.mkldnn.conv.fp32_precision = cpu_conv
    backends.mkldnn.matmul.fp32_precision = cpu_matmul

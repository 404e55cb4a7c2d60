"""Metrics of `torchmetrics.classification` by their short names: `metrics=[f1,auroc]`.

Names, arguments and directions are read from the package itself, which is imported only where a
metric is named.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch

from trainer.core.convert import Written, shown
from trainer.core.errors import ConfigError, nearest, unknown
from trainer.metrics import Scores
from trainer.strategy.collectives import Communicator

PREFIX = "Multiclass"
OURS = ("num_classes", "validate_args")  # arguments that the data decides, or that check twice
TRIAL = 10  # classes of the trial that each metric is put to before any image is read


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what torchmetrics warns of: classes without images, which one line names anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@functools.cache
def classes() -> Mapping[str, Any]:
    """Return the multiclass metrics of torchmetrics by short name: `f1`, `calibration_error`.

    Raises:
        ConfigError: if the package is not installed.
    """
    try:
        with quiet():
            package = importlib.import_module("torchmetrics.classification")
    except ImportError as error:
        raise ConfigError("metrics needs a package: pip install torchmetrics") from error
    names = (name for name in dir(package) if name.startswith(PREFIX))
    return {short(name.removeprefix(PREFIX)): getattr(package, name) for name in names}


def short(name: str) -> str:
    """Return the short name of a class: `F1Score` is `f1`, `MatthewsCorrCoef` is
    `matthews_corr_coef`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return words.removesuffix("_score")


def bare(name: str) -> str:
    """Return what spellings of one name have in common."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return letters.removeprefix(PREFIX.lower()).removesuffix("score")


def known_name(name: str, key: str) -> str:
    """Return the short name of a metric, spelled in any of its ways; raise ConfigError if there is
    none."""
    by_letters = {bare(known): known for known in classes()}
    if bare(name) not in by_letters:
        near = nearest(bare(name), by_letters) or nearest(name, [f"{n}_score" for n in classes()])
        raise unknown(f"metric ({key})", name, classes(), by_letters[bare(near)] if near else None)
    return by_letters[bare(name)]


@dataclass(frozen=True)
class ChosenMetric(Written):
    """A metric of torchmetrics, written by its name, or as a mapping with its arguments:
    `{name: calibration_error, n_bins: 20}`.

    Attributes:
        name: short.
        arguments: of its class, but for the number of classes.
    """

    name: str
    arguments: Mapping[str, Any]

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the metric written as `value`, once it gave a number for random answers.

        Raises:
            ConfigError: for an unknown name or argument, a value that the class refuses, or one
                with which it gives no single number.
        """
        values = {"name": value} if isinstance(value, str) else value
        if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
            raise ConfigError(
                f"{key} must be the name of a metric, or its name and arguments as in "
                f"{{name: calibration_error, n_bins: 20}}; got {shown(value)}"
            )
        arguments = {str(k): v for k, v in values.items() if k != "name"}
        made = cls(known_name(values["name"], key), arguments)
        made.check(key)
        return made

    def __str__(self) -> str:
        return self.name

    def plain(self) -> Any:
        """Return the YAML form."""
        return {"name": self.name, **self.arguments} if self.arguments else self.name

    @property
    def higher_is_better(self) -> bool | None:
        """Whether more of it is better, as its class says; None where it says nothing."""
        found: bool | None = classes()[self.name].higher_is_better
        return found

    def check(self, key: str) -> None:
        """Raise ConfigError unless the metric gives a single number."""
        taken = inspect.signature(classes()[self.name].__init__).parameters
        known = [name for name in taken if name not in ("self", "kwargs", *OURS)]
        for name in self.arguments:
            if name not in known:
                raise unknown(f"argument of {self.name} ({key})", name, known)
        for name in known:
            if taken[name].default is inspect.Parameter.empty and name not in self.arguments:
                raise ConfigError(
                    f"{key}: {self.name} needs {name}: write {{name: {self.name}, {name}: ...}}"
                )
        if not self.gives_number(key):
            macro = replace(self, arguments={**self.arguments, "average": "macro"})
            is_mended = "average" in known and macro.gives_number(key)
            hint = "write average: macro for the mean over classes" if is_mended else "leave it out"
            raise ConfigError(
                f"{key}: {self.name} gives no single number with these arguments: {hint}; the "
                "confusion matrix and each class are in what task=evaluate writes"
            )

    def gives_number(self, key: str) -> bool:
        """Return whether the metric gives a single number for random answers; raise ConfigError if
        its class refuses the arguments."""
        sizes = (self.arguments.get(name) for name in ("top_k", "ignore_index"))
        count = max([TRIAL, *(n + 2 for n in sizes if isinstance(n, int) and n < 10_000)])
        metric = self.build(count, key)
        draw = torch.Generator().manual_seed(0)
        logits = torch.randn(2 * count, count, generator=draw, dtype=torch.float64)
        try:
            with quiet():
                metric.update(logits.softmax(1), torch.arange(2 * count) % count)
                whole = self.build(count, key)
                whole.merge_state(metric.metric_state)
                found = whole.compute()
        except Exception as error:  # whatever its class has to say of these values
            raise ConfigError(f"{key}: {self.name}: {one_line(error)}") from error
        return isinstance(found, torch.Tensor) and found.numel() == 1

    def build(self, num_classes: int, key: str = "metrics") -> Any:
        """Return the metric of torchmetrics, empty, which computes in float64.

        Raises:
            ConfigError: if its class refuses the arguments.
        """
        try:
            with quiet():
                made = classes()[self.name](num_classes=num_classes, **self.arguments)
        except Exception as error:  # of whatever kind its class raises
            raise ConfigError(f"{key}: {self.name}: {one_line(error)}") from error
        return made.set_dtype(torch.float64)


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split())


@dataclass(frozen=True)
class ChosenMetrics(Written):
    """The metrics that every evaluation gives besides loss and accuracy: a list, or one name."""

    items: tuple[ChosenMetric, ...] = ()

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the metrics written under `key`; raise ConfigError for one that is there twice."""
        values = value if isinstance(value, list | tuple) else [value]
        items = tuple(ChosenMetric.parse(v, f"{key}[{i}]") for i, v in enumerate(values))
        names = [item.name for item in items]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{key} has {name} twice: leave out one")
        return cls(items)

    def __str__(self) -> str:
        return f"[{','.join(map(str, self.items))}]"

    def plain(self) -> Any:
        """Return the YAML form."""
        return [item.plain() for item in self.items]

    def build(self, num_classes: int, device: torch.device) -> Measures:
        """Return the metrics, for evaluations of so many classes.

        Raises:
            ConfigError: if arguments do not fit the number of classes.
        """
        for item in self.items:
            item.build(num_classes)
        return Measures(self.items, num_classes, device)


class Measures:
    """The chosen metrics of one evaluation.

    They compute on probabilities in float64 (float32 on mps, which has none). What they keep is
    torchmetrics' own: sums, whose size the images do not change, or every image's probabilities
    where the class is exact only so (`auroc` without `thresholds`).
    """

    def __init__(
        self, items: Sequence[ChosenMetric], num_classes: int, device: torch.device
    ) -> None:
        self.items, self.num_classes, self.device = items, num_classes, device
        self.metrics = {item.name: self.place(item.build(num_classes), device) for item in items}

    @staticmethod
    def place(metric: Any, device: torch.device) -> Any:
        """Return a metric on a device."""
        exact = torch.float32 if device.type == "mps" else torch.float64
        return metric.set_dtype(exact).to(device)

    def fresh(self) -> Measures:
        """Return the same, empty: for an evaluation."""
        return Measures(self.items, self.num_classes, self.device) if self.items else self

    def add(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch of logits (B, K)."""
        if not self.metrics or not len(labels):
            return
        exact = torch.float32 if logits.device.type == "mps" else torch.float64
        probabilities = logits.to(exact).softmax(1)
        if not probabilities.isfinite().all():
            return  # the loss is not finite either, and ends the run
        with quiet(), torch.autocast(logits.device.type, enabled=False):
            for metric in self.metrics.values():
                metric.update(probabilities, labels)

    def into(self, scores: Scores | None, communicator: Communicator) -> Scores | None:
        """Return scores with the metrics over all processes, in the order of their images: one
        process and several give the same. What is no number is left out."""
        if not self.metrics:
            return scores
        mine = {
            name: {key: on_cpu(value) for key, value in metric.metric_state.items()}
            for name, metric in self.metrics.items()
        }
        states = communicator.all_gather(mine)
        if scores is None:
            return None
        found: dict[str, float] = {}
        with quiet(), torch.autocast("cpu", enabled=False):
            for item in self.items:
                whole = self.place(item.build(self.num_classes), torch.device("cpu"))
                for state in reversed(states):  # each goes before those that are there
                    whole.merge_state(state[item.name])
                value = float(whole.compute())
                if math.isfinite(value):
                    found[item.name] = value
        return replace(scores, more=found)


def on_cpu(value: Any) -> Any:
    """Return a state of a metric, a tensor or a list of them, on the CPU; a list as one tensor."""
    if isinstance(value, torch.Tensor):
        return value.cpu()
    return [torch.cat(value).cpu()] if value else []

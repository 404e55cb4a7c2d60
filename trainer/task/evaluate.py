"""`task=evaluate`: where a trained network errs.

Calibration is that of arXiv:1706.04599.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from trainer.augment import choose_views
from trainer.checkpoint.weights import Weights, read_weights
from trainer.core.convert import plain_choice
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.file_kinds import joined
from trainer.core.weights_source import Origin
from trainer.data import Batch, Source
from trainer.evaluation.mistakes import Mistake, gravest, mistakes_of
from trainer.evaluation.scores import Answers
from trainer.metrics import Tally
from trainer.record.console import Console
from trainer.record.run_folder import check_folder, now_text
from trainer.run.choices import choose
from trainer.run.context import RunContext, settle
from trainer.run.device import prepare
from trainer.run.network import network_of
from trainer.run.request import RunRequest
from trainer.strategy.collectives import broadcast
from trainer.task._evaluation_report import Evaluation, write
from trainer.task._use import Asked
from trainer.task.base import TASKS


@TASKS.register("evaluate")
@dataclass(frozen=True)
class Evaluate:
    """Asks a trained network about the images of a split and shows where it errs: scores of each
    class, who is taken for whom, how far its confidence can be trusted, its gravest mistakes, and a
    row for each image. With `against`, which images another network sees otherwise.

    The run's own configuration holds unless the line says otherwise; with `data=` on the line the
    images are others, and classes are found by name.

    Attributes:
        run: a run and which of its weights, or a weights file.
        against: another one, asked about the same images, or None.
        split: `test`, or `val`.
    """

    run: Origin
    against: Origin | None = None
    split: Literal["test", "val"] = "test"

    def perform(self, request: RunRequest) -> None:
        """Evaluate, write and print.

        Raises:
            TrainerError: for everything that a user can mend; no folder is left then.
        """
        started, config = now_text(), request.config
        world = World.from_environment()
        device, strategy, precision = prepare(config, world)
        console = Console(quiet=request.quiet or world.rank != 0)
        with console.listening():
            broadcast(strategy, lambda: check_folder(request.folder, Path(config.outputs)))
            context = choose(settle(config, device, strategy, precision))
            if self.split == "val" and not context.data.num_val:
                raise ConfigError("task.split=val: data.val=0 holds no image out; use test")
            found = [
                self.evaluation(key, origin, context)
                for key, origin in (("task.run", self.run), ("task.against", self.against))
                if origin is not None
            ]
        if world.rank == 0:
            write(found, request, context, console, self.split, started)

    def evaluation(self, key: str, origin: Origin, context: RunContext) -> Evaluation:
        """Return what the network that a key names answers to the images of the split."""
        config, strategy = context.config, context.strategy
        model = plain_choice(config.model)
        weights = broadcast(strategy, partial(read_weights, key, origin, model))
        network = network_of(
            *(weights, model, lambda: context.source),
            device=context.device,
            dtype=context.precision.dtype,
        )
        views = choose_views(config.tta, network.image_shape, 1)
        asked = Asked(network, context.precision, views)
        places = torch.tensor(places_of(weights, network.classes, context.source))
        tally = Tally(context.device)
        measures = config.metrics.build(len(network.classes), context.device)
        answers: list[tuple[Any, list[int]]] = [(np.empty((0, len(network.classes))), [])]
        mistakes: list[Mistake] = []
        for batch in self.batches(context):
            logits = asked.logits(batch.images)
            labels = places[batch.labels.cpu()]
            tally.add(logits, labels.to(logits.device))
            measures.add(logits, labels.to(logits.device))
            probabilities = logits.double().softmax(1).cpu().numpy()
            mine = Answers(probabilities, labels.numpy())
            answers.append((probabilities, labels.tolist()))
            mistakes = gravest([*mistakes, *mistakes_of(batch.images, mine)])
        gathered = strategy.all_gather((answers, mistakes))
        parts = [part for rank_answers, _ in gathered for part in rank_answers]
        scores = tally.reduce(strategy.all_sum, len(network.classes))
        scores = measures.into(scores, strategy)
        assert scores is not None
        return Evaluation(
            network,
            scores,
            Answers(
                np.concatenate([probabilities for probabilities, _ in parts]),
                np.array([label for _, labels in parts for label in labels], dtype=np.int64),
            ),
            gravest([mistake for _, some in gathered for mistake in some]),
        )

    def batches(self, context: RunContext) -> Iterator[Batch]:
        """Return this process's share of the images."""
        data = context.data
        return data.test_batches() if self.split == "test" else data.val_batches()


def places_of(weights: Weights, known: tuple[str, ...], source: Source) -> list[int]:
    """Return the output of a network for each class of the images, found by name.

    Raises:
        ConfigError: if the network does not know a class.
    """
    is_same = (weights.data or {}).get("fingerprint") == source.fingerprint
    if is_same or source.classes == known:
        return list(range(len(known)))
    missing = [name for name in source.classes if name not in known]
    if missing:
        raise ConfigError(
            f"{weights.label}: the network knows the classes {joined(known, 5)}, and not "
            f"{joined(missing, 5)}"
        )
    return [known.index(name) for name in source.classes]

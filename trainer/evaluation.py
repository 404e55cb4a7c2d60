"""Scores of weights and of their average, left early when a stop is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn

from trainer.average._batch_norm import recompute
from trainer.data.base import Batch
from trainer.distributed import Strategy
from trainer.metrics import Scores, Tally, check_scores
from trainer.state import Run


class GaveWay(Exception):
    """An evaluation was left, nothing moved, because a process heard of a stop."""


def evaluate(run: Run, model: nn.Module, batches: Iterable[Batch]) -> Scores | None:
    """Return a model's scores, each image counted once over all processes; None without any.

    Raises:
        GaveWay: in all processes, if one of them heard of a stop.
    """
    model.eval()
    tally = Tally(run.device)
    with torch.inference_mode(), run.precision.autocast():
        for batch in while_undisturbed(run, batches):
            batch = run.ready(batch)
            tally.add(run.views(model, batch.images), batch.labels)
    give_way(run)
    return tally.reduce(run.strategy.total, run.data.num_classes)


def test_scores(run: Run, averaged: nn.Module | None) -> dict[str, Scores | None]:
    """Return the scores on the test images, of the weights and, if there are any, of their average;
    raises Diverged if a loss is not finite, GaveWay as `evaluate` does."""
    models = {"test": run.model, "test_avg": averaged}
    return {
        name: check_scores(
            evaluate(run, model, run.data.test_batches()), run.state.window - 1, "test"
        )
        for name, model in models.items()
        if model is not None
    }


def final_scores(
    run: Run, is_tested: bool, attend: Callable[[], None]
) -> tuple[nn.Module | None, dict[str, Scores | None]]:
    """Return the averaged weights, and the scores on the test images where they are wanted.

    Args:
        run: at its end.
        is_tested: whether they are.
        attend: called when a process hears of a stop; where it returns, all begins again.
    """
    start = run.seconds_now()
    while True:
        try:
            with put_back(run):
                averaged, average_s = averaged_model(run)
                tested = test_scores(run, averaged) if is_tested else {}
            break
        except GaveWay:
            attend()
    spent = run.seconds_now() - start - (average_s or 0.0)
    add_seconds(run, average=average_s or 0.0, eval=spent)
    return averaged, tested


def averaged_model(run: Run) -> tuple[nn.Module | None, float | None]:
    """Return the averaged weights, BatchNorm statistics their own, and the seconds that took."""
    start = run.seconds_now()
    model = run.average.eval_model()
    if model is None:
        return None, None
    share_buffers(model, run.strategy)

    def forward(images: torch.Tensor) -> None:
        with run.precision.autocast():
            model(images)

    if run.average.is_stale:
        clean = while_undisturbed(run, run.data.clean_train_batches(run.bn_images))
        recompute(model, (run.ready(batch).images for batch in clean), forward, run.strategy.total)
        give_way(run)
    return model, run.seconds_now() - start


def while_undisturbed(run: Run, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches until this process hears of a stop; what they are for must `give_way` then."""
    for batch in batches:
        if run.hears_stop():
            return
        yield batch


def give_way(run: Run) -> None:
    """Raise GaveWay in all processes if one of them has heard of a stop."""
    if run.strategy.agree(int(run.hears_stop())):
        raise GaveWay


@contextlib.contextmanager
def put_back(run: Run) -> Iterator[None]:
    """Give the buffers of the model and of its average their values back if what is done with them
    gives way."""
    models = [m for m in (run.model, run.average.eval_model()) if m is not None]
    kept = [{name: b.detach().clone() for name, b in m.named_buffers()} for m in models]
    try:
        yield
    except GaveWay:
        for model, buffers in zip(models, kept, strict=True):
            for name, value in buffers.items():
                model.get_buffer(name).copy_(value)
        raise


def share_buffers(model: nn.Module, strategy: Strategy) -> None:
    """Give every process the mean of their BatchNorm statistics."""
    # parameters are equal on all processes, buffers are not
    if strategy.world.size == 1:
        return
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.copy_(strategy.total(buffer) / strategy.world.size)


def add_seconds(run: Run, **seconds: float) -> None:
    """Add to the run's seconds by phase."""
    for phase, spent in seconds.items():
        run.state.seconds[phase] = run.state.seconds.get(phase, 0.0) + spent

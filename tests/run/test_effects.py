"""Each part is asked whether it does anything over the run's steps: what the length forbids is
refused, what the values forbid is said."""

import logging

import pytest

from tests.command import TINY
from trainer.api import compose
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.run.assemble import assemble
from trainer.run.device import prepare

NO_JITTER = tuple(f"augment.color_jitter.{k}=0" for k in ("brightness", "contrast", "saturation"))
NOT_STANDARD = ("augment.standard.padding=0", "augment.standard.flip=false")


def notes_of(caplog: pytest.LogCaptureFixture, *overrides: str) -> list[str]:
    """Return what is said of a run of eight steps, two epochs, when it is assembled."""
    caplog.clear()
    config = compose(*TINY, *overrides)
    with caplog.at_level(logging.INFO, logger="trainer"):
        assemble(config, *prepare(config, World()))
    return [record.getMessage() for record in caplog.records if record.name.endswith("effects")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "span"),
    [
        ("scheduler=step scheduler.step_size=30ep", "scheduler.step_size=30ep"),
        ("scheduler=step scheduler.step_size=8st", "scheduler.step_size=8st"),
        (
            "scheduler=step scheduler.step_size=7st scheduler.warmup=1st",
            "scheduler.step_size=7st",
        ),
        ("scheduler=plateau scheduler.patience=30ep", "scheduler.patience=30ep"),
        ("scheduler=plateau scheduler.patience=1ep", "scheduler.patience=1ep"),
        (
            "scheduler=torch scheduler.lr_scheduler=StepLR scheduler.args={step_size:8}",
            "scheduler.args={",
        ),
        (
            "scheduler=torch scheduler.lr_scheduler=MultiStepLR scheduler.args={milestones:[50]}",
            "scheduler.args={",
        ),
    ],
)
def test_a_schedule_that_the_run_is_too_short_for_is_refused(
    caplog: pytest.LogCaptureFixture, overrides: str, span: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        notes_of(caplog, *overrides.split())
    assert f"only in a longer one ({span}" in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["mixup", "cutmix", "mixup_or_cutmix"])
def test_mixing_within_micro_batches_of_one_image_is_refused(
    caplog: pytest.LogCaptureFixture, mix: str
) -> None:
    single = ("model.norm=none", "batch_size=2", "accumulate=2", "epochs=0.1", f"mix={mix}")
    with pytest.raises(ConfigError, match=f"mix={mix} pairs images of one micro-batch"):
        notes_of(caplog, *single)
    assert notes_of(caplog, *single, "mix.partners=independent") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("scheduler=step scheduler.gamma=1", "scheduler=step changes nothing with these values"),
        ("scheduler=exponential scheduler.gamma=1", "scheduler=exponential changes nothing"),
        ("scheduler=multistep scheduler.gamma=1", "scheduler=multistep changes nothing"),
        ("scheduler=polynomial scheduler.power=0", "scheduler=polynomial changes nothing"),
        ("scheduler=plateau scheduler.factor=1", "scheduler=plateau changes nothing"),
        ("scheduler=plateau", "scheduler=plateau changes nothing in so short a run"),
        ("scheduler=cosine scheduler.min_lr=100%", "scheduler=cosine changes nothing"),
        (
            "scheduler=torch scheduler.lr_scheduler=StepLR scheduler.args={step_size:1,gamma:1.0}",
            "scheduler=torch changes nothing",
        ),
        ("average=ema average.decay=0", "average=ema changes nothing with these values"),
        ("average=lookahead average.alpha=1", "average=lookahead changes nothing"),
        ("average=swa average.start=50%", "average=swa takes one snapshot in this run, after"),
        ("mix=mixup mix.alpha=0", "mix=mixup changes nothing with these values"),
        ("mix=cutmix mix.alpha=0", "mix=cutmix changes nothing"),
        ("mix=cutmix mix.probability=0", "mix=cutmix changes nothing"),
        ("mix=mixup mix.stop=0%", "mix=mixup changes nothing"),
        ("mix=mixup mix.partners=independent mix.alpha=0", "mix=mixup changes nothing"),
        (
            "mix=mixup_or_cutmix mix.cutmix_share=1 mix.cutmix_alpha=0",
            "mix=mixup_or_cutmix changes nothing",
        ),
        ("augment=cutout augment.cutout.size=0", "augment=cutout changes nothing"),
        ("augment=shift augment.shift.pixels=0", "augment=shift changes nothing"),
        ("augment=rand_augment augment.rand_augment.num_ops=0", "augment=rand_augment changes"),
        ("augment=random_erasing augment.random_erasing.probability=0", "augment=random_erasing"),
        (f"augment=color_jitter {' '.join(NO_JITTER)}", "augment=color_jitter changes nothing"),
        (f"augment=standard {' '.join(NOT_STANDARD)}", "augment=standard changes nothing"),
    ],
)
def test_a_part_that_its_values_keep_from_acting_is_legal_and_said(
    caplog: pytest.LogCaptureFixture, overrides: str, message: str
) -> None:
    (note,) = notes_of(caplog, *overrides.split())
    assert message in note


@pytest.mark.parametrize(
    "overrides",
    [
        *(f"scheduler={name}" for name in ("step", "multistep", "cosine", "onecycle", "cyclic")),
        *(f"scheduler={name}" for name in ("exponential", "polynomial", "cosine_restarts")),
        "scheduler=multistep scheduler.milestones=[7st]",
        "scheduler=step scheduler.step_size=7st",
        "scheduler=plateau scheduler.patience=0ep epochs=3",
        "scheduler=swa average=swa_paper average.start=50%",
        "average=ema",
        "average=ema average.decay=1e-3",
        "average=swa average.start=0ep average.every=1ep",
        "average=lookahead average.every=4st",
        "mix=mixup mix.alpha=0.01",
        "mix=cutmix mix.probability=0.5",
        "mix=mixup_or_cutmix mix.cutmix_share=0",
        "augment=[standard,cutout] augment.cutout.size=2",
    ],
)
def test_of_a_part_that_acts_nothing_is_said(
    caplog: pytest.LogCaptureFixture, overrides: str
) -> None:
    assert notes_of(caplog, *overrides.split()) == []

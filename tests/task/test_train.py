from pathlib import Path

import pytest

from tests.command import TINY
from trainer.api import compose, train
from trainer.core.errors import ConfigError
from trainer.run.request import RunRequest
from trainer.task.base import perform


def test_the_task_is_a_choice_like_any_other(here: Path) -> None:
    config = compose(*TINY)
    assert config.task.name == "train"
    assert config.plain()["task"] == {"name": "train"}


@pytest.mark.slow
def test_performing_it_trains(here: Path) -> None:
    row = perform(RunRequest(compose(*TINY, "max_steps=1"), folder="run", quiet=True))
    assert row is not None
    assert row.status == "completed"


def test_training_from_python_is_training(here: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\(\) is for task=train, .* task=plan"):
        train(compose(*TINY, "task=plan"))

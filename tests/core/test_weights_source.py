"""Where weights come from: spellings, absolute paths, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.core.convert import convert, plain
from trainer.core.errors import ConfigError
from trainer.core.weights_source import Origin


@pytest.mark.parametrize(
    ("text", "path", "which"),
    [
        ("a/run", "a/run", "last"),
        ("a/run@last", "a/run", "last"),
        ("a/run@best", "a/run", "best"),
        ("a/run@average", "a/run", "average"),
        ("a/run@12", "a/run", "12"),
        ("a/run@0012", "a/run", "12"),
        ("a/run@", "a/run@", "last"),
        ("me@home/run", "me@home/run", "last"),
        ("b=c, [d]/w.safetensors", "b=c, [d]/w.safetensors", "last"),
    ],
)
def test_a_run_or_a_file(here: Path, text: str, path: str, which: str) -> None:
    origin = Origin.parse(text, "init_from")
    assert origin == Origin(here / path, which)
    assert Origin.parse(plain(origin), "init_from") == origin


def test_a_folder_of_such_a_name_is_that_folder(here: Path) -> None:
    (here / "run@best").mkdir()
    assert Origin.parse("run@best", "init_from") == Origin(here / "run@best", "last")


def test_a_link_is_followed_once_and_for_all(here: Path) -> None:
    (here / "first").mkdir()
    (here / "latest").symlink_to("first")
    origin = Origin.parse("latest@best", "init_from")
    (here / "latest").unlink()
    assert str(origin) == f"{here}/first@best"


def test_torchvision_s_weights_have_a_name() -> None:
    origin = Origin.parse("torchvision:IMAGENET1K_V2", "init_from")
    assert origin == Origin(None, torchvision="IMAGENET1K_V2")
    assert plain(origin) == "torchvision:IMAGENET1K_V2"
    with pytest.raises(ConfigError, match="init_from=torchvision:: write the weights' name"):
        Origin.parse("torchvision:", "init_from")


@pytest.mark.parametrize("value", [3, True, "", "  ", ["a"], {"a": 1}, 0.5])
def test_what_is_no_text_is_refused_with_the_spellings(value: object) -> None:
    with pytest.raises(ConfigError, match=r"init_from must be a run's folder .*<run>@best"):
        convert(Origin | None, value, "init_from")
    assert convert(Origin | None, None, "init_from") is None


@pytest.mark.parametrize("value", ["~no_such_user_anywhere/run", "a\0b"])
def test_what_is_no_path_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="init_from is no path"):
        Origin.parse(value, "init_from")


@pytest.mark.parametrize("value", ["w.safetensors@best", "run/checkpoints/step-00000008@average"])
def test_one_set_of_weights_is_not_chosen_from(value: str) -> None:
    with pytest.raises(ConfigError, match=r"leave out @\w+; there is but one there"):
        Origin.parse(value, "init_from")

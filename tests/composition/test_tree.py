"""A user's own files: found, checked, and named where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.composition.compose import compose_overrides
from trainer.composition.search_path import Sources
from trainer.config.run_config import parse
from trainer.core.errors import ConfigError


def sources(folder: Path, primary: str = "config", **files: str) -> Sources:
    """Return a folder with files, such as `optim__gentle`, as a place of configurations."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Sources(primary, (folder,))


def preset(defaults: str) -> str:
    return f"# @package _global_\ndefaults:\n  - {defaults}\n"


@pytest.mark.parametrize(
    ("defaults", "told"),
    [
        ("override /optim: adamm", "unknown optim 'adamm'; did you mean 'adam'?"),
        ("override optim: adam", "'override optim' needs a slash: write 'override /optim: ...'"),
        ("override /optimizer: adam", "did you mean 'override /optim'?"),
        ("/optim: adam", "optim is chosen already: write 'override /optim: ...'"),
        ("override /hydra/launcher: joblib", "write hydra/launcher=... there"),
        ("/nothing", "there is no configuration 'nothing'"),
        ("3", "Unsupported type in defaults"),
    ],
)
def test_a_preset_s_mistake_is_told_with_its_file(defaults: str, told: str, tmp_path: Path) -> None:
    place = sources(tmp_path, experiment__mine=preset(defaults))
    with pytest.raises(ConfigError) as refused:
        compose_overrides(["+experiment=mine"], place)
    assert told in str(refused.value)
    if "/optim: adam'" not in told and "chosen already" not in told:
        assert "experiment/mine.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["a: [", "\t- x", "defaults: 3\n"])
def test_a_file_that_cannot_be_read_is_named(text: str, tmp_path: Path) -> None:
    place = sources(tmp_path, experiment__mine=f"# @package _global_\n{text}")
    with pytest.raises(ConfigError, match=r"cannot read .*experiment/mine\.yaml"):
        compose_overrides(["+experiment=mine"], place)


@pytest.mark.slow
def test_a_choice_of_one_s_own_has_every_key_of_the_one_that_it_names(tmp_path: Path) -> None:
    place = sources(
        tmp_path,
        optim__gentle="name: sgd\nlr: 0.001\n",
        optim__gentler="defaults: [gentle, _self_]\nweight_decay: 0.1\n",
    )
    tree = compose_overrides(["optim=gentle", "optim.momentum=0.5"], place).tree["optim"]
    assert (tree["name"], tree["lr"], tree["momentum"]) == ("sgd", 0.001, 0.5)
    tree = compose_overrides(["optim=gentler", "optim.nesterov=false"], place).tree["optim"]
    assert (tree["lr"], tree["weight_decay"], tree["nesterov"]) == (0.001, 0.1, False)
    with pytest.raises(
        ConfigError, match=r"belongs to optim=gentle or optim=gentler or optim=lars"
    ):
        compose_overrides(["optim=adam", "optim.momentum=0.5"], place)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    place = sources(tmp_path, optim__sgd="name: sgd\nlr: 0.001\n")
    with pytest.raises(ConfigError, match=r"optim=sgd is both .* give yours another name"):
        compose_overrides(["optim=sgd"], place)


def test_a_primary_configuration_of_one_s_own(tmp_path: Path) -> None:
    text = "defaults: [config, override optim: adamw, _self_]\nseed: 7\n"
    place = sources(tmp_path, "mymain", mymain=text)
    tree = compose_overrides(["epochs=3"], place).tree
    assert (tree["optim"]["name"], tree["seed"], tree["epochs"]) == ("adamw", 7, 3)
    with pytest.raises(ConfigError, match="did you mean 'mymain'"):
        compose_overrides([], sources(tmp_path, "mymian"))


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("optim.lr.x=3", "unknown key 'optim.lr.x'"),
        ("optim.name=adam", "unknown key 'optim.name'"),
        ("hydra.foo=3", "is of sweeps"),
        ("hydra.run.dir=${hydra:job.name}", "cannot be used here"),
        ("hydra.run.dir=${nothing}", "hydra.run.dir: Interpolation key 'nothing' not found"),
        ("checkpoint=3", "checkpoint is a group of keys; set one of them, such as checkpoint.back"),
        ("optim=sgd,adam", "names several values: write -m first"),
        ("optim@x=adam", "unknown key 'optim@x'"),
        ("optim.lr=1,2", "names several values: write -m first"),
        ("+optim.lr=1", "exists already; write it without +"),
        ("profile=true", "profile is not built yet"),
    ],
)
def test_a_word_that_does_not_fit_is_told(word: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose_overrides([word])
    assert told in str(refused.value)


@pytest.mark.slow
def test_values_within_a_mapping_or_a_list_are_set() -> None:
    composed = compose_overrides(
        ["scheduler=torch", "scheduler.args.step_size=3", "scheduler.args.gamma=0.5"]
    )
    assert composed.tree["scheduler"]["args"] == {"step_size": 3, "gamma": 0.5}
    milestones = compose_overrides(
        ["scheduler=multistep", "scheduler.milestones=[1ep,2ep]", "scheduler.milestones.1=3ep"]
    )
    assert milestones.tree["scheduler"]["milestones"] == ["1ep", "3ep"]
    placed = compose_overrides(["seed=5", "hydra.run.dir=out/${seed}"])
    assert placed.run_dir == "out/5"


@pytest.mark.slow
def test_a_mark_before_the_first_line_and_a_first_line_that_lacks_are_named(tmp_path: Path) -> None:
    place = sources(tmp_path, experiment__marked="\ufeff# @package _global_\nseed: 3\n")
    with pytest.raises(ConfigError, match=r"marked\.yaml begins with a byte-order mark"):
        compose_overrides(["+experiment=marked"], place)
    place = sources(tmp_path, experiment__bare="seed: 3\n")
    with pytest.raises(ConfigError, match=r"must begin with the line '# @package _global_'"):
        parse(compose_overrides(["+experiment=bare"], place).values())

"""Words on a command line become the configuration that people expect of them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tests.command import ROOT
from trainer import compose
from trainer.composition.compose import Composed, compose_overrides, parsed
from trainer.composition.overrides import (
    Override,
    as_typed,
    canonical,
    parse_override,
    quoted,
    values_of,
)
from trainer.composition.search_path import SEAMS, Sources, load_plugins
from trainer.core.errors import ConfigError

SOURCES = Sources()
PRESETS = SOURCES.options("experiment")


def tree(composed: Composed) -> dict[str, Any]:
    """Return a composed configuration as plain data."""
    values = OmegaConf.to_container(composed.cfg, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def choice(values: dict[str, Any], group: str) -> str:
    """Return the name chosen in a group."""
    part = values[group]
    return next(iter(part)) if group == "augment" else part["name"]


def others(preset: dict[str, Any]) -> list[dict[str, str]]:
    """Return choices, a line each, that give every group every name the preset did not choose."""
    names = {g: [n for n in SOURCES.options(g) if n != choice(preset, g)] for g in SEAMS}
    lines = max(len(of) for of in names.values())
    return [{g: of[i % len(of)] for g, of in names.items() if of} for i in range(lines)]


def word(group: str, name: str) -> str:
    return f"{group}=[{name}]" if group == "augment" else f"{group}={name}"


def own_values(group: str, name: str) -> object:
    """Return what a name's YAML holds."""
    values = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / group / f"{name}.yaml"))
    return {name: values} if group == "augment" else values


def share_of(preset: str, lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the lines that a preset is tried with: all of them, but presets of one folder, which
    build on each other, share them."""
    folder, _, _ = preset.rpartition("/")
    family = [name for name in PRESETS if folder and name.startswith(f"{folder}/")] or [preset]
    mine, step = family.index(preset) % len(lines), min(len(family), len(lines))
    return lines[mine::step]


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_a_name_that_replaces_a_preset_s_has_its_own_values(preset: str) -> None:
    bare = tree(compose_overrides([f"+experiment={preset}"]))
    lines = share_of(preset, others(bare))
    checked = set()
    for line in lines:
        overrides = [word(g, n) for g, n in line.items()]
        replaced = tree(compose_overrides([f"+experiment={preset}", *overrides]))
        for group, name in line.items():
            assert replaced[group] == own_values(group, name), f"{group}={name}"
            checked.add((group, name))
        for key in set(bare) - set(line):
            assert replaced[key] == bare[key], key
    assert len(checked) >= (5 if "/" in preset else 25)


@pytest.mark.slow
def test_replacing_one_part_leaves_the_preset_s_others_and_says_what_was_dropped() -> None:
    bare = tree(compose_overrides(["+experiment=mnist"]))
    composed = compose_overrides(["+experiment=mnist", "optim=adam"])
    values = tree(composed)
    assert bare["optim"]["lr"] == 0.2
    assert values["optim"] == tree(compose_overrides(["optim=adam"]))["optim"]
    assert {k: v for k, v in values.items() if k != "optim"} == {
        k: v for k, v in bare.items() if k != "optim"
    }
    (note,) = composed.notes
    assert "optim=adam replaces the preset's sgd" in note
    assert "optim.lr=0.2" in note


@pytest.mark.slow
def test_words_count_over_a_preset_whatever_their_order() -> None:
    for line in (
        ["+experiment=mnist", "optim=adam", "optim.lr=0.003"],
        ["optim.lr=0.003", "optim=adam", "+experiment=mnist"],
    ):
        assert tree(compose_overrides(line))["optim"]["lr"] == 0.003
    same = compose_overrides(["+experiment=mnist", "optim=sgd", "epochs=3"])
    assert tree(same)["optim"]["lr"] == 0.2  # the preset's own choice, named again
    assert tree(same)["epochs"] == 3
    assert same.notes == ()


@pytest.mark.parametrize(
    ("overrides", "group", "name"),
    [
        (["swa=on"], "average", "swa"),
        (["swa=off"], "average", "none"),
        (["mixup=on"], "mix", "mixup"),
        (["mixup=off", "optimizer=adam"], "mix", "none"),
        (["optimizer=adam"], "optim", "adam"),
    ],
)
def test_spellings_mean_our_names_and_are_recorded_so(
    overrides: list[str], group: str, name: str
) -> None:
    composed = compose_overrides(overrides)
    assert choice(tree(composed), group) == name
    assert f"{group}={name}" in composed.overrides


@pytest.mark.slow
def test_spelled_keys_reach_the_part() -> None:
    values = tree(compose_overrides(["swa=on", "swa.start=50%", "mixup=on", "mixup.alpha=0.3"]))
    assert values["average"]["start"] == "50%"
    assert values["mix"]["alpha"] == 0.3
    assert tree(compose_overrides(["optimizer.lr=0.3"]))["optim"]["lr"] == 0.3


def test_swa_paper_chooses_a_schedule_unless_the_line_does() -> None:
    both = canonical([parse_override("swa=paper")])
    assert [str(w) for w in both] == ["average=swa_paper", "scheduler=swa"]
    mine = canonical([parse_override("swa=paper"), parse_override("scheduler=cosine")])
    assert [str(w) for w in mine] == ["average=swa_paper", "scheduler=cosine"]
    on = canonical([parse_override("swa=on")])
    assert [str(w) for w in on] == ["average=swa"]


ODD = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="$"), min_size=1
)


@pytest.mark.slow
@given(ODD)
@settings(max_examples=60, deadline=None)
def test_a_path_of_any_characters_is_taken_as_it_is_written(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if text[0] in "'\"" or text == "null":
        return  # quoted by the user already, or no path
    spelled = str(quoted(Override("", "data.root", text), is_sweep=False))
    override = OverridesParser.create().parse_override(spelled)
    assert override.value() == text


@given(ODD, st.booleans())
@settings(max_examples=60, deadline=None)
def test_quotes_that_were_added_are_left_out_again(text: str, is_sweep: bool) -> None:
    override = Override("", "name", text)
    spelled = quoted(override, is_sweep=is_sweep)
    assert quoted(as_typed(spelled, is_sweep=is_sweep), is_sweep=is_sweep) == spelled
    if not set(text) & set("'\"\\"):
        assert as_typed(spelled, is_sweep=is_sweep) == override


@pytest.mark.slow
@given(st.text("ab,'\"\\ [", max_size=12))
@settings(max_examples=200, deadline=None)
def test_values_of_texts_are_cut_at_commas_and_nothing_is_lost(text: str) -> None:
    assert ",".join(values_of(text)) == text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ["a", "b"]),
        ("x,'a,b'", ["x", "a,b"]),
        ("'a,b',x=1", ["a,b", "x=1"]),
        ('"a,b",c', ["a,b", "c"]),
        ("it's,b", ["it's", "b"]),
        ("[1,2]", ["[1", "2]"]),
        ("null,x", [None, "x"]),
    ],
)
def test_a_sweep_over_texts_has_the_values_that_are_written(
    text: str, values: list[str | None]
) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (override,) = OverridesParser.create().parse_overrides(
        [str(quoted(Override("", "init_from", text), is_sweep=True))]
    )
    assert [getattr(v, "text", v) for v in override.sweep_iterator()] == values


def test_odd_paths_reach_the_configuration() -> None:
    for path in ("a=b", "a,b", "[x]", "dé jà/vu", "(1)", "a b"):
        assert compose(f"data.root={path}").data.shared.root == str(Path(path).absolute())


@pytest.mark.slow
def test_compose_says_what_is_wrong_as_the_command_line_does() -> None:
    with pytest.raises(ConfigError, match="unknown optim 'adamm'; did you mean 'adam'"):
        compose("optim=adamm")
    with pytest.raises(ConfigError, match=r"optim\.lr must be positive"):
        compose("optim.lr=-1")
    with pytest.raises(ConfigError, match=r"scheduler\.warmup needs a unit"):
        compose("scheduler.warmup=5")


def test_a_configuration_is_read_back_as_the_same_value() -> None:
    from trainer.config.run_config import parse

    config = compose("scheduler=cosine", "scheduler.warmup=2ep", "optim=adam", "swa=on", "mixup=on")
    again = parse(OmegaConf.create(config.plain()))
    assert again == config
    assert again.plain() == config.plain()


@pytest.mark.slow
def test_a_sweep_s_job_defaults_to_one_thread_and_no_test() -> None:
    from trainer.config.run_config import parse

    single, job = (parse(compose_overrides([]).cfg, is_sweep=s) for s in (False, True))
    assert (single.report_test, job.report_test) == (True, False)
    assert job.threads == 1


@pytest.mark.slow
@given(ODD)
@settings(max_examples=60, deadline=None)
def test_the_hint_on_a_value_that_is_not_read_leads_to_the_value(text: str) -> None:
    try:
        parsed(Override("", "loss.teacher_model", text))
    except ConfigError as error:
        hint = str(error).rpartition("quote it if it is text: ")[2]
        if text[0] in "[{":
            assert "double quotes" in hint
        else:
            (word,) = shlex.split(hint)
            assert parsed(parse_override(word)).value() == text


@pytest.mark.parametrize("typed", ["'C:\\pics\\'", '"C:\\pics\\"'])
def test_a_backslash_before_the_last_quote_is_answered_by_the_line_that_means_it(
    typed: str,
) -> None:
    with pytest.raises(ConfigError, match="a backslash before the last quote") as refused:
        compose_overrides([f"data.root={typed}"])
    (word,) = shlex.split(str(refused.value).rpartition(": write ")[2])
    assert compose_overrides([word]).tree["data"]["root"] == "C:\\pics\\"


@pytest.mark.slow
def test_a_key_that_is_given_twice_is_said() -> None:
    assert compose_overrides(["seed=1", "seed=2"]).notes == (
        "seed is given 2 times: the last counts, seed=2",
    )
    assert compose_overrides(["optim=adam", "optim=sgd", "optim=adam"]).notes[-1:] == (
        "optim is given 3 times: the last counts, optim=adam",
    )
    assert not compose_overrides(["seed=1", "seed=1"]).notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hydra: x", "hydra must be keys and values, got 'x'"),
        ("hydra: {run: x}", "hydra.run must be keys and values, got 'x'"),
        ("hydra: {run: null}", "hydra.run must be keys and values, got None"),
        ("hydra: {run: {dir: 1}}", "hydra.run.dir must be a folder, got 1"),
        ("hydra: {sweeper: x}", "hydra.sweeper must be keys and values, got 'x'"),
        ("mix: null", "mix must be keys and values, got None"),
        ("mix: x", "mix must be keys and values, got 'x'"),
    ],
)
def test_what_is_keys_and_values_is_nothing_else(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    with pytest.raises(ConfigError) as refused:
        compose_overrides(["+experiment=mine"], load_plugins((), tmp_path))
    assert message in str(refused.value)

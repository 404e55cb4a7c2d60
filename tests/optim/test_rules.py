"""`optim.groups`: how rules are read, written back and combined."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.core.convert import build, plain
from trainer.core.errors import ConfigError
from trainer.optim._rules import NAMED, OwnScheduler, Rules
from trainer.optim.base import OPTIMIZERS, OptimKeys


def rules(*written: Any) -> Rules:
    return Rules.parse(list(written), "optim.groups")


def test_a_pattern_fits_names_and_a_kind_fits_kinds() -> None:
    (rule,) = rules({"match": ["bias", "*.head.*", "0.[ab]"], "lr": 2}).rules
    assert rule.matches(["x"], {"bias"})
    assert rule.matches(["x.head.weight"], {"matrix"})
    assert rule.matches(["0.b"], set())
    assert not rule.matches(["bias"], {"vector"})  # a kind is no name
    assert not rule.matches(["0.c", "HEAD.weight"], {"matrix"})
    assert rule.matches(["0.c", "0.a"], set())  # a shared parameter has several names


def test_a_later_rule_s_keys_go_over_an_earlier_one_s_and_leave_the_others() -> None:
    found = rules(
        {"match": "bias", "lr": 2, "weight_decay": 0},
        {"match": "norm", "lr": 3, "freeze_after": "5ep"},
    )
    assert (found.value([0], "lr"), found.value([1], "lr"), found.value([0, 1], "lr")) == (2, 3, 3)
    assert found.value([0, 1], "weight_decay") == 0.0
    assert found.deciding([0, 1], "weight_decay") == 0
    assert str(found.value([0, 1], "freeze_after")) == "5ep"
    assert found.value([0], "freeze_after") is None
    assert found.value([], "lr") is None


@pytest.mark.parametrize(
    "written",
    [
        [],
        ["no_bias_decay"],
        ["no_bias_decay", {"match": ["bias"], "lr": 64.0}],
        [{"match": ["first", "0.*"], "weight_decay": 0.0, "freeze_after": "10%"}],
    ],
)
def test_rules_are_recorded_as_they_were_written(written: list[Any]) -> None:
    keys = build(OptimKeys, {"weight_decay": 1e-3, "groups": written}, "optim")
    assert plain(keys.groups) == written
    assert Rules.parse(plain(keys.groups), "optim.groups") == keys.groups


def test_one_rule_needs_no_brackets() -> None:
    assert Rules.parse("no_bias_decay", "optim.groups") == rules("no_bias_decay")
    one = {"match": "bias", "lr": 2}
    assert Rules.parse(one, "optim.groups") == rules(one)


def test_no_bias_decay_by_hand() -> None:
    (rule,) = rules("no_bias_decay").rules
    assert (rule.label, rule.weight_decay, rule.lr) == ("no_bias_decay", 0.0, None)
    assert rule.matches(["a"], {"bias", "vector"})
    assert rule.matches(["a"], {"norm", "matrix"})
    assert rule.matches(["a"], {"vector"})
    assert not rule.matches(["a"], {"matrix", "first"})


def test_an_own_schedule_has_the_defaults_of_its_yaml_and_is_recorded_whole() -> None:
    (rule,) = rules({"match": "bias", "scheduler": "plateau"}).rules
    assert rule.scheduler is not None
    assert str(rule.scheduler.choice.shared.every) == "1ep"  # that of conf/scheduler/plateau.yaml
    (again,) = rules(plain(rules({"match": "bias", "scheduler": "plateau"}))[0]).rules
    assert again == rule
    assert plain(rule.scheduler)["patience"] == "10%"


def test_an_own_schedule_in_words_tells_what_was_changed() -> None:
    assert str(OwnScheduler.parse("cosine", "k")) == "cosine"
    changed = {"name": "cosine", "min_lr": "1%", "warmup": "2ep"}
    assert str(OwnScheduler.parse(changed, "k")) == "cosine(warmup=2ep, min_lr=1%)"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (3, r"optim\.groups must be a list of rules such as \{match: bias, lr: 2\}, or no_bias"),
        ("no_bias_deacy", r"rule of optim\.groups 'no_bias_deacy'; did you mean 'no_bias_decay'"),
        ([3], r"optim\.groups\[0\] must be a mapping"),
        ([{"lr": 2}], r"optim\.groups\[0\]\.match is missing: it must be a list of text"),
        ([{"match": [], "lr": 2}], r"optim\.groups\[0\]\.match must name kinds or patterns: bias"),
        ([{"match": 3, "lr": 2}], r"optim\.groups\[0\]\.match must be a list of text, got 3"),
        ([{"match": "bias", "lrr": 2}], r"key 'optim\.groups\[0\]\.lrr'; did you mean"),
        ([{"match": "bias", "name": "x"}], r"unknown key 'optim\.groups\[0\]\.name'"),
        ([{"match": "bias", "lr": 0}], r"optim\.groups\[0\]\.lr must be positive, got 0"),
        ([{"match": "bias", "lr": "x"}], r"optim\.groups\[0\]\.lr must be a number"),
        (["no_bias_decay", {"match": "bias", "weight_decay": -1}], r"groups\[1\]\.weight_decay"),
        ([{"match": "bias"}], r"optim\.groups\[0\] changes nothing"),
        ([{"match": "bias", "freeze_after": 5}], r"optim\.groups\[0\]\.freeze_after needs a unit"),
        ([{"match": "b", "freeze_after": "0st", "lr": 2}], r"nothing else has an effect.*lr"),
        ([{"match": "b", "scheduler": 1}], r"optim\.groups\[0\]\.scheduler must be a name or a"),
        ([{"match": "b", "scheduler": {"min_lr": 0}}], r"scheduler must be a name or a mapping"),
        ([{"match": "b", "scheduler": "cosin"}], r"groups\[0\]: .*'cosin'; did you mean 'cosine'"),
        (
            [{"match": "b", "scheduler": {"name": "cosine", "gamma": 1}}],
            r"optim\.groups\[0\]: unknown key 'scheduler\.gamma'",
        ),
        (
            [{"match": "b", "scheduler": {"name": "plateau", "factor": 2}}],
            r"optim\.groups\[0\]: scheduler\.factor must be in",
        ),
    ],
)
def test_bad_rules_are_refused_by_number_and_key(written: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Rules.parse(written, "optim.groups")


def test_a_factor_of_a_decay_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optim\.groups\[0\]: no_bias_decay has a factor of opt"):
        build(OptimKeys, {"weight_decay": 0, "groups": ["no_bias_decay"]}, "optim")


def test_a_named_rule_is_a_rule() -> None:
    for name, values in NAMED.items():
        (named,), (written,) = rules(name).rules, rules(values).rules
        assert (named.match, named.weight_decay) == (written.match, written.weight_decay)


def test_every_optimizer_has_the_key() -> None:
    assert OPTIMIZERS.shared is OptimKeys
    assert OptimKeys().groups == Rules()

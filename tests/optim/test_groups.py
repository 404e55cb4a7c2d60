"""From a model and rules to groups: every parameter in exactly one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.config.groups import REGISTRIES
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.optim._groups import parameter_groups
from trainer.optim._kinds import KINDS
from trainer.optim.base import OptimKeys, ParameterGroup
from trainer.optim.muon import Muon
from trainer.optim.sgd import Sgd


def small() -> nn.Sequential:
    """Names 0.weight (matrix), 1.weight and 1.bias (norm), 2.weight and 2.bias (linear)."""
    return nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Linear(4, 2))


def keys(*rules: Any, lr: float = 0.1, weight_decay: float = 0.01) -> OptimKeys:
    values = {"lr": lr, "weight_decay": weight_decay, "groups": list(rules)}
    return build(OptimKeys, values, "optim")


def names(group: ParameterGroup) -> list[str]:
    return [member.name for member in group.members]


def test_without_rules_there_is_one_group_in_the_model_s_order() -> None:
    model = small()
    (group,) = parameter_groups(model, keys())
    assert (group.name, group.lr, group.weight_decay) == ("main", 0.1, 0.01)
    assert names(group) == [name for name, _ in model.named_parameters()]


def test_no_decay_on_biases_and_norms_by_hand() -> None:
    main, rest = parameter_groups(small(), keys("no_bias_decay"))
    assert (names(main), main.weight_decay) == (["0.weight", "2.weight"], 0.01)
    assert (names(rest), rest.weight_decay) == (["1.weight", "1.bias", "2.bias"], 0.0)
    assert rest.name == "no_bias_decay"
    assert rest.lr == main.lr == 0.1


def test_rules_combine_and_main_comes_first_by_hand() -> None:
    rules = ("no_bias_decay", {"match": "bias", "lr": 64}, {"match": "2.*", "lr": 3})
    groups = parameter_groups(small(), keys(*rules))
    found = {g.name: (names(g), g.lr, g.weight_decay, g.rules) for g in groups}
    assert found == {
        "main": (["0.weight"], 0.1, 0.01, ()),
        "no_bias_decay": (["1.weight"], 0.1, 0.0, (0,)),
        "no_bias_decay + bias": (["1.bias"], pytest.approx(6.4), 0.0, (0, 1)),
        "no_bias_decay + bias + 2.*": (["2.bias"], pytest.approx(0.3), 0.0, (0, 1, 2)),
        "2.*": (["2.weight"], pytest.approx(0.3), 0.01, (2,)),
    }
    assert next(iter(found)) == "main"


def test_all_may_be_matched() -> None:
    (group,) = parameter_groups(small(), keys({"match": "*", "lr": 2}))
    assert (group.name, group.lr, len(group.members)) == ("*", 0.2, 5)


def test_a_shared_parameter_is_in_one_group_and_matched_by_any_of_its_names() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    main, last = parameter_groups(model, keys({"match": "2.*", "lr": 2}))
    assert names(last) == ["0.weight", "2.bias"]
    assert names(main) == ["0.bias", "1.weight", "1.bias"]


PATTERNS = [*KINDS, "*.weight", "0.*", "*", "*.0.*", "[12].*"]


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PATTERNS), st.floats(0.1, 10.0)), max_size=4),
    st.sampled_from(["cnn", "mlp", "preact_resnet18", "resnet9"]),
    st.booleans(),
)
def test_every_parameter_is_in_exactly_one_group(rules, name: str, is_tied: bool) -> None:
    with torch.device("meta"):
        model = REGISTRIES["model"].load(name)().build((3, 32, 32), 7)
    if is_tied:
        layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        layers[1].weight = layers[-1].weight
    written = keys(*({"match": pattern, "lr": lr} for pattern, lr in rules))
    try:
        groups = parameter_groups(model, written)
    except ConfigError:  # a rule without a parameter, or under later ones
        return
    for built in (Sgd().build(groups, written), Muon().build(groups, written)):
        members = [p for group in built.param_groups for p in group["params"]]
        assert len({id(p) for p in members}) == len(members)
        assert {id(p) for p in members} == {id(p) for p in model.parameters()}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"match": "3.*", "lr": 2}], r"groups\[0\]: no parameter matches 3\.\*; kinds are bias"),
        ([{"match": ["bias", "hed.*"], "lr": 2}], r"no parameter matches hed\.\*.*0\.weight, 1\.w"),
        ([{"match": "biass", "lr": 2}], r"no parameter matches biass; kinds are bias, norm"),
        (
            [{"match": "bias", "lr": 2}, {"match": "vector", "lr": 3}],
            r"optim\.groups\[0\]\.lr has no effect: later rules set it for everything that bias",
        ),
    ],
)
def test_what_meets_no_parameter_is_refused(rules: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parameter_groups(small(), keys(*rules))


def test_a_kind_that_the_model_has_none_of_may_stand_beside_one_that_it_has() -> None:
    model = nn.Linear(2, 2)  # without a norm
    assert len(parameter_groups(model, keys("no_bias_decay"))) == 2
    with pytest.raises(ConfigError, match="no parameter matches norm"):
        parameter_groups(model, keys({"match": "norm", "lr": 2}))


def test_many_names_are_shortened_in_messages() -> None:
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(9)))
    with pytest.raises(ConfigError, match=r"names are 0\.weight, .*, \.\.\., 8\.weight, 8\.bias"):
        parameter_groups(model, keys({"match": "x", "lr": 2}))


def test_settings_of_groups_by_hand() -> None:
    own = {"name": "cosine", "min_lr": "1%"}
    written = keys("no_bias_decay", {"match": "0.*", "lr": 2, "scheduler": own})
    groups = Sgd().build(parameter_groups(small(), written), written).param_groups
    assert [group["name"] for group in groups] == ["main", "no_bias_decay", "0.*"]
    found = {k: groups[1][k] for k in ("lr", "weight_decay", "schedule", "freeze_after")}
    assert found == {"lr": 0.1, "weight_decay": 0.0, "schedule": None, "freeze_after": None}
    assert sum(p.numel() for p in groups[1]["params"]) == 10
    assert (groups[2]["lr"], groups[2]["schedule"]) == (0.2, "cosine(min_lr=1%)")

"""Names of experiments, and how what can be switched off is."""

import pytest

from tests.command import TINY, Call
from trainer.api import compose
from trainer.core.errors import ConfigError


@pytest.mark.parametrize(
    "name",
    ["latest", "Latest", ".", "..", ".hidden", "a/b", "/a", "a ", " a", "a\tb", "", "x" * 121],
)
def test_a_name_that_is_no_folder_s_own_is_refused(call: Call, name: str) -> None:
    outcome = call(*TINY, f"name='{name}'")
    assert outcome.code == 2
    assert outcome.err.startswith("error: name")


@pytest.mark.parametrize("name", ["later", "a b", "a.b", "学習率", "x" * 120, "a=b", "latest2"])
def test_a_name_that_is_a_folder_s_is_taken(name: str) -> None:
    assert compose(f"name={name}").name == name


@pytest.mark.slow
@pytest.mark.parametrize("key", ["clip_norm", "max_steps", "clip_adaptive", "clip_value"])
@pytest.mark.parametrize("word", ["None", "none", "off"])
def test_what_null_switches_off_says_so(key: str, word: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose(f"{key}={word}")
    line = str(refused.value).rpartition("null switches it off: ")[2]
    assert line == f"{key}=null"
    assert getattr(compose(line), key) is None

"""Who failed is found out, and said once in the words that fit."""

from __future__ import annotations

from typing import Any

import pytest
from torch.distributed import HashStore

from trainer.core.environment import World
from trainer.core.errors import (
    ConfigError,
    DataError,
    DiskError,
    Diverged,
    LostProcess,
    TrainerError,
)
from trainer.strategy import failures as rollcall
from trainer.strategy.failures import Answer, accounted, answer, explained, is_broken
from trainer.strategy.process_group import JOINED, ProcessGroup
from trainer.strategy.rendezvous import Rendezvous

GLOO = "[x/gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:13228"


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this process one of three; what the others answer is put in by the test."""
    monkeypatch.setattr(rollcall, "GRACE_S", 0.3)
    store: Any = HashStore()
    meeting = Rendezvous("x", ("process 10 on a", "process 11 on a", "process 12 on b"))
    groups = [
        ProcessGroup(World(r, r, 3, 3, True), store, meeting, 60.0, calls=7) for r in range(3)
    ]
    token = JOINED.set(groups[0])
    yield lambda **said: [answer(groups[int(k[1])], v) for k, v in said.items()]
    JOINED.reset(token)


def told(error: Exception) -> BaseException:
    with pytest.raises(Exception) as caught, accounted():
        raise error
    return caught.value


def test_an_error_of_all_is_told_as_it_is(others: Any) -> None:
    others(r1=Answer("error", 7, "no"), r2=Answer("error", 7, "no"))
    error = ConfigError("no")
    assert told(error) is error
    assert not is_broken()


def test_an_error_after_which_the_others_were_done_breaks_nothing(others: Any) -> None:
    others(r1=Answer("done", 7), r2=Answer("done", 7))
    assert isinstance(told(DataError("x")), DataError)
    assert not is_broken()


def test_a_full_disk_of_the_first_is_an_error_of_all(others: Any) -> None:
    others(r1=Answer("error", 7, "full"), r2=Answer("error", 7, "full"))
    error = DiskError("full")
    error.__cause__ = OSError("full")
    assert told(error) is error
    assert not is_broken()


def test_a_process_that_does_not_answer_is_named(others: Any) -> None:
    others(r1=Answer("lost", 7, GLOO))
    error = told(RuntimeError(GLOO))
    assert isinstance(error, LostProcess)
    assert str(error).startswith("rank 2 (process 12 on b) did not answer within 60 s")
    assert is_broken()
    assert error.is_own  # the first that answered tells it


def test_a_process_that_failed_is_named_with_its_error(others: Any) -> None:
    others(r1=Answer("bug", 6, "ValueError: no", "Traceback ..."), r2=Answer("lost", 7, GLOO))
    error = told(RuntimeError(GLOO))
    assert isinstance(error, LostProcess)
    assert str(error) == "rank 1 (process 11 on a) failed: ValueError: no"
    assert error.trace == "Traceback ..."


def test_a_process_that_alone_failed_tells_its_own_error(others: Any) -> None:
    error = told(ValueError("no"))
    assert isinstance(error, TrainerError)
    assert str(error) == "ValueError: no"
    assert error.is_own
    assert is_broken()


def test_one_bug_of_all_is_raised_as_it_is(others: Any) -> None:
    others(r1=Answer("bug", 7, "ValueError: no"), r2=Answer("bug", 7, "ValueError: no"))
    error = ValueError("no")
    assert told(error) is error
    assert not is_broken()


@pytest.mark.parametrize("other", [Answer("bug", 7, "KeyError: no"), Answer("error", 8, "no")])
def test_what_differs_breaks_the_group(others: Any, other: Answer) -> None:
    others(r1=other, r2=Answer("bug", 7, "ValueError: no"))
    told(ValueError("no"))
    assert is_broken()


def test_a_broken_connection_of_living_processes_is_told_as_such(others: Any) -> None:
    others(r1=Answer("lost", 7, GLOO), r2=Answer("lost", 7, GLOO))
    assert "though all of them live" in str(told(RuntimeError(GLOO)))


def test_asked_again_it_says_the_same(others: Any) -> None:
    error = explained(RuntimeError(GLOO))
    assert explained(error) is error


def test_one_process_is_left_alone() -> None:
    error = ValueError("no")
    assert explained(error) is error
    assert told(error) is error


def test_diverged_keeps_its_step_on_its_way_between_processes() -> None:
    kind, parts = Diverged(5, "gradient", "; x").__reduce__()
    again = kind(*parts)
    assert (again.step, str(again)) == (5, str(Diverged(5, "gradient", "; x")))

"""The process that failed is found, and reported once."""

from __future__ import annotations

from typing import Any

import pytest
from torch.distributed import HashStore

from trainer.core.environment import World
from trainer.core.errors import ConfigError, DiskError, Diverged, LostProcess, TrainerError
from trainer.strategy import failures
from trainer.strategy.failures import Report, collect_reports, explained, reporting_failures
from trainer.strategy.process_group import JOINED, ProcessGroup
from trainer.strategy.rendezvous import Rendezvous

GLOO = "[x/gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:13228"
LOST = Report(f"RuntimeError: {GLOO}", is_lost=True)


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this process one of three; the test gives the reports of the others."""
    store: Any = HashStore()
    attempt = Rendezvous("x", ("process 10 on a", "process 11 on a", "process 12 on b"))
    groups = [ProcessGroup(World(r, r, 3, 3, True), store, attempt, 60.0) for r in range(3)]

    def put(rank: int, **reports: Report) -> None:
        with monkeypatch.context() as at_once:
            at_once.setattr(failures, "GRACE_S", 0.0)
            for name, report in reports.items():
                collect_reports(groups[int(name[1])], report)
        JOINED.set(groups[rank])

    monkeypatch.setattr(failures, "GRACE_S", 0.3)
    token = JOINED.set(groups[0])
    yield put
    JOINED.reset(token)


def raised(error: Exception) -> Any:
    """Return what a piece of work raises that all processes do together."""
    with pytest.raises(Exception) as caught, reporting_failures():
        raise error
    return caught.value


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_of_all_is_reported_as_it_is_by_the_first(others: Any, rank: int) -> None:
    others(rank, **{f"r{r}": Report("no") for r in {0, 1, 2} - {rank}})
    error = ConfigError("no")
    assert raised(error) is error
    assert error.is_own == (rank == 0)


def test_a_full_disk_of_the_first_is_an_error_of_all(others: Any) -> None:
    others(2, r0=Report("full"), r1=Report("rank 0: full"))
    error = DiskError("rank 0: full")
    error.__cause__ = OSError("full")
    assert raised(error) is error
    assert not error.is_own


@pytest.mark.slow
def test_a_process_without_a_report_is_named(others: Any) -> None:
    others(0, r1=LOST)
    error = raised(RuntimeError(GLOO))
    assert isinstance(error, LostProcess)
    assert str(error) == "rank 2 (process 12 on b) is gone: killed, or cut off"
    assert error.is_own  # the first that lives reports it


@pytest.mark.slow
@pytest.mark.parametrize("late", [0, 1], ids=["seen here", "seen by another"])
def test_only_a_process_that_was_waited_for_did_not_answer_in_time(others: Any, late: int) -> None:
    texts = [GLOO, GLOO]
    texts[late] = "gloo: Timed out waiting 60000ms for recv operation to complete"
    others(0, r1=Report(texts[1], is_lost=True))
    error = raised(RuntimeError(texts[0]))
    assert str(error).startswith("rank 2 (process 12 on b) did not answer within 60 s: killed")


@pytest.mark.slow
def test_a_lost_first_process_is_reported_by_the_next(others: Any) -> None:
    others(1, r2=LOST)
    error = raised(RuntimeError(GLOO))
    assert str(error).startswith("rank 0 (process 10 on a) is gone")
    assert error.is_own
    others(2, r1=LOST)
    assert not raised(RuntimeError(GLOO)).is_own


def test_a_process_that_failed_is_named_with_its_error(others: Any) -> None:
    others(0, r1=Report("ValueError: no", trace="Traceback ..."), r2=LOST)
    error = raised(RuntimeError(GLOO))
    assert isinstance(error, LostProcess)
    assert str(error) == "rank 1 (process 11 on a) failed: ValueError: no"
    assert error.trace == "Traceback ..."


def test_of_several_that_failed_the_first_is_named(others: Any) -> None:
    others(0, r2=Report("ValueError: two"), r1=Report("KeyError: one"))
    assert "rank 1 (process 11 on a) failed: KeyError: one" in str(raised(RuntimeError(GLOO)))


def test_a_process_that_alone_failed_reports_its_own_error(others: Any) -> None:
    others(2, r0=LOST, r1=LOST)
    error = raised(ValueError("no"))
    assert isinstance(error, TrainerError)
    assert str(error) == "ValueError: no"
    assert error.is_own


def test_a_bug_of_all_is_raised_as_it_is(others: Any) -> None:
    others(0, r1=Report("ValueError: no"), r2=Report("ValueError: no"))
    error = ValueError("no")
    assert raised(error) is error


def test_a_broken_connection_of_living_processes_is_reported_as_such(others: Any) -> None:
    others(0, r1=LOST, r2=LOST)
    assert "though all of them live" in str(raised(RuntimeError(GLOO)))


@pytest.mark.slow
def test_an_explained_error_is_not_explained_again(others: Any) -> None:
    error = explained(RuntimeError(GLOO))
    assert explained(error) is error
    later = TrainerError(f"{error} (see run.log)")
    assert explained(later) is later


def test_the_error_of_a_single_process_stays_as_it_is() -> None:
    error = ValueError("no")
    assert explained(error) is error
    assert raised(error) is error


def test_diverged_keeps_its_step_on_its_way_between_processes() -> None:
    kind, parts = Diverged(5, "gradient", "; x").__reduce__()
    again = kind(*parts)
    assert (again.step, str(again)) == (5, str(Diverged(5, "gradient", "; x")))

"""Signals set a flag; a shell's choice to ignore one is left alone."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from trainer.core.signals import Stops, leave_group


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP"])
def test_the_first_signal_sets_the_flag_and_handlers_are_put_back(name: str) -> None:
    number = signal.Signals[name]
    before = signal.getsignal(number)
    with Stops() as stops:
        assert stops.signum == 0
        os.kill(os.getpid(), number)
        assert stops.signum == number
    assert signal.getsignal(number) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Stops() as stops:
            os.kill(os.getpid(), signal.SIGINT)
            assert stops.signum == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_terminal_that_is_closed_says_so_twice() -> None:
    with Stops() as stops:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        assert stops.signum == signal.SIGHUP


def test_a_second_signal_ends_the_process_at_once() -> None:
    child = os.fork()
    if child == 0:
        with Stops():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM


def test_a_ctrl_c_in_the_import_of_torch_leaves_parts_of_it_that_are_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Part:
        def is_initialized(self) -> bool:
            raise AssertionError("asked a part of what was not imported")

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch.distributed", Part())
    monkeypatch.setattr(sys, "meta_path", [])  # an import of torch fails, as when it was cut off
    leave_group(130)

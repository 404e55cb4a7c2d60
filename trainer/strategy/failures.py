"""Who failed, when a run of several processes cannot go on: said in all that are left."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from trainer.core.errors import LostProcess, TrainerError
from trainer.strategy.process_group import JOINED, ProcessGroup

GRACE_S = 4.0  # those that live answer in milliseconds: gloo closes all connections when one fails

POLL_S = 0.02

# of errors that gloo, NCCL and the store raise where somebody else failed
SIGNS = ("gloo", "Gloo", "NCCL", "nccl", "c10d", "TCPStore", "Connection closed", "recvValue")


@dataclass(frozen=True)
class Answer:
    """What a process says when it comes to the end of a job.

    Attributes:
        kind: `done`; `error`, for one that it expects others to meet as well or not at all; `bug`,
            for any other of its own; `lost`, where an exchange with others failed.
        calls: exchanges that it took part in.
        text: the error.
        trace: its traceback, of a bug.
    """

    kind: str
    calls: int
    text: str = ""
    trace: str = ""


@contextlib.contextmanager
def accounted() -> Iterator[None]:
    """Do a job in all processes; where it fails, find out whether they can go on to another.

    Raises:
        TrainerError: what the job raised, if all processes came to its end. Else, in a process that
            failed by itself, its own error, and `LostProcess` in all others; the group is broken.
    """
    try:
        yield
    except Exception as error:
        told = explained(error)
        if told is error:
            raise
        raise told from error
    else:
        group = JOINED.get()
        if group is not None and group.world.size > 1:
            answer(group, Answer("done", group.calls))
            group.jobs += 1


def explained(error: BaseException) -> BaseException:
    """Return an error as it is to be told: naming the process at fault, where there are several.

    Asked again about what it returned, or about an error that came of it, it returns the same.
    """
    group = JOINED.get()
    if group is None or group.world.size == 1 or not isinstance(error, Exception):
        return error
    if group.is_broken or isinstance(error.__cause__, LostProcess):
        return error
    mine = Answer(kind_of(error), group.calls, first_line(error), trace_of(error))
    answers = call(group, mine)
    group.jobs += 1
    if can_go_on(answers, group.world.size):
        return error
    group.is_broken = True
    if mine.kind in ("error", "bug"):
        error = error if isinstance(error, TrainerError) else TrainerError(mine.text)
        error.is_own = True
        return error
    lost = LostProcess(
        blame(group, answers), next((a.trace for a in answers.values() if a.trace), "")
    )
    lost.is_own = group.world.rank == min(answers)
    return lost


def is_broken() -> bool:
    """Return whether a process is lost, so that no other job can be done together."""
    group = JOINED.get()
    return group is not None and group.is_broken


def kind_of(error: BaseException) -> str:
    """Return the kind of answer that an error is."""
    if isinstance(error, LostProcess):
        return "lost"
    is_told = isinstance(error, TrainerError)  # the class itself stands for what nobody foresaw
    if is_told and (type(error) is not TrainerError or error.__cause__ is None):
        return "error"
    causes = (error, error.__cause__)
    texts = [str(e) for e in causes if isinstance(e, RuntimeError)]
    return "lost" if any(sign in text for sign in SIGNS for text in texts) else "bug"


def first_line(error: BaseException) -> str:
    """Return an error in one line."""
    text = str(error) if isinstance(error, TrainerError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0] if text else ""


def trace_of(error: BaseException) -> str:
    """Return the traceback of a bug."""
    return "".join(traceback.format_exception(error)) if kind_of(error) == "bug" else ""


def answer(group: ProcessGroup, mine: Answer) -> None:
    """Say how this process ended the present job."""
    group.store.set(
        f"end/{group.meeting.name}/{group.jobs}/{group.world.rank}", json.dumps(asdict(mine))
    )


def call(group: ProcessGroup, mine: Answer) -> dict[int, Answer]:
    """Return the answers of all processes that give one in time, this one's at least."""
    answers = {group.world.rank: mine}

    def listen() -> None:
        answer(group, mine)
        end = time.monotonic() + GRACE_S
        while len(answers) < group.world.size and time.monotonic() < end:
            for rank in set(range(group.world.size)) - set(answers):
                key = f"end/{group.meeting.name}/{group.jobs}/{rank}"
                if group.store.check([key]):
                    answers[rank] = Answer(**json.loads(group.store.get(key)))
            time.sleep(POLL_S)

    # in a thread of its own: a store whose machine is gone may never answer
    thread = threading.Thread(target=quietly, args=(listen,), daemon=True)
    thread.start()
    thread.join(GRACE_S + 1)
    return dict(answers)


def quietly(act: object) -> None:
    """Call, and end without a word where the store is gone."""
    with contextlib.suppress(RuntimeError):
        assert callable(act)
        act()


def can_go_on(answers: Mapping[int, Answer], size: int) -> bool:
    """Return whether all processes ended the job after the same exchanges, and those that failed
    by a bug, all by the same."""
    if len(answers) < size or any(a.kind == "lost" for a in answers.values()):
        return False
    bugs = [a for a in answers.values() if a.kind == "bug"]
    same = len({a.text for a in bugs}) == 1 and len(bugs) == size
    return len({a.calls for a in answers.values()}) == 1 and (same or not bugs)


def blame(group: ProcessGroup, answers: Mapping[int, Answer]) -> str:
    """Return a message on whose fault it is that exchanges failed."""
    members = group.meeting.members
    failed = [r for r, a in sorted(answers.items()) if a.kind in ("error", "bug")]
    if failed:
        return f"rank {failed[0]} ({members[failed[0]]}) failed: {answers[failed[0]].text}"
    silent = [r for r in range(group.world.size) if r not in answers]
    if silent:
        who = ", ".join(f"rank {r} ({members[r]})" for r in silent)
        if 0 in silent and len(answers) == 1:
            who = f"rank 0 ({members[0]}), or the store at {os.environ.get('MASTER_ADDR')},"
        return f"{who} did not answer within {group.timeout_s:g} s: killed, stopped, or cut off"
    own = answers[group.world.rank].text
    return f"the connection between the processes broke, though all of them live: {own}"

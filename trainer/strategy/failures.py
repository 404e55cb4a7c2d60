"""Which process failed, when a run of several cannot go on: reported in all that are left.

torch's error files do not say it: a process that is killed or stands still writes none, so that the
first failure that torchrun sees is the timeout of a process that waited for it; and each machine
reads the files of its own processes only, after they have ended.
"""

import contextlib
import json
import re
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from trainer.core.errors import LostProcess, TrainerError
from trainer.strategy.process_group import JOINED, ProcessGroup

# for reports; gloo closes all connections when one fails: living processes report in milliseconds
GRACE_S = 4.0

POLL_S = 0.02

# of errors that gloo, NCCL and the store raise where another process failed
SIGNS = ("gloo", "Gloo", "NCCL", "nccl", "c10d", "TCPStore", "Connection closed", "recvValue")


@dataclass(frozen=True)
class Report:
    """What a process reports of its error.

    Attributes:
        text: the error in one line.
        is_lost: whether an exchange failed, so that the fault lies with another process.
        trace: the traceback of a bug; empty for other errors.
    """

    text: str
    is_lost: bool = False
    trace: str = ""


@contextlib.contextmanager
def reporting_failures() -> Iterator[None]:
    """Do what all processes do together; if it fails, raise what `explained` returns."""
    try:
        yield
    except Exception as error:
        known = explained(error)
        if known is error:
            raise
        raise known from error


def explained(error: BaseException) -> BaseException:
    """Return `LostProcess`, naming the process at fault, for an error that another process caused,
    and any other error as it is; a bug that not all processes have becomes a `TrainerError`.

    Processes exchange their reports once; later calls return their argument.
    """
    group = JOINED.get()
    if group is None or group.world.size == 1 or not isinstance(error, Exception):
        return error
    if group.has_failed:
        return error
    group.has_failed = True
    # the base class itself, with a cause, stands for what nobody expected
    is_bug = not isinstance(error, TrainerError) or (
        type(error) is TrainerError and error.__cause__ is not None
    )
    text = str(error) if isinstance(error, TrainerError) else f"{type(error).__name__}: {error}"
    texts = [str(e) for e in (error, error.__cause__) if isinstance(e, RuntimeError)]
    is_lost = isinstance(error, LostProcess) or (
        is_bug and any(sign in text for sign in SIGNS for text in texts)
    )
    trace = "".join(traceback.format_exception(error)) if is_bug and not is_lost else ""
    mine = Report(text.partition("\n")[0], is_lost, trace)
    reports = collect_reports(group, mine)
    rank, failed = group.world.rank, [r for r, one in reports.items() if not one.is_lost]
    if mine.is_lost:
        traces = [one.trace for one in reports.values() if one.trace]
        lost = LostProcess(blame(group, reports), traces[0] if traces else "")
        lost.is_own = rank == min(reports)
        return lost
    if not isinstance(error, TrainerError):
        if [one.text for one in reports.values()] == [mine.text] * group.world.size:
            return error
        error = TrainerError(mine.text)
    error.is_own = rank == min(failed)
    return error


def key_of(group: ProcessGroup, rank: int) -> str:
    """Return where in the store a process's report is."""
    return f"failure/{group.rendezvous.name}/{rank}"


def collect_reports(group: ProcessGroup, mine: Report) -> dict[int, Report]:
    """Return the reports, by rank, of all processes that fail within the time of grace; of this
    one at least."""
    rank, size = group.world.rank, group.world.size
    reports = {rank: mine}

    def exchange() -> None:
        with contextlib.suppress(RuntimeError):  # the store may be gone
            group.store.set(key_of(group, rank), json.dumps(asdict(mine)))
            end = time.monotonic() + GRACE_S
            while len(reports) < size and time.monotonic() < end:
                for other in set(range(size)) - set(reports):
                    if group.store.check([key_of(group, other)]):
                        text = group.store.get(key_of(group, other))
                        reports[other] = Report(**json.loads(text))
                time.sleep(POLL_S)

    # in a thread of its own: a store whose machine is gone may never reply
    thread = threading.Thread(target=exchange, daemon=True)
    thread.start()
    thread.join(GRACE_S + 1)
    return dict(sorted(reports.items()))


def blame(group: ProcessGroup, reports: Mapping[int, Report]) -> str:
    """Return a message on which process made the exchanges fail."""
    processes = group.rendezvous.processes
    failed = [r for r, one in reports.items() if not one.is_lost]
    if failed:
        return f"rank {failed[0]} ({processes[failed[0]]}) failed: {reports[failed[0]].text}"
    silent = [r for r in range(group.world.size) if r not in reports]
    if silent:
        who = ", ".join(f"rank {r} ({processes[r]})" for r in silent)
        if 0 in silent and len(reports) == 1:
            who = f"rank 0 ({processes[0]}), or the store at {group.world.address},"
        if any(re.search(r"timed? ?out", one.text, re.IGNORECASE) for one in reports.values()):
            return f"{who} did not answer within {group.timeout_s:g} s: killed, stopped, or cut off"
        return f"{who} is gone: killed, or cut off"
    own = reports[group.world.rank].text
    return f"the connection between the processes broke, though all of them live: {own}"

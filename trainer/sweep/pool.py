"""Workers that are watched: one that dies, hangs or finds no memory costs one job, which another
one is given once."""

import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Any

from trainer.sweep.messages import (
    BUSY,
    FAILED,
    LOST,
    Beat,
    Ended,
    JobTask,
    KeyRequest,
    Stop,
)
from trainer.sweep.worker_process import Worker, new_worker

WAIT_S = 0.2  # between looks at what has come, at most
BUSY_S = 0.5  # until a job that another sweep is at is asked for again
STOP_S = 15.0  # that a worker has to end its job with a checkpoint
ABSENT_S = 10.0  # between looks at the workers, from which on they are not to blame for silence


@dataclass
class Pool:
    """Workers and the jobs they are to do.

    Attributes:
        count: workers, at least one.
        timeout_s: a job that shows no progress for so long is taken to hang.
        devices: what each worker sees of the GPUs, None where there are none to share out.
        workers: those that live.
        lost: how often a job's worker was lost, by the job's number.
        looked_at: when the workers were last looked at.
    """

    count: int
    timeout_s: float
    devices: Sequence[str] | None = None
    workers: list[Worker] = field(default_factory=list)
    lost: dict[int, int] = field(default_factory=dict)
    looked_at: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Start the workers; returns before they are ready."""
        for number in range(self.count):
            self.workers.append(new_worker(self.devices[number] if self.devices else None))

    def keys(self, request: KeyRequest, signum: Callable[[], int]) -> tuple[str | None, ...]:
        """Return the keys of results to come, as the first worker computes them; none where it
        cannot read the jobs, which it will say of each."""
        answer = self.ask(request, signum)
        return answer if isinstance(answer, tuple) else (None,) * len(request.configs)

    def ask(self, request: Any, signum: Callable[[], int]) -> Any:
        """Return the first worker's answer; None if it is lost or a signal has come: reading images
        may take long."""
        worker = self.workers[0]
        try:
            worker.pipe.send(request)
            while not signum():
                if worker.pipe.poll(WAIT_S):
                    return worker.pipe.recv()
        except (EOFError, OSError):
            self.replace(worker)
        return None

    def run(
        self,
        tasks: Sequence[JobTask],
        ended: Callable[[Ended], None],
        signum: Callable[[], int],
        look: Callable[[], None],
    ) -> None:
        """Have jobs done until there are none left, or a signal has come.

        Args:
            tasks: in the order in which they are begun.
            ended: called with how each job ended.
            signum: returns the signal that has come, or 0.
            look: called a few times a second.
        """
        waiting, later = deque(tasks), deque[tuple[float, JobTask]]()
        while (waiting or later or any(w.task for w in self.workers)) and not signum():
            while later and later[0][0] <= time.monotonic():
                waiting.append(later.popleft()[1])
            for worker in list(self.workers):
                if worker.task is None and waiting:
                    self.give(worker, waiting.popleft())
            for task, end in self.news():
                if end.how == BUSY:
                    later.append((time.monotonic() + BUSY_S, task))
                elif (end.how == LOST or end.is_memory) and self.is_first_loss(task):
                    waiting.appendleft(task)
                else:
                    ended(replace(end, how=FAILED) if end.how == LOST else end)
            look()
        if signum():
            self.stop(signum(), ended)

    def give(self, worker: Worker, task: JobTask) -> None:
        """Let a worker do a job, or its successor where it died idle."""
        try:
            worker.give(task)
        except OSError:
            self.replace(worker).give(task)

    def news(self) -> list[tuple[JobTask, Ended]]:
        """Wait a moment, and return how jobs ended since."""
        found: list[tuple[JobTask, Ended]] = []
        if time.monotonic() - self.looked_at > ABSENT_S:  # this process itself stood still
            for worker in self.workers:
                worker.alive_at = time.monotonic()
        self.looked_at = time.monotonic()
        ready = wait([worker.pipe for worker in self.workers], WAIT_S)
        for worker in list(self.workers):
            still_s = time.monotonic() - worker.alive_at
            if worker.pipe in ready:
                found += self.receive(worker)
            elif worker.task is not None and still_s > self.timeout_s:
                found += self.lose(worker, f"made no progress for {still_s:.0f} s")
        return found

    def receive(self, worker: Worker) -> list[tuple[JobTask, Ended]]:
        """Receive a worker's message; return how its job ended, if it did."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            return self.lose(worker, "died")
        if isinstance(message, Beat):
            worker.note(message)
        if not isinstance(message, Ended) or worker.task is None:
            return []
        task, worker.task = worker.task, None
        message = replace(message, number=task.number)  # one that could not be read has none
        if message.is_memory:
            self.replace(worker)  # what it holds may be what was missing
        return [(task, message)]

    def lose(self, worker: Worker, how: str) -> list[tuple[JobTask, Ended]]:
        """Replace a worker that is lost, and return what became of its job."""
        self.replace(worker)
        code = worker.process.exitcode or 0
        by = f" by {signal.Signals(-code).name}" if code < 0 and how == "died" else ""
        if worker.task is None:
            return []
        return [(worker.task, Ended(worker.task.number, LOST, f"its worker {how}{by}, twice"))]

    def is_first_loss(self, task: JobTask) -> bool:
        """Count a loss, and return whether it was the job's first."""
        self.lost[task.number] = self.lost.get(task.number, 0) + 1
        return self.lost[task.number] == 1

    def replace(self, worker: Worker) -> Worker:
        """End a worker and return the new one in its place."""
        worker.end()
        fresh = new_worker(worker.devices)
        self.workers[self.workers.index(worker)] = fresh
        return fresh

    def stop(self, signum: int, ended: Callable[[Ended], None]) -> None:
        """Let every job under way end with a checkpoint, as the signal would; after that, end
        it."""
        for worker in self.workers:
            if worker.task is not None:
                with contextlib.suppress(OSError):
                    worker.pipe.send(Stop(signum))
        deadline = time.monotonic() + STOP_S
        while any(w.task for w in self.workers) and time.monotonic() < deadline:
            for worker in self.workers:
                while worker.task is not None and worker.pipe.poll(WAIT_S / len(self.workers)):
                    try:
                        message = worker.pipe.recv()
                    except (EOFError, OSError):
                        worker.task = None
                    else:
                        if isinstance(message, Ended):
                            worker.task = None
                            ended(message)

    def close(self) -> None:
        """End every worker."""
        for worker in self.workers:
            worker.end()
        self.workers.clear()

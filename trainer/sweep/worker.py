"""A process that does jobs, one after the other, and keeps warm what they have in common: imports,
images, compiled code.

Every job is a whole run of its own and gives the bits that it would give in a process of its own;
what a run could leave behind for the next is put back between them.
"""

import contextlib
import gc
import hashlib
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from trainer.checkpoint import format as checkpoint
from trainer.config.run_config import RunConfig
from trainer.core.environment import World, take_variables
from trainer.core.errors import Diverged, Stopped, TrainerError
from trainer.core.limits import is_of_memory, understood
from trainer.core.signals import HANDLED, Stops
from trainer.lint import check
from trainer.run import choices
from trainer.run.context import keep_images, read_images, settle
from trainer.run.device import choose_device, prepare
from trainer.run.execute import execute
from trainer.run.linting import Records, lint_context
from trainer.run.request import RunRequest
from trainer.state import Run
from trainer.sweep.locks import job_lock, remove_previous
from trainer.sweep.messages import (
    BUSY,
    DONE,
    FAILED,
    REUSED,
    STOPPED,
    Beat,
    ChoiceReply,
    ChoiceRequest,
    Ended,
    JobTask,
    KeyRequest,
    LintRequest,
    Stop,
)
from trainer.sweep.reuse import is_result, predicted_key
from trainer.sweep.torchrun_job import Launched, launch

BEAT_S = 0.5


@dataclass
class WorkerLine:
    """The pipe to the sweep, listened to by a thread: whoever holds the other end and goes takes
    this process along.

    Attributes:
        pipe: to the sweep.
        requests: of the sweep, in order.
        run: the live parts of the job under way, once it has some.
        launched: its processes, where it has processes of its own.
        is_at_work: whether a job is under way.
    """

    pipe: Connection
    requests: queue.SimpleQueue[JobTask | KeyRequest | LintRequest | ChoiceRequest | None] = field(
        default_factory=queue.SimpleQueue
    )
    run: Run | None = None
    launched: Launched | None = None
    is_at_work: bool = False
    sending: threading.Lock = field(default_factory=threading.Lock)

    def listen(self) -> None:
        """Take what comes, and show a sign of life meanwhile; end the process with the sweep."""
        try:
            while True:
                if not self.pipe.poll(BEAT_S):
                    if self.is_at_work:
                        self.send(self.beat())
                    continue
                try:
                    message = self.pipe.recv()
                except (EOFError, OSError):  # the sweep is gone
                    raise
                except Exception as error:  # of a module that a job's configuration needs
                    self.send(Ended(-1, FAILED, unreadable(error)))
                    continue
                if isinstance(message, Stop):
                    Stops.request(message.signum)
                    if self.launched is not None:
                        self.launched.stop(message.signum)
                else:
                    self.requests.put(message)
        except Exception:
            if self.launched is not None:
                self.launched.kill()
            os._exit(1)

    def beat(self) -> Beat:
        """Return how far the job is."""
        run = self.run
        cpu_s = time.process_time()
        if run is None:
            is_apart = self.launched is not None  # its processes watch each other
            return Beat(0, 0, 0.0, None, time.monotonic() if is_apart else cpu_s)
        state = run.state
        return Beat(state.step, run.total, run.epoch_number(), state.best_val_top1, cpu_s)

    def send(self, message: object) -> None:
        """Send the sweep a message."""
        with self.sending:
            self.pipe.send(message)


def unreadable(error: Exception) -> str:
    """Return in one line why a job cannot be read: it has parts of a plugin that this process
    cannot import."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [f.f_globals["__name__"] for f in frames if f.f_code.co_name == "<module>"]
    module = modules[-1] if modules else getattr(error, "name", None) or "what the job needs"
    reason = " ".join(str(error).split())
    return f"its worker cannot import {module}: {type(error).__name__}: {reason}"


def serve(pipe: Connection, environment: Mapping[str, str], cwd: str) -> None:
    """Do jobs until there are none: the whole life of a worker's process, in the sweep's
    environment and working folder."""
    for name in HANDLED:  # the sweep handles them, and asks for what is to be done
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    take_variables(environment)
    os.chdir(cwd)
    keep_images()
    gc.freeze()  # what was imported stays: no need to look at it after every job
    line = WorkerLine(pipe)
    threading.Thread(target=line.listen, name="sweep", daemon=True).start()
    while (message := line.requests.get()) is not None:
        if isinstance(message, KeyRequest):
            line.send(tuple(map(key_or_none, message.configs)))
            continue
        if isinstance(message, LintRequest):
            line.send(oddities(message))
            continue
        if isinstance(message, ChoiceRequest):
            line.send(choices_of(message.config))
            continue
        line.is_at_work = True
        ended = attempt(message, line)
        line.is_at_work, line.run, line.launched = False, None, None
        gc.collect()  # nothing of this job, nor the peak of its memory, is left to the next
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # Linux: the peak of this process's memory begins anew
        line.send(ended)
    sys.stdout.flush()
    os._exit(0)  # as a process of its own would, but without waiting for what libraries started


def key_or_none(config: RunConfig) -> str | None:
    """Return the key of a result that is to come, None where there will be none, or where another
    run with it would have another result: how many steps fit into a time is found out anew."""
    if config.max_time is not None:
        return None
    try:
        return predicted_key(config)
    except Exception:  # its job will say it
        return None


def oddities(request: LintRequest) -> tuple[dict[str, str], ...]:
    """Return what looks odd about configurations; nothing of one whose job will fail."""
    records = Records()
    return tuple(oddities_of(config, records, request.swept) for config in request.configs)


def oddities_of(config: RunConfig, records: Records, swept: tuple[str, ...]) -> dict[str, str]:
    """Return what looks odd about a configuration; nothing where its job will fail."""
    try:
        context = lint_context(
            config,
            read_images(config),
            records,
            device=choose_device(config.device, World()),
            world_size=config.strategy.launch.processes or 1,
            swept=swept,
        )
        return check(context)
    except Exception:  # its job will say it
        return {}


def choices_of(config: RunConfig) -> ChoiceReply:
    """Return what a configuration means here, once its network was probed."""
    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    chooser = logging.getLogger(choices.__name__)
    chooser.setLevel(logging.INFO)
    chooser.addHandler(listener)
    try:
        context = settle(config, *prepare(config, World()))
        return ChoiceReply(choices.choose(context).config, tuple(said))
    except Exception:  # its job will say it
        return ChoiceReply(None)
    finally:
        chooser.removeHandler(listener)


def attempt(task: JobTask, line: WorkerLine) -> Ended:
    """Do a job, unless somebody else is at it or has done it."""
    name = task.key or hashlib.sha256(os.fsencode(task.folder)).hexdigest()
    try:
        with job_lock(task.root, name) as job:
            if job is None:
                return Ended(task.number, BUSY)
            if job.found is not None and task.reuse:
                return Ended(task.number, REUSED, path=job.found)
            ended = do(task, line)
            if ended.how == DONE:
                job.finished(task.folder)
            return ended
    except Exception as error:  # of the files around the job
        return failed(task, error)


def failed(task: JobTask, error: Exception) -> Ended:
    """Return the end of a job that failed, in one line: it costs this job, never the others."""
    known = understood(error)
    kind = "" if isinstance(known, TrainerError) else f"{type(known).__name__}: "
    return Ended(task.number, FAILED, f"{kind}{known}", is_memory=is_of_memory(error))


def do(task: JobTask, line: WorkerLine) -> Ended:
    """Do a job, and return how it ended."""

    def watch(run: Run) -> None:
        line.run = run

    def started(launched: Launched) -> None:
        line.launched = launched

    try:
        if is_result(task.folder):
            return Ended(task.number, DONE)  # whoever did it was lost after it was done
        resume = resumable(task)
        if task.config.strategy.launch.processes:
            return launch(task, resume, started)
        overrides, folder = task.overrides, str(task.folder)
        execute(
            RunRequest(
                task.config,
                overrides,
                folder=folder,
                resume=resume,
                quiet=True,
                is_linted=True,
                watch=watch,
            )
        )
    except Diverged as error:
        is_recorded = (task.folder / "summary.json").is_file()
        return Ended(task.number, DONE if is_recorded else FAILED, str(error))
    except Stopped as error:
        return Ended(task.number, STOPPED, str(error))
    except Exception as error:
        return failed(task, error)
    return Ended(task.number, DONE)


def resumable(task: JobTask) -> Path | None:
    """Return the folder of a job that an earlier attempt left with a checkpoint to go on from
    exactly; clear it where there is none.

    Raises:
        TrainerError: if images or weights cannot be read now: then nothing is cleared.
    """
    path = task.folder
    if path.is_dir() and not path.is_symlink():
        found, _ = checkpoint.newest(path / "checkpoints")
        if found is not None and found.manifest.get("key") == (
            task.key or predicted_key(task.config)
        ):
            return path
    remove_previous(path)
    return None

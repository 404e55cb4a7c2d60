"""Jobs that have several processes each: every one is started by torchrun, and ends with it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from trainer.composition.search_path import load_plugins
from trainer.config.run_config import parse
from trainer.core.environment import known_world
from trainer.core.errors import TrainerError
from trainer.core.limits import reporting_system
from trainer.core.signals import die_with_parent, leave_group
from trainer.record.console import fail
from trainer.record.runs import read_summary
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.strategy.failures import reporting_failures
from trainer.sweep.messages import DONE, FAILED, STOPPED, Ended, JobTask
from trainer.sweep.reuse import is_result

MODULE = "trainer.sweep.torchrun_job"  # is `__main__` in the processes that it starts

LAST_LINES = 3  # of torchrun's output, where the run itself left no message


@dataclass
class Launched:
    """The processes of one job: torchrun is their parent and has a session of its own; `signum`
    asked them to stop, or is 0."""

    torchrun: subprocess.Popen[bytes]
    signum: int = 0

    def stop(self, signum: int) -> None:
        """Ask for an end with a checkpoint."""
        self.signum = signum
        self.torchrun.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all of them at once."""
        with contextlib.suppress(OSError):
            os.killpg(self.torchrun.pid, signal.SIGKILL)


def launch(task: JobTask, resume: Path | None, started: Callable[[Launched], None]) -> Ended:
    """Do a job in processes of its own, and return how it ended; `started` is given them, so that
    another thread can stop them."""
    with tempfile.TemporaryDirectory(prefix="trainer-job-") as place:
        request = {
            "config": task.config.plain(),
            "plugins": list(task.config.plugins),
            "overrides": list(task.overrides),
            "folder": str(task.folder),
            "resume": None if resume is None else str(resume),
        }
        file, output = Path(place) / "request.json", Path(place) / "output.txt"
        file.write_text(json.dumps(request), encoding="utf-8")
        processes = str(task.config.strategy.launch.processes)
        command = [sys.executable, "-m", MODULE, str(file), str(os.getpid()), processes]
        with open(output, "wb") as out:
            launched = Launched(
                subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
            )
            started(launched)
            launched.torchrun.wait()
        return how_ended(task, launched, output.read_text(encoding="utf-8", errors="replace"))


def how_ended(task: JobTask, launched: Launched, output: str) -> Ended:
    """Return how a job ended, from its folder or else from the output of its processes."""
    if is_result(task.folder):
        return Ended(task.number, DONE)
    if launched.signum:
        return Ended(task.number, STOPPED)
    message = str(read_summary(task.folder).get("message", ""))
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")] or lines[-LAST_LINES:]
    return Ended(task.number, FAILED, message or " ".join(errors) or "its processes left no output")


def main() -> int:
    """Be torchrun for one job, `FILE PARENT PROCESSES`, or one of its processes, `FILE`."""
    file, *more = sys.argv[1:]
    if not more:
        return run_rank(Path(file))
    die_with_parent(int(more[0]))
    from torch.distributed.run import main as torchrun

    torchrun(["--standalone", "--nproc-per-node", more[1], "-m", MODULE, file])
    return 0


def run_rank(file: Path) -> int:
    """Do what one process of a job has to do, and return its exit code."""
    die_with_parent()
    request = json.loads(file.read_text(encoding="utf-8"))
    try:
        load_plugins(request["plugins"])
        config = parse(OmegaConf.create(request["config"]), plugins=request["plugins"])
        resume = None if request["resume"] is None else Path(request["resume"])
        with reporting_system(), reporting_failures():
            execute(
                RunRequest(
                    config,
                    tuple(request["overrides"]),
                    folder=request["folder"],
                    resume=resume,
                    quiet=True,
                    is_linted=True,
                )
            )
    except TrainerError as error:
        if known_world().rank == 0 or error.is_own:
            fail(str(error))
        leave_group(error.exit_code)
        return error.exit_code
    leave_group(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a fork does that is to be a program: answer a command line, and leave.

Where Python would be started anew, its new process can be a fork of this one, which has imported
torch already: `Forked`, a `Popen` like any other. With `fork_pythons` all that libraries start in
this process and its forks begins so: torchrun's ranks, a sweep's workers and what forks them.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import multiprocessing.util
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

# Of Python, before what it is to run; the forked process has them from its parent.
FLAGS = ("-u", "-B", "-W", "-X")

real_popen = subprocess.Popen


class Forked(real_popen):  # type: ignore[type-arg]
    """A process that is a fork of this one if it is to run Python, else one like any other."""

    def __init__(
        self,
        args: Any,
        *rest: Any,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        first: Callable[[], None] | None = None,
        **options: Any,
    ) -> None:
        """Start it.

        Args:
            args: as of `Popen`, and so are `rest` and `options`.
            env: environment, None for this one.
            pass_fds: open files that it keeps besides its three.
            first: called in the fork before anything else is done.
        """
        is_plain = not any(map(options.get, ("executable", "preexec_fn", "shell")))
        program = program_of(args) if is_plain else None
        if program is not None:

            def be() -> NoReturn:  # called between fork and exec, which is never come to
                be_python(program, env, pass_fds, first)

            options["preexec_fn"] = be
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this process may have threads
            super().__init__(args, *rest, env=env, pass_fds=pass_fds, **options)


def program_of(args: Any) -> list[str] | None:
    """Return the words after Python's flags, None if it is not this Python that is to be started:
    `-m module ...`, `-c code ...` or `script ...`."""
    if isinstance(args, str | bytes | os.PathLike):
        return None
    python, *words = map(os.fsdecode, args)
    if python != sys.executable:
        return None
    while words and words[0].startswith(FLAGS):
        words.pop(0)
    is_known = words[:1] in (["-m"], ["-c"]) or (words and not words[0].startswith("-"))
    return words if is_known else None


def fork_pythons() -> None:
    """Let every Python that this process or a fork of it starts be a fork."""
    subprocess.Popen = Forked  # type: ignore[misc]
    multiprocessing.util.spawnv_passfds = spawned  # type: ignore[attr-defined]


def spawned(path: object, args: Sequence[Any], passfds: Iterable[int]) -> int:
    """Start what forks the workers of this process's pools; return its number."""
    process = Forked(args, pass_fds=tuple(map(int, passfds)))
    process.returncode = 0  # whoever asked waits for it
    return process.pid


def be_python(
    words: Sequence[str],
    env: Mapping[str, str] | None,
    kept: Iterable[int],
    first: Callable[[], None] | None,
) -> NoReturn:
    """Be a Python that was just started, and end this process with its code.

    Args:
        words: `-m module ...`, `-c code ...` or `script ...`.
        env: environment, None for this one.
        kept: open files besides the three of every process.
        first: called before anything else is done.
    """

    def work() -> None:
        forget(env, kept)
        if first is not None:
            first()
        try:
            run_program(words)
        finally:  # as Python ends
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()

    leave(work)


def run_program(words: Sequence[str]) -> None:
    """Run a module, some code or a script as this process's main one."""
    if words[0] == "-m":
        sys.path[0], sys.argv = os.getcwd(), list(words[1:])
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.path[0], sys.argv = "", ["-c", *words[2:]]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(words[1], main.__dict__)
    else:
        sys.path[0], sys.argv = str(Path(words[0]).resolve().parent), list(words)
        runpy.run_path(words[0], run_name="__main__")


def forget(env: Mapping[str, str] | None, kept: Iterable[int]) -> None:
    """Leave behind what a new program would not have of its parent: handlers of signals, what is
    to be done at its end, open files, the environment and what its streams' buffers hold."""
    atexit._clear()
    atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL):
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python begins; Popen let them kill
        signal.signal(number, signal.SIG_IGN)
    last = 2
    for number in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(last + 1, number)
        last = number
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    known = set(sys.path)
    sys.path[1:1] = [p for p in os.environ.get("PYTHONPATH", "").split(":") if p and p not in known]
    importlib.invalidate_caches()
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        mode, errors = ("r", "strict") if number == 0 else ("w", "backslashreplace")
        stream = open(number, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    gc.enable()  # Popen switches it off around such a function


def be_run(
    overrides: Sequence[str], cwd: Path, out: Path, err: Path, *, first: Callable[[], None]
) -> NoReturn:
    """Answer a command line as `python -m trainer` does, and end this process with its code.

    Args:
        words: of the command line.
        cwd: folder that it is typed in.
        out: file of standard output.
        err: file of standard error.
        first: called before anything else is done.
    """

    def work() -> None:
        first()
        os.chdir(cwd)
        sys.argv = ["trainer/__main__.py", *overrides]
        from trainer.cli import main as cli

        cli.main()

    leave_after(work, out, err)


def leave_after(work: Callable[[], object], out: Path, err: Path) -> NoReturn:
    """Do something in this process, a fork, and end it with the code that a program would end with.

    Args:
        work: may raise SystemExit with a code; any other error is printed and ends with code 1.
        out: file of standard output.
        err: file of standard error.
    """

    def redirected() -> None:
        for file, number in ((out, 1), (err, 2)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        work()

    leave(redirected)


def leave(work: Callable[[], object]) -> NoReturn:
    """Do something in this process, a fork, and end it with the code that a program would end
    with."""
    code = 1
    try:
        work()
        code = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        else:
            code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

"""What a fork does that is to be a run: answer a command line, and leave."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn


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
    code = 1
    try:
        for file, number in ((out, 1), (err, 2)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        work()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

"""Every operation on files below a folder, as a numbered point at which something can happen."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.trial import Hook, Tell

NAMES = ("fsync", "rename", "replace", "unlink", "mkdir", "rmdir")
Act = Callable[[int, str, bool], None]  # number of the operation, its name, whether it is done


class Watched:
    """A file whose writes are points."""

    def __init__(self, file: Any, point: Callable[[str, Callable[[], Any]], Any]) -> None:
        self.file, self.point = file, point

    def write(self, content: Any) -> Any:
        """Write in two halves, so that a torn file is among what is met."""
        half = len(content) // 2
        self.point("write the first half", lambda: (self.file.write(content[:half]), self.flush()))
        return self.point("write the rest", lambda: self.file.write(content[half:]))

    def flush(self) -> None:
        self.file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


def watching(folder: Path, act: Act, *, ignored: tuple[str, ...] = ("run.log", "events.")) -> Hook:
    """Return a hook that calls `act` before and after every operation that changes files below a
    folder, in the process that trains."""

    def hook(tell: Tell) -> None:
        number, process, depth = [0], os.getpid(), [0]

        def is_ours(path: Any) -> bool:
            if os.getpid() != process or depth[0]:
                return False
            text = str(path)
            if any(Path(text).name.startswith(name) for name in ignored):
                return False
            return not text.startswith("/") or text.startswith(f"{folder}")

        def point(name: str, operation: Callable[[], Any]) -> Any:
            mine = number[0]
            number[0] += 1
            tell(f"point {mine} {name}")
            act(mine, name, False)
            depth[0] += 1  # what it calls itself is part of it
            try:
                done = operation()
            finally:
                depth[0] -= 1
            act(mine, name, True)
            return done

        plain_open = builtins.open

        def watched_open(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+") or not is_ours(file):
                return plain_open(file, mode, *args, **more)
            name = Path(str(file)).name
            if name == ".lock":
                return plain_open(file, mode, *args, **more)
            opened = point(f"open {name}", lambda: plain_open(file, mode, *args, **more))
            return Watched(opened, point)

        builtins.open = watched_open
        for name in NAMES:
            plain = getattr(os, name)

            def watched(
                target: Any, *args: Any, name: str = name, plain: Any = plain, **more: Any
            ) -> Any:
                if not (isinstance(target, int) or is_ours(target)) or os.getpid() != process:
                    return plain(target, *args, **more)
                return point(
                    name if isinstance(target, int) else f"{name} {Path(str(target)).name}",
                    lambda: plain(target, *args, **more),
                )

            setattr(os, name, watched)

    return hook

"""Standard output as rich writes to it, where it may go away while a run goes on."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console as Terminal

from trainer.limits import full_output, is_hung_up, silence


class Screen(Terminal):
    """A terminal whose going away (`| head`, its window closed) silences a run; a file that is full
    ends it."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True
        silence()

    def _check_buffer(self) -> None:
        """Write, as rich does; the live line comes this way too."""
        try:
            super()._check_buffer()
        except OSError as error:
            if not is_hung_up(error, sys.stdout):
                raise
            self.on_broken_pipe()

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, as rich does; raise DiskError if there is no room for it."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.on_broken_pipe()
            raise full_output(error) from error

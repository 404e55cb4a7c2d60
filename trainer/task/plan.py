"""`task=plan`: what would happen, without training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from trainer.core.convert import Written, shown
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.files import check_writable
from trainer.record.console import Console
from trainer.record.style import why_no_picture
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.request import RunRequest
from trainer.task._plan_chart import schedule_figure
from trainer.task._plan_facts import facts_of
from trainer.task._plan_text import show
from trainer.task.base import TASKS, title_of


@dataclass(frozen=True)
class Picture(Written):
    """A file to draw into, as it was written."""

    path: str
    SUFFIXES: ClassVar[tuple[str, ...]] = (".png", ".svg", ".pdf")

    @classmethod
    def parse(cls, value: object, key: str) -> Picture:
        """Return the file written as `value`: one whose kind can be drawn, in a folder that
        exists."""
        path = Path(value).expanduser() if isinstance(value, str) else None
        if path is None or path.suffix.lower() not in cls.SUFFIXES:
            raise ConfigError(
                f"{key} must be a file that ends in {' or '.join(cls.SUFFIXES)}, got {shown(value)}"
            )
        if not path.parent.is_dir():
            raise ConfigError(f"{key}={value}: there is no folder {path.parent}")
        check_writable(path, key)
        return cls(str(value))

    def __str__(self) -> str:
        return self.path

    @property
    def file(self) -> Path:
        """The file itself."""
        return Path(self.path).expanduser()


@TASKS.register("plan")
@dataclass(frozen=True)
class Plan:
    """Prints steps, curves, groups and costs of a run, and may draw its schedule.

    Attributes:
        picture: file for the picture of the schedule, or None.
    """

    picture: Picture | None = None

    def perform(self, request: RunRequest) -> None:
        """Print the plan; no folder is made and no weight moves.

        Raises:
            TrainerError: for everything that training would refuse as well.
        """
        reason = why_no_picture() if self.picture is not None else None
        if reason is not None:
            raise ConfigError(f"task.picture={self.picture} cannot be drawn here: {reason}")
        world = World.from_environment()
        device, strategy, precision = prepare(request.config, world)
        console = Console(quiet=request.quiet or world.rank != 0)
        with console.listening():
            run, context = assemble(request.config, device, strategy, precision)
            request = replace(request, config=context.config)
        if world.rank != 0:
            return
        for note in request.notes:
            console.say(note, style="yellow")
        facts = facts_of(run, request.config)
        show(facts, run, request.config, console.terminal)
        if self.picture is not None:
            schedule_figure(facts, title_of(request)).savefig(self.picture.file)
            console.say(f"picture   {self.picture}")

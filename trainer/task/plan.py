"""`task=plan`: what would happen, without training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.record.console import Console
from trainer.record.style import why_no_picture
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.request import RunRequest
from trainer.task._files import OutputFile
from trainer.task._plan_chart import schedule_figure
from trainer.task._plan_facts import facts_of
from trainer.task._plan_text import show
from trainer.task.base import TASKS, title_of


@dataclass(frozen=True)
class Picture(OutputFile):
    """A file to draw into, as it was written."""

    SUFFIXES: ClassVar[tuple[str, ...]] = (".png", ".svg", ".pdf")

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the file written as `value`: one whose kind can be drawn, in a folder that
        exists."""
        picture = super().parse(value, key)
        picture.check(key)
        return picture


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

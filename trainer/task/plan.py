"""`task=plan`: what would happen, without training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from trainer.composition.replay import read_recorded
from trainer.config.compare import differences
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.record.console import Console
from trainer.record.style import why_no_picture
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.linting import lint
from trainer.run.request import RunRequest
from trainer.task._files import OutputFile
from trainer.task._no_compiler import no_compiler
from trainer.task._plan_facts import facts_of
from trainer.task._plan_images import plan_figure, seen_images
from trainer.task._plan_probe import known, probed
from trainer.task._plan_text import show, show_differences
from trainer.task.base import TASKS, title_of

OWN = ("task", "outputs", "name", "plugins")  # keys that no two runs are compared by


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
    """Prints steps, curves, groups and costs of a run, and may draw what it is about to do.

    Attributes:
        picture: file for a picture of 16 training images as the network sees them, and of the
            schedule, or None.
        probe: whether three steps are taken, to say how long the run and how large its memory is.
        against: folder of a run whose configuration is compared, or None.
    """

    picture: Picture | None = None
    probe: bool = False
    against: str | None = None

    def perform(self, request: RunRequest) -> None:
        """Print the plan; no folder is made, and no weight moves that anybody keeps.

        Raises:
            TrainerError: for everything that training would refuse as well.
        """
        reason = why_no_picture() if self.picture is not None else None
        if reason is not None:
            raise ConfigError(f"task.picture={self.picture} cannot be drawn here: {reason}")
        then = None if self.against is None else read_recorded(Path(self.against).expanduser())
        world = World.from_environment()
        config, engine = replace(request.config, engine="eager"), request.config.engine
        device, strategy, precision = prepare(config, world)
        console = Console(quiet=request.quiet or world.rank != 0)
        with no_compiler(), console.listening():
            run, context = assemble(config, device, strategy, precision)  # compiles nothing
            lint(context, console)
            config = context.config
            facts = facts_of(run, config)
            images = seen_images(run) if self.picture is not None and world.rank == 0 else []
            step = probed(run) if self.probe else known(config, context)
        if world.rank != 0:
            return
        for note in request.notes:
            console.say(note, style="yellow")
        config = replace(config, engine=engine)
        show(facts, run, config, console.terminal, step=step)
        if then is not None:
            show_differences(differences(then, config, OWN), console.terminal)
        if self.picture is not None:
            plan_figure(facts, images, title_of(request)).savefig(self.picture.file)
            console.say(f"picture   {self.picture}")

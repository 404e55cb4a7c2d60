"""The 1cycle policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from trainer.scheduler import SCHEDULERS, Clock, ConfigError, Duration, Frame, Point
from trainer.scheduler._shape import Shape, against, between, check_momenta


@SCHEDULERS.register("onecycle")
@dataclass(frozen=True)
class OneCycle:
    """The learning rate rises to its peak once and falls far below where it began; momentum moves
    against it, where the optimizer has one.

    "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates",
    arXiv:1708.07120. The values are those of `torch.optim.lr_scheduler.OneCycleLR` with as many
    steps as the schedule moves: the last step trained is at the final value, which stays after it.

    Attributes:
        pct_start: the rise, at most the run after warm-up.
        div_factor: the peak over the first value, at least 1.
        final_div_factor: the first value over the final one, at least 1.
        shape: of rise and fall.
        three_phase: fall to the first value as fast as the rise was, then on to the final one: the
            paper's form; else one fall to the final value.
        base_momentum: least momentum (beta1), at the peak of the learning rate; null leaves
            momentum alone.
        max_momentum: momentum at the first and final value; null leaves momentum alone.
    """

    pct_start: Duration = Duration(30, "%")
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    shape: Shape = "cosine"
    three_phase: bool = False
    base_momentum: float | None = 0.85
    max_momentum: float | None = 0.95

    def __post_init__(self) -> None:
        for key in ("div_factor", "final_div_factor"):
            value: float = getattr(self, key)
            if value < 1.0:
                raise ConfigError(f"scheduler.{key} must be at least 1, got {value}")
        check_momenta(self.base_momentum, self.max_momentum)

    @property
    def momentum_key(self) -> str | None:
        """The key that asks for a moving momentum: one that is neither null nor at its default."""
        for key in ("base_momentum", "max_momentum"):
            if getattr(self, key) not in (None, getattr(OneCycle, key)):
                return f"scheduler.{key}"
        return None

    def build(self, frame: Frame) -> Cycle:
        """Return the cycle over a run."""
        steps = frame.start.exact_steps(self.pct_start)
        most = frame.start.span / (2 if self.three_phase else 1)
        if steps > most:
            raise ConfigError(
                f"scheduler.pct_start={self.pct_start} is a rise of {steps:g} steps, "
                f"but at most {most:g} fit "
                + ("twice " if self.three_phase else "")
                + f"into the {frame.start.span} steps after warm-up"
            )
        first = 1.0 / self.div_factor
        final = first / self.final_div_factor
        rise, last = steps / frame.every - 1.0, frame.num_moves - 1.0
        up = Phase(rise, (first, 1.0), (0.0, 1.0))
        if not self.three_phase:
            return Cycle(self, frame, (up, Phase(last, (1.0, final), (1.0, 0.0))))
        down = Phase(2 * rise, (1.0, first), (1.0, 0.0))
        return Cycle(self, frame, (up, down, Phase(last, (first, final), (0.0, 0.0))))


class Phase(NamedTuple):
    """A part of the cycle.

    Attributes:
        end: the move at which it ends; below 0 where the run is too short for it.
        lr_scale: factor of the peak at its begin and end.
        height: of the momentum's swing at its begin and end: 0 at `max_momentum`, 1 at
            `base_momentum`.
    """

    end: float
    lr_scale: tuple[float, float]
    height: tuple[float, float]


@dataclass(frozen=True)
class Cycle:
    """The cycle over one run; the last phase ends at the last move that is trained."""

    part: OneCycle
    frame: Frame
    phases: tuple[Phase, ...]

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the point of a step, not below the floor."""
        move = min(self.frame.moves(clock.step), self.frame.num_moves - 1)
        begin, share, phase = 0.0, 1.0, self.phases[-1]
        for phase in self.phases:
            if begin < phase.end and move <= phase.end:
                share = (move - begin) / (phase.end - begin)
                break
            begin = phase.end
        lr_scale = between(*phase.lr_scale, share, self.part.shape)
        height = between(*phase.height, share, self.part.shape)
        momentum = against(height, self.part.base_momentum, self.part.max_momentum)
        return Point(max(lr_scale, floor), momentum)

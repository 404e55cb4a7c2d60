"""The mixing seam: batches of mixed examples with soft targets.

When examples are mixed, and with whom, is decided here, once, for every choice of `mix`.
"""

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.core.registry import Choice, Registry
from trainer.core.units import Duration
from trainer.data import Batch
from trainer.mix._pairs import Pairs, Per


@dataclass(frozen=True)
class MixKeys:
    """Keys that every choice of `mix` has.

    Attributes:
        lambda_per: one lambda for the whole `batch` of a step, all processes and micro-batches
            included, or one for each `sample`; with it whatever else a choice draws for a pair.
        partners: `permuted` pairs each example with another of its own micro-batch, so that a
            step sees batch_size images; `independent` with a second, independent draw of the
            training images, augmented on its own, so that it sees twice as many, at that cost.
            Either way an example is a first and a second once an epoch.
        probability: of a step to be mixed, in [0, 1]; the others are trained on as they are.
        stop: when mixing ends, counted from the first step; later steps are not mixed; 0
            mixes none.
    """

    lambda_per: Per = "batch"
    partners: Literal["permuted", "independent"] = "permuted"
    probability: float = 1.0
    stop: Duration = Duration(100, "%")

    def __post_init__(self) -> None:
        check_in("[0, 1]", "mix.probability", self.probability)


class Mix(Protocol):
    """A component of this seam."""

    def __call__(self, batch: Batch, pairs: Pairs) -> Batch:
        """Return the batch with mixed `images` and soft `targets` (B, K).

        Args:
            batch: normalised; it is not changed.
            pairs: the partners, and all random numbers.
        """


MIXES: Registry[Mix] = Registry("mix", MixKeys)


class Mixing:
    """A choice of `mix` with the shared keys applied, in steps of one run.

    Args:
        choice: the configured mixing.
        total: steps of the run.
        steps_per_epoch: steps of one epoch.

    Raises:
        ConfigError: if mixing would stop after the last step.
    """

    def __init__(self, choice: Choice[MixKeys, Mix], *, total: int, steps_per_epoch: int) -> None:
        self.component, self.keys = choice.component, choice.shared
        self.stop = self.keys.stop.steps(steps_per_epoch, total)
        if self.stop > total:
            raise ConfigError(
                f"mix.stop={self.keys.stop} is {self.stop} steps, but the run has only {total}: "
                "mixing must stop by the run's end"
            )

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch, mixed if it is to be at this step."""
        pairs, probability = Pairs(batch, clock, self.keys.lambda_per), self.keys.probability
        is_drawn = probability == 1.0 or pairs.step("probability") < probability
        if clock.step < self.stop and is_drawn:
            batch = self.component(batch, pairs)
        return batch if batch.partner is None else replace(batch, partner=None)

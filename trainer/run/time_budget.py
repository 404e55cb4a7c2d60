"""How many steps fit into `max_time`: planned from what steps and evaluations took so far.

The first process measures and plans, and what it plans is exchanged after every step. It plans at
given steps, ever further apart; the plan made once half of the time is gone is the last. A run that
gets slower after that ends when its time does; one that gets faster ends before.
"""

import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Protocol

from trainer.core.time_plan import UNPLANNED, Mark, TimePlan, next_total
from trainer.state import Run

FIRST = 4  # steps done at the first plan: the first of them is slow, and left out
DENSITY = 8  # plans while the number of steps done doubles
RESERVE = 0.03  # of the time left, for steps that turn out slower
FORWARD = 1 / 3  # of the seconds of a training image: an evaluated one's, until one was measured


class Fitter(Protocol):
    """Makes a run's parts fit a total, as `Refit` does; `total` is the present one."""

    total: int

    def __call__(self, total: int) -> None:
        """Make them fit."""


class Repeated:
    """The plan of an earlier run: the same totals at the same steps.

    Args:
        plan: as that run recorded it.
        refit: makes the run's parts fit another total.
    """

    def __init__(self, plan: TimePlan, refit: Fitter) -> None:
        self.marks, self.refit = plan.marks, refit
        self._step: int | None = None  # done at the call before this one

    def __call__(self, run: Run) -> None:
        """Move the total as that run did: after each step."""
        is_stepped = self._step is not None and run.state.step > self._step
        self._step = run.state.step
        if not is_stepped:
            return
        wanted = [total for step, total in self.marks if step <= run.state.step]
        if wanted:
            head_for(run, wanted[-1], self.refit)

    def facts(self) -> None:
        """Return None: the configuration says it all."""

    def state_dict(self) -> dict[str, Any]:
        """Return the total, which its past determines too."""
        return {"total": self.refit.total}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.refit(int(state["total"]))


class TimeBudget:
    """Plans a run's total so that the run ends when its time does.

    The clock starts before the first step and stops after the last evaluation on validation images;
    evaluations, averages and checkpoints between them count. Reading images, building, compiling
    and the look at the test images do not. A resumed run has used what its checkpoint says.

    Args:
        budget_s: seconds of the whole run.
        refit: makes the run's parts fit another total.
        now: the clock on the wall, in seconds.

    Attributes:
        marks: steps done, and the total that was headed for from then on.
        fixed_at: steps done when the last plan was made, None before.
        is_cut: whether time was over before the planned steps were done.
        spent_s: seconds used; `steps_s` those of steps, `evals_s` those of `num_evals` evaluations.
        known: steps done and `steps_s` then, at the steps where plans were made.
    """

    def __init__(
        self, budget_s: float, refit: Fitter, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self.budget_s, self.refit, self.now = budget_s, refit, now
        self.marks: list[Mark] = []
        self.fixed_at: int | None = None
        self.is_cut = False
        self.spent_s = self.steps_s = self.evals_s = 0.0
        self.num_evals, self.next = 0, FIRST
        self.known: list[tuple[int, float]] = []
        self._now: float | None = None  # at the call before this one
        self._step = 0  # done then
        self._is_fresh = False  # whether this process has made no step yet of a run under way

    def __call__(self, run: Run) -> None:
        """Take the time and move the total: before the first step, after each step and after each
        evaluation."""
        step, is_first = run.state.step, self._now is None
        is_evaluated = self.measure(run)
        if is_first:  # of a run that begins, or goes on where its total was planned already
            return
        mine = self.order(run, is_evaluated) if run.strategy.world.rank == 0 else 0
        order = run.strategy.all_max(mine)  # on the CPU, as other exchanges between steps
        if step >= self.next:
            self.next = step + max(1, step // DENSITY)
        if order:
            self.is_cut = order == step
            if self.marks and self.marks[-1][0] == step:
                self.marks.pop()
            self.marks.append((step, order))
        if self.marks and (order or not is_evaluated):  # once a step
            head_for(run, self.marks[-1][1], self.refit)

    def measure(self, run: Run) -> bool:
        """Add the time since the last call to what it was spent on; return whether that was an
        evaluation."""
        step = run.state.step
        # an asynchronous device is waited for where the time decides
        now = run.seconds_now() if step >= self.next else self.now()
        spent = 0.0 if self._now is None else now - self._now
        is_evaluated = self._now is not None and step == self._step
        self.spent_s += spent
        if is_evaluated:
            self.evals_s, self.num_evals = self.evals_s + spent, self.num_evals + 1
        elif self._is_fresh and self.known and self._now is not None:
            self.steps_s += min(spent, self.step_s())  # the first step after a start is slow
            self._is_fresh = False
        else:
            self.steps_s += spent
        self._now, self._step = now, step
        if step == 1 or step >= self.next:
            self.known.append((step, self.steps_s))
        return is_evaluated

    def order(self, run: Run, is_evaluated: bool) -> int:
        """Return the total to head for from now on, the steps done where time is over; 0 to go on
        as before."""
        step, per_epoch = run.state.step, run.data.steps_per_epoch
        if step == 0 or step >= run.total:
            return 0
        step_s, eval_s = self.step_s(), self.eval_s(run)
        left = self.budget_s - self.spent_s
        is_due = step % per_epoch == 0 and not is_evaluated
        if left < step_s + is_due * eval_s:  # one more step, and an evaluation that comes before it
            return step
        if step < self.next or self.fixed_at is not None:
            return 0
        if self.spent_s >= self.budget_s / 2:
            self.fixed_at = step
        pending = step - is_due  # an evaluation that is due counts as to come

        def seconds(more: int) -> float:
            end = step + more
            evals = end // per_epoch - pending // per_epoch + (end % per_epoch != 0)
            return more * step_s + evals * eval_s

        most = range(1, UNPLANNED - step)
        return step + max(1, bisect_right(most, (1 - RESERVE) * left, key=seconds))

    def step_s(self) -> float:
        """Return the seconds of a step, over the last quarter of those done."""
        step = self._step
        then = [k for k in self.known if k[0] <= max(0.75 * step, 1) and k[0] < step]
        first, seconds = then[-1] if then else (0, 0.0)
        return (self.steps_s - seconds) / (step - first)

    def eval_s(self, run: Run) -> float:
        """Return the seconds of an evaluation, guessed before the first."""
        if self.num_evals:
            return self.evals_s / self.num_evals
        steps = run.data.num_val / run.data.epoch_images * run.data.steps_per_epoch
        return FORWARD * steps * self.step_s()

    def facts(self) -> dict[str, Any] | None:
        """Return what `summary.json` holds of the plan."""
        if not self.marks:
            return None
        return {
            "total": self.marks[-1][1],
            "fixed_at": self.fixed_at,
            "is_cut": self.is_cut,
            "seconds": round(self.spent_s, 3),
            "time_plan": str(TimePlan(tuple(self.marks))),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured and planned."""
        return {
            "total": self.refit.total,
            "marks": [list(mark) for mark in self.marks],
            "fixed_at": self.fixed_at,
            "is_cut": self.is_cut,
            "seconds": [self.spent_s, self.steps_s, self.evals_s],
            "num_evals": self.num_evals,
            "next": self.next,
            "known": [list(pair) for pair in self.known],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint, with the time that is left."""
        self.marks = [(int(step), int(total)) for step, total in state["marks"]]
        self.fixed_at, self.is_cut = state["fixed_at"], bool(state["is_cut"])
        self.spent_s, self.steps_s, self.evals_s = map(float, state["seconds"])
        self.num_evals, self.next = int(state["num_evals"]), int(state["next"])
        self.known = [(int(step), float(seconds)) for step, seconds in state["known"]]
        self._is_fresh = True
        self.refit(int(state["total"]))


def head_for(run: Run, wanted: int, refit: Fitter) -> None:
    """Move a run's total towards another one, for the step to come if there is one."""
    if run.state.step == run.total:
        return
    total = next_total(run.state.step, run.total, wanted)
    if total != run.total:
        refit(total)

"""Hydra's door to our sweeps: a sweeper that writes nothing before every job was checked.

Hydra executes this module outside `sys.modules`, so annotations must not be strings: no `from
__future__` here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


@dataclass
class TrainerSweeperConf:
    """How Hydra makes the sweeper.

    Attributes:
        params: swept values from a preset, by key, as Hydra's basic sweeper takes them.
        arms: products of their own, by label: values by key.
        trials: draws from each `interval()`, for every combination of the other values.
        seed: of the draws.
    """

    _target_: str = "hydra_plugins.trainer_sweeper.TrainerSweeper"
    params: Optional[dict[str, Any]] = None  # noqa: UP045  # OmegaConf 2.3 knows no `|`
    arms: Optional[dict[str, Any]] = None  # noqa: UP045
    trials: Optional[int] = None  # noqa: UP045
    seed: int = 0


@dataclass
class TrainerLauncherConf:
    """How Hydra makes the launcher.

    Attributes:
        workers: processes that do jobs at the same time; one per GPU, or as many as the cores have
            room for, unless it is set.
        timeout: a job that shows no progress for so long is taken to hang: it is ended and done
            once more.
    """

    _target_: str = "hydra_plugins.trainer_sweeper.TrainerLauncher"
    workers: Optional[int] = None  # noqa: UP045
    timeout: str = "600s"


ConfigStore.instance().store(
    group="hydra/sweeper", name="trainer", node=TrainerSweeperConf, provider="trainer"
)
ConfigStore.instance().store(
    group="hydra/launcher", name="trainer", node=TrainerLauncherConf, provider="trainer"
)


class TrainerLauncher(Launcher):
    """Marks that jobs are run by the sweeper itself, in warm workers that it watches."""

    def __init__(self, workers: int | None = None, timeout: str = "600s") -> None:
        self.workers, self.timeout = workers, timeout

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep nothing."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run jobs that another sweeper made."""
        from trainer.sweep.hydra_bridge import launch_for_hydra

        return launch_for_hydra(job_overrides, initial_job_idx)


class TrainerSweeper(Sweeper):
    """Expands the words into jobs, checks all of them, then runs them."""

    def __init__(
        self,
        params: dict[str, Any] | None = None,
        arms: dict[str, Any] | None = None,
        trials: int | None = None,
        seed: int = 0,
    ) -> None:
        found = OmegaConf.to_container(OmegaConf.create({"params": params, "arms": arms}))
        assert isinstance(found, dict)
        self.params, self.arms = found["params"] or {}, found["arms"] or {}
        self.trials, self.seed = trials, seed

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what the launcher of another kind may need."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep and return nothing; its exit code is kept by `trainer.sweep.jobs`."""
        from trainer.sweep.expand import Search
        from trainer.sweep.runner import Hydra, run_sweep

        assert self.config is not None  # Hydra calls setup first
        assert self.hydra_context is not None
        search = Search(self.params, self.arms, self.trials, self.seed)
        run_sweep(arguments, search, Hydra(self.config, self.hydra_context, self.task_function))

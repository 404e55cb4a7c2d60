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
from omegaconf import DictConfig


@dataclass
class TrainerSweeperConf:
    """How Hydra makes the sweeper.

    Attributes:
        params: swept values from a preset, by key, as Hydra's basic sweeper takes them.
    """

    _target_: str = "hydra_plugins.trainer_sweeper.TrainerSweeper"
    params: Optional[dict[str, str]] = None  # noqa: UP045  # OmegaConf 2.3 knows no `|`


@dataclass
class TrainerLauncherConf:
    """How Hydra makes the launcher."""

    _target_: str = "hydra_plugins.trainer_sweeper.TrainerLauncher"


ConfigStore.instance().store(
    group="hydra/sweeper", name="trainer", node=TrainerSweeperConf, provider="trainer"
)
ConfigStore.instance().store(
    group="hydra/launcher", name="trainer", node=TrainerLauncherConf, provider="trainer"
)


class TrainerLauncher(Launcher):
    """Marks that jobs are run by the sweeper itself, one after the other in this process."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep nothing."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run jobs that another sweeper made."""
        from trainer.sweep.bridge import launch_for_hydra

        return launch_for_hydra(job_overrides, initial_job_idx)


class TrainerSweeper(Sweeper):
    """Expands the words into jobs, checks all of them, then runs them."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self.params = dict(params or {})

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what the launcher of another kind may need."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep and return nothing; its exit code is kept by `trainer.sweep.jobs`."""
        from trainer.sweep.jobs import run_sweep

        named = {word.split("=", 1)[0].lstrip("+") for word in arguments}
        kept = {key: value for key, value in self.params.items() if key not in named}
        words = [f"{key}={value}" for key, value in kept.items()] + arguments
        assert self.config is not None  # Hydra calls setup first
        assert self.hydra_context is not None
        run_sweep(words, self.config, self.hydra_context, self.task_function)

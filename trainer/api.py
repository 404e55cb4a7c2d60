"""The same from Python, for notebooks: `compose` a configuration, `train` it, `load` a network."""

from pathlib import Path

from trainer.checkpoint.weights import read_weights
from trainer.composition.compose import compose_overrides
from trainer.composition.replay import read_recorded
from trainer.composition.search_path import load_plugins
from trainer.config.groups import parse_group
from trainer.config.run_config import RunConfig, parse
from trainer.core.environment import World
from trainer.core.weights_source import Origin
from trainer.data import Source
from trainer.record.runs import RunRow
from trainer.run.device import choose_device, settings_restored
from trainer.run.execute import execute
from trainer.run.network import Network, network_of
from trainer.run.request import RunRequest
from trainer.task.base import check_trains


def compose(
    *overrides: str, config_dir: str | Path | None = None, plugins: tuple[str, ...] = ()
) -> RunConfig:
    """Return the configuration that overrides of a command line mean.

    Args:
        overrides: such as `"scheduler=cosine"`, `"optim.lr=0.1"`, `"+experiment=mnist"`.
        config_dir: folder of configurations of your own.
        plugins: modules with components of your own.

    Raises:
        ConfigError: naming the override that is wrong.
    """
    sources = load_plugins(plugins, config_dir)
    composed = compose_overrides(overrides, sources)
    return parse(composed.cfg, plugins=plugins)


def load(run: str | Path, *, device: str = "cpu", plugins: tuple[str, ...] = ()) -> Network:
    """Return the trained network of a run, ready to be asked.

    Args:
        run: its folder, `outputs/latest` among them; `<run>@best`, `<run>@average` and
            `<run>@<step>` name others than its last weights.
        device: where it computes: `auto`, `cpu`, `cuda`, `cuda:<n>`, `mps`.
        plugins: modules with the components of your own that the run was made with.

    Returns:
        `model`, `classes`, `mean`, `std` and `image_shape`; called with images (B, C, H, W) in
        [0, 255], it returns their probabilities (B, K).

    Raises:
        NotFound: if there is no such run, or no checkpoint verifies.
        ConfigError: if the network is not known, or an older version made the run and its images
            are others now.
    """
    load_plugins(plugins, None)
    origin = Origin.parse(str(run), "load()")
    data = read_recorded(origin.run)["data"]

    def source() -> Source:
        choice = parse_group("data", data)
        images: Source = choice.component.read(choice.shared.root)
        return images

    weights = read_weights("load()", origin, {})
    return network_of(weights, {}, source, device=choose_device(device, World()))


def train(config: RunConfig, *, folder: str | Path | None = None, quiet: bool = False) -> RunRow:
    """Train one run, record it as the command line does, and return its record.

    Threads, random numbers and number formats of the calling program are as they were afterwards.

    Args:
        config: from `compose`.
        folder: where the record goes; a new folder under `outputs` by default.
        quiet: print nothing.

    Raises:
        Diverged: if training diverged; the record says so too.
        TrainerError: for everything else that a user can mend.
    """
    check_trains(config, "train()", "trainer.task.base.perform(RunRequest(config)) does that")
    request = RunRequest(config, folder=None if folder is None else str(folder), quiet=quiet)
    with settings_restored():
        return execute(request)

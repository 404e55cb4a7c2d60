"""`rm`: deletes the runs and sweeps that are named."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.cli.subcommands import Parser
from trainer.core.errors import ConfigError, NotFound
from trainer.record.run_folder import Folder
from trainer.record.runs import folders_with
from trainer.record.sweep_file import SWEEP_FILE


@dataclass(frozen=True)
class Target:
    """What is to be deleted: its real path, and itself or the jobs of a sweep that are no links."""

    path: Path
    runs: tuple[Path, ...]

    @property
    def is_sweep(self) -> bool:
        return self.path not in self.runs


def rm(arguments: Sequence[str]) -> None:
    """Delete runs and sweeps."""
    parser = Parser("rm", "A running one is refused. Runs that a sweep links to stay.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs or whole sweeps")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    found = {target.path: target for target in map(target_of, options.runs)}
    targets = [t for t in found.values() if not any(p in found for p in t.path.parents)]
    for run in (run for target in targets for run in target.runs):
        with locked(run):
            pass
    for target in targets:
        jobs = f", a sweep of {len(target.runs)} runs" if target.is_sweep else ""
        print(f"delete  {target.path}{jobs}")
        for link, path in links_to(target, targets):
            print(f"  {link.parent} links to {path} as its job {link.name}")
    if not options.yes and not is_confirmed():
        print("nothing is deleted")
        return
    for target in targets:
        try:
            for run in target.runs:
                with locked(run):
                    shutil.rmtree(run)  # links go, what they lead to stays
            if target.is_sweep:
                shutil.rmtree(target.path)
            for parent in target.path.parents:
                latest = parent / "latest"
                real = Path(os.path.realpath(latest))
                if latest.is_symlink() and real.is_relative_to(target.path):
                    latest.unlink()
        except OSError as error:
            raise refused(target.path, error) from error


def target_of(text: str) -> Target:
    """Return what a folder named on the command line is.

    Raises:
        NotFound: if there is none.
        ConfigError: if it is a link, no run or sweep, or holds other runs or the working folder.
    """
    path = Path(text)
    if path.is_symlink():
        raise ConfigError(f"{text} is a link: name the folder, {os.path.realpath(path)}")
    if not path.exists():
        raise NotFound(f"no run at {text}")
    path = Path(os.path.realpath(path))
    inside = [Path(p) for p, _, names in os.walk(path) if is_run(names) or SWEEP_FILE in names]
    if path not in inside:
        raise ConfigError(
            f"{text} is no run and no sweep: config.yaml and run.log, or {SWEEP_FILE}, are missing"
        )
    is_sweep = (path / SWEEP_FILE).is_file()
    jobs = [p for p in inside if is_sweep and p.parent == path and p.name.isdecimal()]
    others = [p for p in inside if p != path and p not in jobs]
    if others:
        raise ConfigError(f"{text} holds other runs, such as {others[0]}: name each of them")
    if Path(os.path.realpath(os.curdir)).is_relative_to(path):
        raise ConfigError(f"{text} holds the working folder")
    return Target(path, tuple(jobs) if is_sweep else (path,))


def is_run(names: Sequence[str]) -> bool:
    return {"config.yaml", "run.log"} <= set(names)


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Be a run's only writer; raise ConfigError while another process is."""
    folder = Folder(run)
    try:
        folder.lock()
    except OSError as error:
        raise refused(run, error) from error
    try:
        yield
    finally:
        folder.close()


def refused(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot delete {path}: {(error.strerror or str(error)).lower()}")


def links_to(target: Target, targets: Sequence[Target]) -> Iterator[tuple[Path, Path]]:
    """Yield the links of other sweeps that lead into a target, and where to: of the sweeps in
    `outputs`, and of those beside the target."""
    places = {Path(os.path.realpath("outputs")), target.path.parent, target.path.parent.parent}
    roots = [p for p in places if p.is_dir() and not any(q in places for q in p.parents)]
    going = {t.path for t in targets}
    for sweep in sorted({s for root in roots for s in folders_with(root, SWEEP_FILE)} - going):
        for link in sorted(path for path in sweep.iterdir() if path.is_symlink()):
            real = Path(os.path.realpath(link))
            if real.is_relative_to(target.path):
                yield link, real


def is_confirmed() -> bool:
    """Ask on the terminal; raise ConfigError where there is none."""
    if not sys.stdin.isatty():
        raise ConfigError("nothing is deleted without asking, and this is no terminal: add --yes")
    try:
        return input("delete? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False

"""`slurm`: a job file for a cluster, with this environment's Python in it."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.cli.subcommands import Parser
from trainer.core.errors import ConfigError

FILE = Path(__file__).with_name("job.sbatch")


def slurm(arguments: Sequence[str]) -> None:
    """Print a job file."""
    parser = Parser(
        "slurm",
        "`slurm > job.sbatch`, then `sbatch job.sbatch [words of the command line]` in the folder "
        "that `outputs` is to be in. The file needs no checkout, and sbatch's options win over "
        "what it asks for.",
    )
    add = parser.add_argument
    add("--nodes", type=int, default=1, help="machines (%(default)s)")
    add("--gpus", type=int, default=1, help="of each machine, 0 for none (%(default)s)")
    add("--cpus", type=int, default=8, help="cores of each machine (%(default)s)")
    add("--time", default="4:00:00", help="after which it is requeued (%(default)s)")
    options = vars(parser.parse_args(arguments))
    for name, least in (("nodes", 1), ("gpus", 0), ("cpus", 1)):
        if options[name] < least:
            raise ConfigError(f"--{name} must be at least {least}, got {options[name]}")
    sys.stdout.write(job_file(options))


def job_file(options: Mapping[str, object]) -> str:
    """Return a job file that asks for what options say."""
    values = {key.upper(): str(value) for key, value in options.items()}
    text = FILE.read_text(encoding="utf-8")
    if values["GPUS"] == "0":
        text = text.replace("#SBATCH --gpus-per-node=@GPUS@\n", "")
    values["SETTINGS"] = "\n".join(settings())
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def settings() -> list[str]:
    """Return the lines that let a job find this environment, and this program where it is not
    installed there."""
    lines = [f"export PYTHON=${{PYTHON:-{shlex.quote(sys.executable)}}}"]
    try:
        importlib.metadata.version("tricks-trainer")
    except importlib.metadata.PackageNotFoundError:
        place = shlex.quote(str(FILE.parents[2]))
        lines.append(f'export PYTHONPATH={place}"${{PYTHONPATH:+:$PYTHONPATH}}"')
    return lines

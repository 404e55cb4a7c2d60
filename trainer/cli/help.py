"""The help, written for people."""

import textwrap
from typing import Any

from trainer import __version__
from trainer.cli.subcommands import SUBCOMMANDS
from trainer.composition.overrides import spellings_help
from trainer.composition.search_path import CONF, SEAMS, Sources
from trainer.core.command import program
from trainer.core.yaml_files import read_yaml

HELP = """\
{program} {version}: trains networks on images, one trick at a time.

  {program}                                   the default job: a small CNN on real digits
  {program} scheduler=cosine optim=adam       choose parts by name
  {program} +experiment=mnist optim=adam      a preset with a known score, one part changed
  {program} -m optim.lr=0.01,0.1 seed=0,1,2   a sweep: every combination
  {program} task=plan                         what would happen; trains nothing
  {program} task=lr_range                     which learning rate to train with
  {program} resume=outputs/default/<run>      go on where a run or a sweep stopped

Subcommands, of which `{program} <name> --help` lists the options:
{subcommands}

Parts: group=name, the default first. Each has keys of its own, as in optim.lr=0.1; see
conf/<group>/<name>.yaml or --cfg job.

{groups}

Results go to outputs/<name>/<date>_<time>_<id>/ (outputs=DIR puts them elsewhere): config.yaml,
metrics.jsonl, summary.json, checkpoints/, tensorboard/. outputs/latest is the newest. For curves:
tensorboard --logdir outputs/default

Whole runs:
  resume=<run>      go on exactly where it stopped; of a sweep, do what is missing
  fork=<run>@<step> a new run from the state that it had there, other words change it
  repeat=<run>      the same again in a new folder; other words on the line change it
  plugins=[a.b]     import components of your own, with the conf/ beside them
  reuse=off         in a sweep: do finished jobs again
  --json            the last line of standard output is one JSON object: how it ended, figures
  --config-dir DIR  look up YAML in a folder of your own as well

Durations carry their unit: 5ep epochs, 300st steps, 10% of the run.
Other spellings that are understood:
{spellings}

--cfg job --resolve shows the whole configuration, --hydra-help the flags of Hydra,
--version this program's version.
"""


def help_text(sources: Sources) -> str:
    """Return the help for people, with the names that are found in some folders."""
    lines, defaults = [], read_yaml(CONF / "config.yaml")["defaults"]
    for group in (*SEAMS, "experiment", "sweep"):
        sign = "" if group in SEAMS else "+"
        chosen: Any = next((e[group] for e in defaults if isinstance(e, dict) and group in e), [])
        first = chosen if isinstance(chosen, list) else [chosen]
        names = sorted(sources.options(group), key=lambda name: (name not in first, name))
        text = ", ".join(names)
        pieces = textwrap.wrap(text, 80) or [""]
        lines.append(f"  {sign + group + '=':13}" + ("\n" + " " * 15).join(pieces))
    indented = "\n".join("  " + line for line in spellings_help().splitlines())
    return HELP.format(
        program=program(),
        version=__version__,
        subcommands="\n".join(f"  {name:16}{text}" for name, (_, text) in SUBCOMMANDS.items()),
        groups="\n".join(lines),
        spellings=indented,
    )

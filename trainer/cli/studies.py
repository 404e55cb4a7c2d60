"""The subcommands that train or measure to answer a question. They import a study once their
arguments are parsed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.cli.arguments import names_in
from trainer.cli.subcommands import Parser
from trainer.core.command import command_line
from trainer.core.errors import ConfigError, TrainerError

AGAIN = "What is finished already is not made again: the same line goes on where it was stopped."


def demo(arguments: Sequence[str]) -> None:
    """Show a trick at work."""
    study(arguments, "demo")


def study(arguments: Sequence[str], command: str = "study") -> None:
    """Answer a question by runs."""
    more = "`all` is each of them. Without a name, lists them."
    parser = reader(command, more if command == "demo" else f"{more} {AGAIN}")
    add = parser.add_argument
    add("--seeds", type=int, help="runs of each arm; each study has its own number")
    add("--first-seed", type=int, help="seed of the first of them (0)")
    add("--trials", type=int, help="draws for each arm, where values are chosen")
    add("--tune", action="store_true", help="choose each arm's values, on val, and end")
    add("--show", action="store_true", help="open the picture")
    add("--gif", action="store_true", help="write how it works as it evolves, too")
    add("--config-dir", type=Path, metavar="DIR", help="a folder of your own, with study/NAME.yaml")
    add("--plugins", type=names_in, default=(), help="modules with components of your own")
    if command == "study":
        scales = ("minute", "smoke", "cpu", "gpu")
        add("--scale", choices=scales, default="", help="the first that a study has, if left out")
    options = parser.parse_intermixed_args(arguments)
    for option in ("seeds", "first_seed", "show", "gif"):
        if options.tune and getattr(options, option) not in (None, False):
            raise ConfigError(
                f"--tune chooses values and ends: --{option.replace('_', '-')} has no effect"
            )
    from trainer.study import spec
    from trainer.study.study import changed

    scale = "minute" if command == "demo" else options.scale
    known = spec.names(scale, options.config_dir)
    places = {"config_dir": options.config_dir, "plugins": options.plugins}
    if options.name is None:
        titles = {n: spec.load(n, scale, **places).question for n in known}
        print(listing(f"{command} NAME", titles))
        return
    numbers = (options.seeds, options.trials, options.first_seed)
    made = [
        changed(spec.load(name, scale, **places), options.overrides, *numbers)
        for name in chosen(options.name, known)
    ]
    from trainer.study import make

    for one in made:
        if options.tune:
            make.retune(one, options.out)
        else:
            make.show(one, options.out, is_opened=options.show, is_animated=options.gif)


def reproduce(arguments: Sequence[str]) -> None:
    """Make figures and tables of the text again; raise TrainerError where one could not be made."""
    parser = reader(
        "reproduce",
        "A name is a study, a family of them (`swa`), `figures`, `tables` or `all`; without one, "
        "lists them. Writes report.md, and a folder for each, into outputs/reproduce/<scale>. "
        f"{AGAIN}",
    )
    scales = ("smoke", "cpu", "gpu")
    parser.add_argument(
        "--scale", choices=scales, default="smoke", help="toy size, two cores' or the text's"
    )
    options = parser.parse_intermixed_args(arguments)
    from trainer.study import reproduce as text

    if options.name is None:
        found = text.items(options.scale)
        titles = {s.name: f"{s.text['kind']}: {s.text['title']}" for s in found}
        print(listing(f"reproduce NAME --scale {'|'.join(scales)}", titles))
        return
    file, failed = text.reproduce(options.name, options.scale, options.overrides, options.out)
    print(f"\nreport  {file}")
    if failed:
        raise TrainerError(f"not made: {', '.join(failed)}")


def flatness(arguments: Sequence[str]) -> None:
    """Look at the loss about the weights of runs."""
    from trainer.core.units import Amount
    from trainer.study.flatness.settings import IMAGES_HELP, LOOKS_HELP, Amounts, Looks, option

    parser = Parser(
        "flatness",
        "One run alone stands for its last and its averaged weights; three weights span a plane. "
        "Writes pictures (PNG), every point (CSV) and the rise of the loss (JSON).",
    )
    places = "a run, <run>@average, <run>@<step> or a checkpoint's folder: up to three"
    add = parser.add_argument
    add("places", nargs="+", metavar="WEIGHTS", help=places)
    add("--out", type=Path, default=Path("flatness"), help="folder of the results")
    add("--labels", type=names_in, default=(), help="names of the weights, separated by commas")
    for name, meaning in LOOKS_HELP.items():
        default = getattr(Looks, name)
        add(option(name), type=type(default), default=default, help=f"{meaning} (%(default)s)")
    for name, meaning in IMAGES_HELP.items():
        text = f"{meaning}: a count, or a share such as 10%% (%(default)s)"
        add(f"--{name}-images", default=str(getattr(Amounts, name)), help=text)
    add("--data-root", help="folder of the data sets; as recorded by default")
    add("--device", default="auto")
    add("--threads", type=int, help="of computation on a CPU; all cores by default")
    add("--plugins", type=names_in, default=(), help="modules with components of your own")
    options = parser.parse_args(arguments)
    if len(options.places) > 3:
        raise ConfigError(f"at most three weights, got {len(options.places)}")
    images = {
        k: Amount.parse(getattr(options, f"{k}_images"), f"--{k}-images") for k in IMAGES_HELP
    }
    looks, amounts = Looks(**{k: getattr(options, k) for k in LOOKS_HELP}), Amounts(**images)
    from trainer.study.flatness.report import table
    from trainer.study.flatness.runs import Machine
    from trainer.study.flatness.study import study

    facts = study(
        options.places,
        options.out,
        looks=looks,
        amounts=amounts,
        machine=Machine(options.data_root, options.device, options.threads, options.plugins),
        labels=options.labels,
    )
    print(table(facts))
    print(f"pictures and numbers in {options.out} ({facts['seconds']:.0f} s)")


def precision_table(arguments: Sequence[str]) -> None:
    """Measure networks in several number formats."""
    from trainer.study.precision_table.options import parse_options

    parser = Parser(
        "precision_table",
        "Speed is that of whole training steps of torchvision's networks on made-up images; "
        "accuracy is that of small networks, trained for a few epochs. Every measurement has a "
        "process of its own, and rounds are interleaved. Left out, the size is what suits the "
        "device. Writes table.md, table.json, speed.csv and trained.csv.",
    )
    options = parse_options(arguments, parser)
    from trainer.study.precision_table.report import write
    from trainer.study.precision_table.table import measured

    table = measured(options)
    print(write(options.out, table.speeds, table.scores, table.facts()))


def scaling(arguments: Sequence[str]) -> None:
    """Measure images per second of one process and of several."""
    parser = Parser(
        "scaling",
        "Each arm trains a few epochs; its figure is the median over rounds of the best epoch "
        "after the first, arms in turn. What this machine cannot do is named.",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="of all arms; a small ResNet-9 if left out"
    )
    parser.add_argument("--processes", default="2,4", help="of ddp, separated by commas")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for README.md")
    options = parser.parse_intermixed_args(arguments)
    from trainer.study import scaling as study

    text = study.measure(
        [*(options.overrides or study.OVERRIDES), f"epochs={options.epochs}"],
        [int(n) for n in names_in(options.processes)],
        options.rounds,
        command_line("scaling", *arguments),
    )
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "README.md").write_text(text)


def reader(name: str, more: str) -> Parser:
    """Return a parser of the name of a study and of overrides for its runs."""
    made = Parser(name, more)
    made.add_argument("name", nargs="?", metavar="NAME", help="of a study")
    made.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="added to every run, such as epochs=30"
    )
    made.add_argument("--out", type=Path, help="folder of pages, tables and pictures")
    return made


def chosen(name: str, known: Sequence[str]) -> list[str]:
    """Return what a name on the command line means: itself, or each of them for `all`."""
    return list(known) if name == "all" else [name]


def listing(usage: str, known: Mapping[str, str]) -> str:
    """Return every name with what it is of, below the line that runs one."""
    width = max(map(len, known))
    lines = [f"  {name:{width}}  {text}" for name, text in known.items()]
    return "\n".join([f"usage: {command_line()} {usage}", "", *lines])

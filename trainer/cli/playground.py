"""`playground`: a page that shows optimizers at work, and the trajectories of runs."""

from collections.abc import Sequence
from pathlib import Path

from trainer.cli.analysis import write_page
from trainer.cli.arguments import names_in
from trainer.cli.subcommands import Parser
from trainer.core.errors import ConfigError
from trainer.core.files import check_writable
from trainer.playground.join import page_of
from trainer.playground.settings import Replay


def playground(arguments: Sequence[str]) -> None:
    """Write the page."""
    from trainer.core.units import Amount, Duration

    parser = Parser(
        "playground",
        "One file that needs no network. Runs that are named are replayed in it: their checkpoints "
        "in the plane of their principal components, over the loss there. They must have been "
        "trained with checkpoint.keep=all.",
    )
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help="folders of runs, to be replayed")
    add("--out", type=Path, default=Path("playground.html"), help="the page (%(default)s)")
    group = parser.add_argument_group("replay of runs")
    add = group.add_argument
    of = "images of the loss: val or train (val)"
    add("--of", choices=("val", "train"), help=of)
    add("--images", help=f"how many of them: a count, or a share such as 10%% ({Replay.images})")
    add("--points", type=int, help=f"points of the loss along each axis ({Replay.points})")
    add("--begin", help=f"the first checkpoint shown, such as 50%%, 3ep or 300st ({Replay.begin}%)")
    add("--data-root", help="folder of the data sets; as recorded by default")
    add("--device", help="auto, cpu, cuda, ... (auto)")
    add("--threads", type=int, help="of computation on a CPU; all cores by default")
    add("--plugins", type=names_in, help="modules with components of your own")
    options = parser.parse_args(arguments)
    given = {k: v for k, v in vars(options).items() if k not in ("runs", "out") and v is not None}
    if given and not options.runs:
        option = f"--{next(iter(given)).replace('_', '-')}"
        raise ConfigError(f"{option} has no effect: no run is named")
    for name, kind in (("images", Amount), ("begin", Duration)):
        if name in given:
            given[name] = kind.parse(given[name], f"--{name}")
    replay = Replay(**{k: given.pop(k) for k in ("of", "images", "points", "begin") if k in given})
    out: Path = options.out if options.out.suffix == ".html" else Path(f"{options.out}.html")
    trajectories = []
    if options.runs:
        check_out(out)
        from trainer.playground.trajectory import checkpoints_of, trajectory_of
        from trainer.study.flatness.runs import Machine

        given["root"] = given.pop("data_root", None)
        for place in options.runs:  # told before images are read
            checkpoints_of(Path(place).expanduser())
        trajectories = [trajectory_of(place, replay, Machine(**given)) for place in options.runs]
    text = page_of(trajectories)
    write_page(out, text)
    for trajectory in trajectories:
        shown, all_of_them = len(trajectory["steps"]), trajectory["checkpoints"]
        fewer = f" of {all_of_them}" if shown < all_of_them else ""
        print(
            f"{trajectory['run']}: {shown}{fewer} checkpoints; the plane holds "
            f"{100 * trajectory['variance']:.0f} % of their variance; {len(trajectory['x'])} x "
            f"{len(trajectory['y'])} losses on {trajectory['images']} {trajectory['of']} images, "
            f"{trajectory['seconds']:.0f} s"
        )
    print(f"page: {out} ({len(text.encode()) / 1e3:.0f} kB)")


def check_out(out: Path) -> None:
    """Raise ConfigError if a page cannot be written: losses take minutes."""
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise ConfigError(f"cannot write --out={out}: {parent} is no folder")
    if parent == out.absolute().parent:
        check_writable(out, "--out")

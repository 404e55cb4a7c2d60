"""Figures and tables that other studies make: shapes of schedules, comparisons, flatness, number
formats, processes."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.api import compose
from trainer.core.files import replace_text
from trainer.core.units import Amount, Duration
from trainer.record.runs import RunRow, read_run
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.study import _schedules, demo
from trainer.study.comparison import command_of
from trainer.study.comparisons.page import difference_text, write
from trainer.study.comparisons.spec import changed
from trainer.study.comparisons.spec import load as load_comparison
from trainer.study.comparisons.stages import ComparisonResult, perform
from trainer.study.comparisons.verdict import conclusions, power_text
from trainer.study.demos.spec import load as load_demo
from trainer.study.flatness import study as flatness
from trainer.study.flatness.runs import Machine
from trainer.study.flatness.settings import Amounts, Looks
from trainer.study.precision_table.options import parse_options
from trainer.study.precision_table.report import numbers_of
from trainer.study.precision_table.report import write as write_table
from trainer.study.precision_table.table import measured
from trainer.study.reproduction.outcome import Outcome
from trainer.study.reproduction.sweeps import outcome_of

Settings = Mapping[str, Any]
FLAT_RUNS = Path("outputs") / "reproduce_flatness"  # of its two runs, whose checkpoints are needed


def schedules(settings: Settings, folder: Path) -> Outcome:
    """Draw the shapes of the text's schedules, and hold them against its formulas."""
    panels = settings["panels"]
    _schedules.figure(panels, columns=len(panels)).savefig(folder / "schedules.png")
    worst = {overrides: farthest(overrides) for overrides in panels}
    sentences = [
        f"`{overrides}` differs from the text's formula by at most {gap:.1g} of the peak over "
        f"{_schedules.TOTAL} steps."
        for overrides, gap in worst.items()
    ]
    names = " ".join(overrides.removeprefix("scheduler=") for overrides in panels)
    line = "python -m trainer task=plan scheduler=$s task.picture=$s.png"
    command = f"for s in {names}; do {line}; done"
    ours = {"largest": f"{max(worst.values()):.1g}"}
    power = "Nothing is drawn at random here."
    return Outcome(command, tuple(sentences), power, ours, ("schedules.png",))


def farthest(overrides: str) -> float:
    """Return the largest difference of a schedule from its formula in the text, as a share of the
    peak."""
    formula = FORMULAS[overrides.split()[0].removeprefix("scheduler=")]
    trace = _schedules.trace(overrides)
    return max(abs(point.lr_scale - formula(step)) for step, point in enumerate(trace))


def step_decay(step: int) -> float:
    """Return a tenth for every 30 % of the run that is over."""
    return 0.1 ** math.floor(step / (0.3 * _schedules.TOTAL) + 1e-9)


def exponential(step: int) -> float:
    """Return a decay to a tenth over half of the run."""
    return float(0.1 ** (step / (0.5 * _schedules.TOTAL)))


def cyclic(step: int) -> float:
    """Return the text's triangle with x and cycle as they are meant: x = |iterations / step-size -
    2 cycle + 1|, cycle = floor(1 + iterations / (2 step-size))."""
    size = 0.25 * _schedules.TOTAL
    cycle = math.floor(1 + step / (2 * size))
    return max(0.0, 1.0 - abs(step / size - 2 * cycle + 1))


def cosine(step: int) -> float:
    """Return the text's half cosine over the run."""
    return 0.5 * (1.0 + math.cos(math.pi * step / _schedules.TOTAL))


FORMULAS: dict[str, Callable[[int], float]] = {
    "step": step_decay,
    "exponential": exponential,
    "cyclic": cyclic,
    "cosine": cosine,
}


def comparison(settings: Settings, folder: Path) -> Outcome:
    """Make a comparison of tuned arms."""
    given = {name: settings.get(name) for name in ("n", "trials")}
    plan = changed(load_comparison(settings["name"]), line=settings["overrides"], **given)
    command = command_of(plan, given["n"], given["trials"])
    result = perform(plan)
    write(result, folder, command)
    power = power_text(result)
    if settings.get("is_toy"):
        power = f"Of a toy size. {power}"
    sentences = [sentence for sentence in conclusions(result) if sentence != power_text(result)]
    rows = [run for arm in (*result.tuned, *result.untuned) for run in arm.runs]
    files = [f"{plan.name}{ending}" for ending in (".png", ".md", ".csv", "_trials.csv")]
    return outcome_of(command, sentences, power, rows, dict(numbers(result)), files)


def numbers(result: ComparisonResult) -> Iterator[tuple[str, str]]:
    """Yield each arm's error and difference as text, in the units that publications use."""
    for row in result.comparison.rows:
        spread, label = row.spread, row.arm.label
        if spread.mean is not None:
            sd = "" if spread.sd is None else f"sd {100 * spread.sd:.2f}, "
            yield f"error {label}", f"{100 * (1 - spread.mean):.2f} % ({sd}n={spread.n})"
        if difference := difference_text(row.difference):
            yield f"difference {label}", f"{difference} points of accuracy"


def flat(settings: Settings, folder: Path) -> Outcome:
    """Train SGD and SWA from one start, and look at the landscape about them."""
    overrides, every, runs = settings["overrides"], settings["start"], FLAT_RUNS
    shutil.rmtree(runs, ignore_errors=True)  # of other sources, or half done
    kept = (f"checkpoint.every={every}", "checkpoint.keep=all")
    swa = train((*settings["experiment"], *overrides, *kept), runs / "swa")
    begin = f"{swa.path}@{step_of(every, swa)}"
    line = ("scheduler=cosine", "average=none", f"init_from={begin}", f"epochs={settings['rest']}")
    sgd = train((*settings["experiment"], *overrides, *line), runs / "sgd")
    facts = flatness.study(
        (str(sgd.path), f"{swa.path}@average", begin),
        folder,
        looks=Looks(**settings["looks"]),
        amounts=Amounts(**{k: Amount.parse(v, k) for k, v in settings["images"].items()}),
        machine=Machine(threads=1),
        labels=("SGD", "SWA", "start"),
    )
    files = ("plane.png", "segment.png", "rays.png", "flatness.json")
    power = "One pair of runs, as in the paper's pictures; the spread is over rays."
    if settings.get("is_toy"):
        power = "One pair of runs of a toy size."
    command = "python -m trainer flatness SGD SWA@average SWA@START --labels SGD,SWA,start"
    ours = {w["label"]: scores_text(w) for w in facts["weights"]}
    return outcome_of(command, flatness_sentences(facts), power, [swa, sgd], ours, files)


def step_of(duration: str, run: RunRow) -> int:
    """Return the step of a run after a duration; its best checkpoint may lie before."""
    first, last = run.epochs[0], run.epochs[-1]
    return Duration.parse(duration, "start").steps(first.step, last.step)


def train(overrides: Sequence[str], folder: Path) -> RunRow:
    """Train one run with one thread and return its record."""
    line = (*overrides, "threads=1", "seed=0", "report_test=true")
    execute(RunRequest(compose(*line), line, folder=str(folder), quiet=True))
    return read_run(folder)


def scores_text(weights: Mapping[str, Any]) -> str:
    """Return training loss and test error of weights."""
    return f"train loss {weights['train_loss']:.4f}, test error {100 * weights['test_error']:.1f} %"


def flatness_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return where the two solutions lie and how the loss rises about them."""
    sentences = [f"{w['label']}: {scores_text(w)}." for w in facts["weights"]]
    at_sgd, at_swa = (w["train_loss"] for w in facts["weights"][:2])
    than = "higher" if at_swa > at_sgd else "no higher"
    sentences.append(
        f"SWA's own training loss is {than} than SGD's, where the paper has it higher."
    )
    for kind, name in (("raw", "raw"), ("filter", "filter-normalised")):
        end = facts["rises"][kind]["train_loss"][-1]
        sgd, swa = (rise["mean"] for rise in end["rises"][:2])
        which = "less" if swa < sgd else "no less"
        sentences.append(
            f"Along {name} rays, {end['share']:g} norms away, the training loss rises by {swa:.3f} "
            f"from SWA and by {sgd:.3f} from SGD: {which} from SWA."
        )
    return sentences


def precision(settings: Settings, folder: Path) -> Outcome:
    """Measure networks in several number formats."""
    line = shlex.split(settings["options"])
    root = [
        override.split("=", 1)[1]
        for override in settings["overrides"]
        if override.startswith("data.root=")
    ]
    line += ["--root", root[-1]] if root else []
    options = parse_options([*line, "--out", str(folder)])
    table = measured(options)
    write_table(folder, table.speeds, table.scores, table.facts())
    sentences, ours = [], {}
    for row in table.speeds:
        one = numbers_of(row, table.speeds, options.epoch_images)
        if row.precision != "fp32" and row.at == "equal" and one["times_fp32"]:
            ours[f"{row.model} {row.precision}"] = f"{one['times_fp32']:.2f} times fp32's speed"
    sentences = [f"{name}: {text} at equal batch." for name, text in ours.items()]
    sentences = sentences or ["No network was measured in two formats."]
    power = "Of a toy size." if settings.get("is_toy") else f"{options.rounds} rounds, interleaved."
    command = f"python -m trainer precision_table {settings['options']}"
    files = tuple(n for n in ("table.md", "table.json", "speed.csv") if (folder / n).is_file())
    return Outcome(command, tuple(sentences), power, ours, files)


def demonstration(settings: Settings, folder: Path) -> Outcome:
    """Run a demonstration."""
    made = load_demo(settings["name"]).with_overrides(settings["overrides"])
    seeds = settings["seeds"]
    command = f"python -m trainer demo {made.name} --seeds {seeds}"
    result = demo.perform(made, seeds=seeds, command=command)
    result.shown.figure.savefig(folder / f"{made.name}.png")
    replace_text(folder / f"{made.name}.md", result.page)
    power = f"n={seeds}, as stated beforehand."
    if seeds < made.seeds or settings.get("is_toy"):
        power = f"Below its stated power: n={seeds} of a toy size where {made.seeds} were stated."
    rows = [run for arm in result.arms for run in arm.runs]
    sentences, files = result.sentence.splitlines()[:1], (f"{made.name}.png", f"{made.name}.md")
    return outcome_of(command, sentences, power, rows, {}, files)

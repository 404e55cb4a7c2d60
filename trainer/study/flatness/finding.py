"""Flatness as a study: SGD and SWA are trained from one start, and looked at."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.core.units import Amount, Duration
from trainer.record.runs import RunRow, read_run
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.study.flatness import study as flatness
from trainer.study.flatness.runs import Machine
from trainer.study.flatness.settings import Amounts, Looks
from trainer.study.page import StudyFinding
from trainer.study.study import Study

FILES = ("plane.png", "segment.png", "rays.png", "flatness.json")


def find(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Train SGD and SWA from one start, and look at the landscape about them."""
    settings, runs = study.settings, study.folder / "runs"
    shutil.rmtree(runs, ignore_errors=True)  # of other sources, or half done
    words, every = (*study.base, *study.last_words), settings["start"]
    swa = train(study, (*words, f"checkpoint.every={every}", "checkpoint.keep=all"), runs / "swa")
    begin = f"{swa.path}@{step_of(every, swa)}"
    line = ("scheduler=cosine", "average=none", f"init_from={begin}", f"epochs={settings['rest']}")
    sgd = train(study, (*words, *line), runs / "sgd")
    facts = flatness.study(
        (str(sgd.path), f"{swa.path}@average", begin),
        folder,
        looks=Looks(**settings["looks"]),
        amounts=Amounts(**{k: Amount.parse(v, k) for k, v in settings["images"].items()}),
        machine=Machine(threads=1, plugins=study.plugins),
        labels=("SGD", "SWA", "start"),
    )
    power = "One pair of runs, as in the paper's pictures; the spread is over rays."
    if study.is_toy:
        power = "One pair of runs of a toy size."
    command = "python -m trainer flatness SGD SWA@average SWA@START --labels SGD,SWA,start"
    return StudyFinding(
        flatness_sentences(facts),
        power,
        runs=[swa, sgd],
        notes=[f"the landscape alone: `{command}`"],
        ours={w["label"]: scores_text(w) for w in facts["weights"]},
        files=FILES,
    )


def step_of(duration: str, run: RunRow) -> int:
    """Return the step of a run after a duration; its best checkpoint may lie before."""
    first, last = run.epochs[0], run.epochs[-1]
    return Duration.parse(duration, "start").steps(first.step, last.step)


def train(study: Study, overrides: Sequence[str], folder: Path) -> RunRow:
    """Train one run with one thread and return its record."""
    line = (*overrides, "threads=1", "seed=0", "report_test=true")
    execute(RunRequest(study.compose(*line), line, folder=str(folder), quiet=True))
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

"""Each rule fires on its case and is silent beside it; on the default job and on no preset does
any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.command import ROOT
from tests.lint.contexts import config_of, context_of
from trainer.composition.search_path import Sources
from trainer.core.errors import ConfigError
from trainer.lint import RULES, LintContext, check, described, rule
from trainer.lint.page import sections
from trainer.study.spec import load, names
from trainer.sweep.jobs import Sweep

SWEEP = Sweep(Sources())

GIVEN: dict[str, dict[str, Any]] = {
    "slow": {"ask_bf16_gain": lambda: 0.8},
    "fast": {"ask_bf16_gain": lambda: 1.5},
    "found": {"ask_found_lr": lambda: (0.02, Path("outputs/default/a"))},
    "swept": {"swept": ("optim.lr", "model")},
}

# A rule, a command line on which it fires with words of the fix, and one beside it. `given:` names
# what the rule learns besides.
CASES = [
    (
        "cycle_longer_than_run",
        "scheduler=cosine_restarts scheduler.t_0=30ep",
        "scheduler.t_0=420st or less",
        "scheduler=cosine_restarts scheduler.t_0=10ep",
    ),
    (
        "cycle_longer_than_run",
        "scheduler=cyclic scheduler.step_size=15ep",
        "scheduler.step_size=210st",
        "scheduler=cyclic scheduler.step_size=10ep",
    ),
    (
        "cycle_longer_than_run",
        "scheduler=cyclic scheduler.step_size=5ep scheduler.step_size_down=18ep",
        "takes 483 steps, and the run has 420",
        "scheduler=cyclic scheduler.step_size=5ep scheduler.step_size_down=15ep",
    ),
    (
        "warmup_longer_than_half",
        "scheduler.warmup=11ep",
        "scheduler.warmup=5% to 20%",
        "scheduler.warmup=10ep",
    ),
    (
        "schedule_moves_rarely",
        "scheduler=cosine scheduler.every=1ep epochs=3",
        "scheduler.every=1st",
        "scheduler=cosine scheduler.every=1ep epochs=5",
    ),
    (
        "average_longer_than_run",
        "average=ema average.decay=0.999",
        "set average.decay=0.99 or less or decay_warmup=true",
        "average=ema average.decay=0.99",
    ),
    (
        "average_less_than_an_epoch",
        "average=ema average.start=97%",
        "set average.start=75%",
        "average=ema average.start=90%",
    ),
    (
        "average_where_weights_stand_still",
        "average=swa average.start=95% average.every=1st scheduler=cosine",
        "set scheduler=swa",
        "average=swa average.start=75% scheduler=cosine",
    ),
    (
        "average_begins_in_warmup",
        "average=swa average.start=0ep scheduler.warmup=2ep",
        "set average.start=75%",
        "average=swa average.start=2ep scheduler.warmup=2ep",
    ),
    ("batch_larger_than_data", "batch_size=2048", "set batch_size=128", "batch_size=1024"),
    ("few_val_images", "data.val=90", "known to +-6 points", "data.val=100"),
    ("few_val_images", "data.val=5%", "set data.val=100", "data.val=0"),
    (
        "mirrored_digits",
        "augment=standard data=mnist",
        "augment.standard.flip=false",
        "augment=standard data=mnist augment.standard.flip=false",
    ),
    ("mirrored_digits", "augment=alternating_flip", "augment=shift", "augment=shift"),
    ("mirrored_digits", "tta=flip", "tta=none", "tta=flip data=cifar10"),
    (
        "mix_in_a_short_run",
        "mix=mixup epochs=4",
        "train longer, or set mix=none",
        "mix=mixup epochs=5",
    ),
    (
        "tiny_parts_of_small_images",
        "augment=random_resized_crop",
        "augment.random_resized_crop.scale=[0.5,1]",
        "augment=random_resized_crop augment.random_resized_crop.scale=[0.5,1]",
    ),
    (
        "most_of_an_image_is_cut_out",
        "augment=cutout augment.cutout.size=7",
        "augment.cutout.size=4 or less",
        "augment=cutout augment.cutout.size=6",
    ),
    (
        "test_images_in_a_sweep",
        "report_test=true given:swept",
        "leave report_test out",
        "report_test=true",
    ),
    (
        "rate_scaled_twice",
        "optim.lr_rule=linear batch_size=1024 optim.lr=0.4",
        "set optim.lr=0.1 or optim.lr_rule=none",
        "optim.lr_rule=linear batch_size=1024 optim.lr=0.1",
    ),
    (
        "linear_rule_for_adam",
        "optim=adamw optim.lr_rule=linear batch_size=64",
        "set optim.lr_rule=none optim.lr=0.0005",
        "optim=adamw optim.lr_rule=linear batch_size=256",
    ),
    ("rate_out_of_range", "optim=adam optim.lr=0.1", "very high", "optim=adam optim.lr=0.01"),
    ("rate_out_of_range", "optim.lr=1e-4", "set optim.lr=0.1", "optim.lr=1e-4 given:swept"),
    (
        "rate_far_from_found",
        "optim.lr=0.5 given:found",
        "25 times above the 0.02",
        "optim.lr=0.1 given:found",
    ),
    (
        "rate_far_from_found",
        "optim.lr=0.001 given:found",
        "20 times below the 0.02",
        "optim.lr=0.001 given:found given:swept",
    ),
    (
        "decay_out_of_range",
        "optim.weight_decay=0.01",
        "set optim.weight_decay=0.0005",
        "optim=adamw optim.weight_decay=0.1",
    ),
    (
        "decay_in_adam",
        "optim=adam optim.weight_decay=1e-4",
        "set optim=adamw",
        "optim=adamw optim.weight_decay=1e-4",
    ),
    (
        "bf16_slower_here",
        "precision=bf16 given:slow",
        "takes 1.25 times as long",
        "precision=bf16 given:fast",
    ),
    ("bf16_slower_here", "precision=bf16 given:slow", "precision=fp32", "given:slow"),
]


def found_in(line: str) -> dict[str, str]:
    given: dict[str, Any] = {}
    words = [w for w in line.split() if not w.startswith("given:")]
    for word in line.split():
        if word.startswith("given:"):
            given |= GIVEN[word.partition(":")[2]]
    return check(context_of(config_of(words, SWEEP), **given))


@pytest.mark.parametrize(("name", "case", "fix", "beside"), CASES)
def test_a_rule_fires_on_its_case_and_is_silent_beside_it(
    name: str, case: str, fix: str, beside: str
) -> None:
    found = found_in(case)
    assert fix in found.get(name, ""), found
    assert "\n" not in found[name]
    assert name not in found_in(beside)


def test_every_rule_has_a_case_and_says_why() -> None:
    check(context_of(config_of((), SWEEP)))
    assert {case[0] for case in CASES} == set(RULES)
    assert len(RULES) >= 20
    for one in described():
        assert one.finds.endswith("."), one.name
        assert len(one.why) > 60, one.name


def test_the_page_is_made_of_the_docstrings() -> None:
    text = (ROOT / "docs/reference/linter.md").read_text(encoding="utf-8")
    assert text.partition("\n## ")[2] == sections().removeprefix("## ")


def test_nothing_is_odd_about_the_default_job() -> None:
    assert check(context_of(config_of((), SWEEP))) == {}


def presets() -> list[str]:
    base = ROOT / "conf" / "experiment"
    return sorted(str(f.relative_to(base).with_suffix("")) for f in base.rglob("*.yaml"))


@pytest.mark.slow
def test_nothing_is_odd_about_any_preset() -> None:
    found = {}
    for name in presets():
        overrides = [f"+experiment={name}"]
        if name.endswith("distill"):
            overrides.append("loss.teacher=outputs/teacher")
        odd = check(context_of(config_of(overrides, SWEEP)))
        if odd:
            found[name] = odd
    assert found == {}
    assert len(presets()) >= 25


def lines_of_scale(name: str, scale: str) -> list[list[str]]:
    """Return the command line of each arm of a study at a scale, without what is tuned."""
    study = load(name, scale)
    arms = [arm.overrides for arm in study.arms] or [()]
    return [[*study.base, *overrides, *study.size] for overrides in arms]


@pytest.mark.slow
def test_nothing_is_odd_about_any_study_that_composes() -> None:
    found: dict[str, dict[str, str]] = {}
    looked_at = 0
    for scale in ("minute", "cpu", "gpu"):
        for name in names(scale):
            for line in lines_of_scale(name, scale):
                try:
                    config = config_of(line, SWEEP)
                except ConfigError:  # what is missing comes from an earlier run
                    continue
                if config.data.name == "synthetic":
                    continue
                looked_at += 1
                # what an arm tunes it is told later
                odd = check(context_of(config, swept=("optim.lr", "optim.weight_decay")))
                odd.pop("test_images_in_a_sweep", None)  # a study chooses on val by itself
                if odd:
                    found[f"{name} {scale} {' '.join(line)}"] = odd
    assert found == {}
    assert looked_at >= 40


def test_a_rule_of_a_plugin_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def odd_seed(context: LintContext) -> str | None:
        """An odd seed."""
        return f"seed={context.config.seed} is odd: set seed=2" if context.config.seed % 2 else None

    monkeypatch.setattr("trainer.lint.base.RULES", dict(RULES))
    rule(odd_seed)
    assert check(context_of(config_of(["seed=3"], SWEEP))) == {
        "odd_seed": "seed=3 is odd: set seed=2"
    }

    def other(context: LintContext) -> None:
        """Of another plugin."""

    other.__name__, other.__module__ = "odd_seed", "another.plugin"
    with pytest.raises(ValueError, match="odd_seed is registered by"):
        rule(other)


def test_a_rule_that_fails_is_a_warning_and_the_others_are_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(context: LintContext) -> str | None:
        """Broken."""
        return f"{1 / 0}"

    def firing(context: LintContext) -> str | None:
        """Fires."""
        return "set seed=2"

    monkeypatch.setattr("trainer.lint.base.RULES", {"broken": broken, "firing": firing})
    assert check(context_of(config_of([], SWEEP))) == {"firing": "set seed=2"}
    assert "the rule broken of the linter failed: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("average", ["swa", "swa_paper", "ema", "lookahead"])
def test_no_rule_fails_where_averages_begin_with_the_first_step(
    average: str, caplog: pytest.LogCaptureFixture
) -> None:
    start = [] if average == "lookahead" else ["average.start=0%"]
    often = [["average.every=1st"]] if average in ("swa", "ema") else []
    if average == "swa":
        often.append(["average.include_init=true", "average.every=3st"])
    for words in ([], *often, ["scheduler.warmup=2st"], ["epochs=1"]):
        check(context_of(config_of([f"average={average}", *start, *words], SWEEP)))
    assert "failed" not in caplog.text


def test_a_rule_without_its_reason_is_no_rule_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(context: LintContext) -> None:
        """Says nothing."""

    monkeypatch.setattr("trainer.lint.base.RULES", {"silent": silent})
    with pytest.raises(ValueError, match="silent must say what it finds"):
        described()


def test_sweep_presets_lint_quietly_on_their_rates() -> None:
    values = OmegaConf.load(ROOT / "conf" / "sweep" / "lr_tradeoff.yaml")
    assert values is not None
    swept = context_of(config_of(["optim.lr=1e-5"], SWEEP), swept=("optim.lr",))
    assert check(swept) == {}

"""The schedule for weight averaging: the authors' code, SWALR, and torchcontrib's jump."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.swa_utils import SWALR

from tests.scheduler.trace import PEAK, factors, span, torch_factors
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler._frame import Rate
from trainer.scheduler.swa import SwaSchedule


def test_by_hand() -> None:
    part = SwaSchedule(Rate(20.0, is_share=True), span("2st"), span("4st"))
    got = factors(part, 8)
    assert got == pytest.approx([1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2])


def authors(epoch: float, swa_start: float, ratio: float) -> float:
    """The rule of the authors' code (arXiv:1803.05407), written out anew."""
    t = epoch / swa_start
    if t <= 0.5:
        return 1.0
    return 1.0 - (1.0 - ratio) * (t - 0.5) / 0.4 if t <= 0.9 else ratio


@pytest.mark.parametrize("every", ["1st", "1ep"])
def test_the_defaults_are_the_authors_with_averaging_from_three_quarters_on(every: str) -> None:
    got = factors(SwaSchedule(), 200 * 4, 4, every=every)
    times = [t / 4 if every == "1st" else t // 4 for t in range(801)]
    expected = [authors(time, swa_start=150, ratio=0.5) for time in times]
    assert got == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "strategy"), [("linear", "linear"), ("cosine", "cos")])
def test_parity_with_torch_s_swalr_over_10000_steps(shape: str, strategy: str) -> None:
    make = partial(SWALR, swa_lr=0.1 * PEAK, anneal_epochs=7_000, anneal_strategy=strategy)
    got = factors(SwaSchedule(Rate(0.1 * PEAK), span("1000st"), span("7000st"), shape), 10_000)
    assert got[:1_000] == [1.0] * 1_000
    assert got[1_000:] == pytest.approx(torch_factors(make, 9_001), rel=1e-9, abs=0)


def test_an_anneal_of_nothing_jumps_where_torchcontrib_does() -> None:
    # its swa_start=10: the steps numbered 10, 11, ... (counted from 0) are taken with swa_lr
    got = factors(SwaSchedule(Rate(0.15), span("10st"), span("0st")), 20)
    assert got == [1.0] * 10 + [0.5] * 11


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 50), st.sampled_from(["linear", "cosine"]))
def test_it_ends_at_swa_lr_whatever_the_run(total: int, per_epoch: int, shape: str) -> None:
    got = factors(SwaSchedule(shape=shape), total, per_epoch)
    assert got[-1] == 0.5
    assert got == sorted(got, reverse=True)


def test_shares_that_fill_the_run_do_so_whatever_their_rounding() -> None:
    got = factors(SwaSchedule(anneal=span("62.5%")), 20)  # from step 7.5 on, for 12.5 steps
    assert got[-2] > got[-1] == 0.5


def test_the_start_is_counted_from_the_first_step_warm_up_included() -> None:
    got = factors(SwaSchedule(start=span("6st"), anneal=span("0st")), 8, warmup="2st")
    assert got == [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"swa_lr": 0}, r"scheduler\.swa_lr must be above 0"),
        ({"swa_lr": "half"}, r"scheduler\.swa_lr must be a learning rate"),
        ({"anneal": "0ep", "shape": "cosine"}, r"scheduler\.shape=cosine has no effect"),
        ({"start": 0.5}, r"scheduler\.start=0\.5ep"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(SwaSchedule, values, "scheduler")


@pytest.mark.parametrize(
    ("part", "keys", "message"),
    [
        (
            SwaSchedule(start=span("100%")),
            {},
            r"scheduler\.start=100% is step 20, after the last step",
        ),
        (
            SwaSchedule(start=span("1st")),
            {"warmup": "2st"},
            r"scheduler\.start=1st .*within warm-up",
        ),
        (
            SwaSchedule(anneal=span("70%")),
            {},
            r"scheduler\.anneal=70% reach scheduler\.swa_lr at step 22",
        ),
        (SwaSchedule(Rate(0.4)), {}, r"scheduler\.swa_lr=0\.4 is above the peak"),
        (SwaSchedule(), {"min_lr": 0.01}, r"scheduler\.min_lr has no effect on scheduler=swa"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(part: SwaSchedule, keys, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        factors(part, 20, **keys)

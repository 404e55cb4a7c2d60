"""TeX of the pages becomes Unicode without a leftover."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.explain import all_pages
from trainer.explain.tex import SYMBOLS, plain


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\eta_t = \eta_{\max} \, \gamma^{\lfloor t / s \rfloor}", "ηₜ = ηₘₐₓ γ^⌊t / s⌋"),
        (r"\frac{1 + \cos(\pi p)}{2}", "(1 + cos(π p)) / 2"),
        (r"\frac{1}{n} \sum_{i=1}^{n} w_i", "(1 / n) ∑ᵢ₌₁ⁿ wᵢ"),
        (r"\frac{m}{\sqrt{\hat v} + \epsilon}", "m / (√v̂ + ε)"),
        (r"\begin{cases} a & \text{if } b \\ c & \text{else} \end{cases}", "{ a if b;  c else }"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "a = b\nc = d"),
        (r"\left\lvert x - 1 \right\rvert", "| x − 1 |"),
        (r"10^{-8} \cdot {2.5}", "10⁻⁸ · 2.5"),
        (r"\mathcal{N}(0, 1) \in \{1, \ldots, K\}", "N(0, 1) ∈ {1, …, K}"),
    ],
)
def test_a_formula_reads_as_on_paper(tex: str, text: str) -> None:
    assert plain(tex) == text


def test_every_formula_of_every_page_converts_without_a_leftover() -> None:
    seen = 0
    for page in all_pages():
        text = page.file.read_text(encoding="utf-8")
        for match in re.finditer(r"\$\$\n(.*?)\n\$\$|(?<!\$)\$([^$\n]+)\$", text, re.DOTALL):
            seen += 1
            told = plain(match[1] or match[2])
            assert told
            assert not re.search(r"[\\$^_]$|\\|\$", told), told
            assert told.count("(") == told.count(")"), told
    assert seen >= 300


@pytest.mark.parametrize("tex", [r"\unknown", r"\begin{matrix} a \end{matrix}"])
def test_what_is_not_known_is_an_error_and_not_left_out(tex: str) -> None:
    with pytest.raises(ValueError, match="no "):
        plain(tex)


NAMES = sorted(name for name in SYMBOLS if name.isalpha())


@pytest.mark.slow
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5))
def test_any_sum_of_symbols_converts(names: list[str]) -> None:
    told = plain(" + ".join(f"\\{name}" for name in names))
    assert "\\" not in told
    assert told.count("+") == len(names) - 1

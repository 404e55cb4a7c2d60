"""Every name has its page, whole and true as far as a test can see: headings, commands, answers,
numbers, papers."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.command import ROOT
from trainer.cli.arguments import take_apart
from trainer.cli.subcommands import SUBCOMMANDS
from trainer.composition.compose import compose_overrides
from trainer.composition.search_path import SEAMS, Sources
from trainer.config.groups import REGISTRIES
from trainer.config.run_config import parse
from trainer.explain import HEADINGS, Page, all_pages, page_of
from trainer.explain.checks import filled
from trainer.explain.keys import all_keys

PAGES = all_pages()
FOUND = Sources()
NAMES = [f"{group}={name}" for group in SEAMS for name in FOUND.options(group)]
FAMILIES = ("scheduler", "optim", "average", "mix", "loss", "precision", "augment", "model")
ANSWER = re.compile(r"^\*\*(\d)\.\*\* .+?^:::\{dropdown\} Answer\n.+?^:::$", re.M | re.S)


def name_of(page: Page) -> str:
    return f"{page.file.parent.name}/{page.file.stem}"


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def test_every_name_of_every_registry_has_one_page() -> None:
    registered = [f"{group}={name}" for group, r in REGISTRIES.items() for name in r.names()]
    assert len(PAGES) >= 90
    assert set(registered) <= set(NAMES)
    written = [word for page in PAGES for word in page.written]
    assert len(written) == len(set(written))
    assert {word for word in written if "=" in word} == set(NAMES)
    assert {word for word in written if "=" not in word} <= set(all_keys(FOUND))
    for name in NAMES:
        page = page_of(name)
        assert page is not None
        assert page.file.parent.name == name.partition("=")[0]


@each_page
def test_a_page_has_all_headings_in_order(page: Page) -> None:
    assert tuple(page.sections) == HEADINGS
    assert all(page.sections.values())
    assert page.title
    assert page.written
    assert "$$" in page.sections["Formula"]
    assert not re.search(r"[^\x00-\x7f]", page.file.read_text(encoding="utf-8"))


@each_page
def test_exercises_have_answers_which_are_true(page: Page) -> None:
    text = page.sections["Exercises"]
    numbers = [match[1] for match in ANSWER.finditer(text)]
    is_none = page.file.stem == "none"
    least = 1 if is_none or page.file.parent.name not in FAMILIES else 2
    assert numbers == [str(i + 1) for i in range(len(numbers))]
    assert len(numbers) == text.count(":::{dropdown}") >= least
    assert re.sub(ANSWER, "", text).strip() == ""
    test = doctest.DocTestParser().get_doctest(
        text.replace("```", ""), {}, name_of(page), str(page.file), 0
    )
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert told == []


@pytest.mark.slow
@each_page
def test_every_command_composes_and_is_accepted(page: Page) -> None:
    assert page.commands
    for command in page.commands:
        check_command(command)


def check_command(command: str) -> None:
    """Fail unless a command's words are accepted up to where data would be read."""
    words = shlex.split(command)
    assert words[0] in ("python", "torchrun"), command
    rest = words[words.index("trainer") + 1 :]
    if rest and rest[0] in SUBCOMMANDS:
        if rest[0] in ("demo", "study"):
            assert rest[1] in FOUND.options("study"), command
        return
    line = take_apart(rest)
    first = [w if "[" in w else w.split(",")[0] for w in line.overrides]
    composed = compose_overrides(first if line.is_sweep else line.overrides)
    parse(OmegaConf.create(filled(composed.tree)))


@each_page
def test_worth_cites_committed_results_or_says_that_there_are_none(page: Page) -> None:
    text = " ".join(page.sections["Worth"].split())
    cited = re.findall(r"(?:docs|conf)/[\w/]+\.(?:md|yaml)", text)
    presets = re.findall(r"`\+experiment=(\w+)`", text)
    files = [*map(Path, cited), *(Path(f"conf/experiment/{name}.yaml") for name in presets)]
    assert files or "Nothing was measured" in text
    held = " ".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", text):
        assert holds(held, float(number), len(number.partition(".")[2])), f"{number} is nowhere"


def holds(text: str, number: float, digits: int) -> bool:
    """Return whether a text has a number, or one that is it when rounded."""
    known = {abs(float(n)) for n in re.findall(r"-?\d+\.\d+|\d+", text)}
    return any(abs(n - number) < 0.51 * 10**-digits for n in known)


@each_page
def test_papers_are_those_of_the_module(page: Page) -> None:
    papers = page.papers
    assert len(papers) == page.file.read_text(encoding="utf-8").count("arXiv:")
    group = page.file.parent
    own = group / f"{page.file.stem}.py"
    files = [own, *group.glob("_*.py")] if own.is_file() else [*group.glob("*.py")]
    text = " ".join(f.read_text(encoding="utf-8") for f in files)
    for paper in papers:
        assert re.fullmatch(r"\d{4}\.\d{4,5}", paper)
        assert paper in text, paper


def test_every_demonstration_is_named_by_a_page() -> None:
    named = set(re.findall(r"trainer demo (\w+)", " ".join(c for p in PAGES for c in p.commands)))
    shown = {"lr", "scheduler", "optim", "swa", "slices", "mixup", "precision", "ddp"}
    assert shown <= named <= set(FOUND.options("study"))

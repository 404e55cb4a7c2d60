"""What is printed about a topic, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from trainer.composition.compose import Composed, compose_overrides
from trainer.composition.search_path import SEAMS, Sources
from trainer.core.convert import typed
from trainer.core.errors import ConfigError, unknown
from trainer.core.yaml_files import flat, leaf, read_yaml
from trainer.explain.checks import check_values, check_whole
from trainer.explain.keys import KeyText, key_text, short_text, words_for
from trainer.explain.listing import names_of
from trainer.explain.pages import Page, page_of
from trainer.explain.render import inline, section, with_values
from trainer.explain.schedule import STEPS_PER_EPOCH, moments, why_not
from trainer.explain.topic import Topic
from trainer.scheduler import Rate

BAR = 30
RATES = ("scheduler.min_lr", "scheduler.swa_lr")  # which may be shares of the peak


@dataclass(frozen=True)
class Explanation:
    """What is printed about a topic.

    Attributes:
        topic: what was asked.
        words: that were given beside it.
        composed: what they all compose to.
        found: where configurations are looked up.
        console: for its width.
        answers: whether exercises show theirs.
    """

    topic: Topic
    words: tuple[str, ...]
    composed: Composed
    found: Sources
    console: Console
    answers: bool

    @classmethod
    def of(
        cls, topic: Topic, words: Sequence[str], found: Sources, console: Console, answers: bool
    ) -> Explanation:
        """Return the explanation; the words are checked as those of a run are.

        Raises:
            ConfigError: as for the line of a run.
        """
        preset = topic.preset and not topic.preset.startswith("study/")
        own = (f"+{topic.preset.replace('/', '=', 1)}",) if preset else topic.overrides
        composed = compose_overrides([*choosing(topic), *own, *words], found)
        check_values(composed, topic)
        return cls(topic, tuple(words), composed, found, console, answers)

    def values(self) -> dict[str, Any]:
        """Return the values of the configuration by dotted key."""
        return {key: leaf(self.composed.tree, key) for key in flat(self.composed.tree)}

    def lines(self) -> Iterator[Text]:
        """Yield all lines."""
        for note in self.composed.notes:
            yield Text(f"# {note}")
        if self.topic.group:
            yield from names_of(self.topic.group, self.found)
        elif self.topic.preset:
            yield from self.preset()
        elif self.topic.key:
            page = page_of(self.topic.key)
            yield from self.key()
            if page is not None:
                yield from self.page(page, page.title)
        for choice in self.topic.choices:
            yield from self.choice(choice)

    def choice(self, choice: str) -> Iterator[Text]:
        """Yield the page of a name and its keys."""
        group, _, name = choice.partition("=")
        page = page_of(choice) or page_of(f"{group}={self.base(group, name)}")
        if page is None:
            yield Text(choice, "bold underline")
            yield Text("No page is written about it: these are its keys.")
            yield Text()
            yield from self.keys_of(group, name)
        else:
            yield from self.page(page, f"{page.title}: {choice}", (group, name))

    def page(self, page: Page, title: str, choice: tuple[str, str] | None = None) -> Iterator[Text]:
        """Yield a page under a title, with the keys of a choice after its formula."""
        values = self.values()
        yield Text(title, "bold underline")
        words = words_for("=".join(choice)) if choice else []
        if words:
            yield Text(f"also written {', '.join(words)}")
        yield Text()
        for heading, markdown in page.sections.items():
            yield Text(heading, "bold")
            is_formula = heading == "Formula"
            yield from section(
                markdown, self.console, values if is_formula else {}, answers=self.answers
            )
            if is_formula:
                formulas = with_values(markdown, {**values, **self.rates()})
                if formulas:
                    yield Text(f"With this configuration{self.said()}:")
                    yield Text()
                    yield from section(formulas, self.console, {}, answers=False)
                if choice is not None:
                    yield from self.keys_of(*choice)
                if page.file.parent.name == "scheduler":
                    yield from self.schedule()
        if not self.answers and ":::{dropdown}" in page.sections.get("Exercises", ""):
            yield Text("With --answers the exercises show theirs.")
            yield Text()

    def rates(self) -> dict[str, float]:
        """Return the learning rates of the schedule as numbers, where they may be shares."""
        peak, values = peak_of(self.composed), self.values()
        shares = {key: Rate.parse(values[key], key).of(peak, key) for key in RATES if key in values}
        return {key: float(f"{share * peak:.6g}") for key, share in shares.items()}

    def said(self) -> str:
        """Return the words of the line in brackets."""
        return f" ({' '.join(self.words)})" if self.words else ""

    def keys_of(self, group: str, name: str) -> Iterator[Text]:
        """Yield the keys of a choice, each with its value here and its meaning."""
        where = f"{group}.{name}" if group == "augment" else group
        keys = [k for k in self.values() if k.rpartition(".")[0] == where and k != f"{where}.name"]
        if not keys:
            return
        yield Text("Keys", "bold")
        for key in keys:
            about = short_text(group, self.base(group, name), key.rpartition(".")[2])
            yield Text(f"  {key}={typed(self.values()[key])}", "cyan")
            for line in inline(about, {}).wrap(self.console, self.console.width - 6):
                yield Text.assemble("      ", line)
        yield Text()

    def base(self, group: str, name: str) -> str:
        """Return the name of the component behind a choice: a file of a user's names ours."""
        tree = self.composed.tree[group]
        return str((tree[name] if group == "augment" else tree).get("name", name))

    def key(self) -> Iterator[Text]:
        """Yield what is said of a key."""
        key = self.topic.key
        group = key.partition(".")[0]
        chosen = (
            self.composed.tree[group].get("name", "")
            if group in SEAMS and group != "augment"
            else ""
        )
        text = key_text(key, chosen, self.found)
        yield Text(key, "bold underline")
        yield Text()
        about = f"{text.meaning[:1].upper()}{text.meaning[1:].rstrip('.')}."
        yield from inline(about, {}).wrap(self.console, self.console.width)
        yield Text()
        here = self.values().get(key, None)
        rows = [
            ("takes", text.kind + (f", in {text.allowed}" if text.allowed else "")),
            (
                "here",
                typed(here) if key in self.values() else f"the chosen {group} has no such key",
            ),
            ("default", self.defaults(text)),
            ("belongs to", self.owners(text, group)),
            ("also", ", ".join(f"{word}=..." for word in text.spellings)),
        ]
        if page_of(key) is None and group in SEAMS and key in self.values():
            rows.append(("see", f"explain {group}={chosen or next(iter(text.defaults))}"))
        for label, value in rows:
            if value:
                for i, line in enumerate(Text(value).wrap(self.console, self.console.width - 14)):
                    yield Text.assemble((f"  {'' if i else label:12}", "bold"), line)
        yield Text()

    def defaults(self, text: KeyText) -> str:
        """Return a key's defaults: one, or those of each choice where they differ."""
        by_value: dict[str, list[str]] = {}
        for name, value in text.defaults.items():
            value = "none: it must be given" if value == "???" else value
            by_value.setdefault(value, []).append(name)
        if len(by_value) == 1:
            return next(iter(by_value))
        return "; ".join(f"{value} ({', '.join(names)})" for value, names in by_value.items())

    def owners(self, text: KeyText, group: str) -> str:
        """Return which choices have a key."""
        if group not in SEAMS:
            return ""
        if text.is_of_all(self.found.options(group)):
            return f"every {group}"
        return ", ".join(f"{group}={name}" for name in text.defaults)

    def schedule(self) -> Iterator[Text]:
        """Yield the learning rate over the run, as the schedule itself sets it."""
        values = self.composed.tree["scheduler"]
        epochs, max_steps = float(self.composed.tree["epochs"]), self.composed.tree["max_steps"]
        reason = why_not(values, max_steps)
        if reason is not None:
            yield Text(f"The learning rate over the run is not drawn here: {reason};")
            yield Text("task=plan draws it with the data.")
            yield Text()
            return
        peak = peak_of(self.composed)
        try:
            found = moments(values, peak, epochs, max_steps)
        except ConfigError as error:
            check_whole(self.composed)  # in a run's own words, where they need no data
            raise ConfigError(f"{error} (an epoch counted as {STEPS_PER_EPOCH} steps)") from error
        yield Text("Over this run" + self.said(), "bold")
        moves = any(m.momentum is not None for m in found)
        head = f"  {'run':>6}  {'epoch':>7}  {'lr':>10}"
        yield Text(f"{head}  {'momentum':>9}" if moves else head)
        for m in found:
            row = f"  {m.share:>6.0%}  {'-' if max_steps else f'{m.epoch:g}':>7}  {m.lr:>10.4g}"
            if moves:
                row += f"  {'' if m.momentum is None else f'{m.momentum:.4g}':>9}"
            yield Text.assemble(row + "  ", ("\u2588" * round(BAR * m.lr / peak), "cyan"))
        yield Text("The last row is after the last step. task=plan has the steps of your data.")
        yield Text()

    def preset(self) -> Iterator[Text]:
        """Yield the header of a preset's or study's file."""
        file = self.found.file(self.topic.preset)
        if file is None:
            group, _, name = self.topic.preset.partition("/")
            raise unknown(group, name, self.found.options(group))
        yield Text(self.topic.preset.replace("/", "=", 1), "bold underline")
        yield Text()
        question = read_yaml(file).get("question")
        if question:
            yield Text(str(question))
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            if "@package" not in line:
                yield Text(line.lstrip("# ").rstrip() if line.strip("# ") else "")
        yield Text()


def choosing(topic: Topic) -> list[str]:
    """Return the word that makes a key exist, where the default job has no such key."""
    group, _, name = topic.key.partition(".")
    if group == "augment":
        return [f"augment=[{name.partition('.')[0]}]"]
    return []


def peak_of(composed: Composed) -> float:
    """Return the learning rate that the schedule is a factor of."""
    optim = composed.tree["optim"]
    if optim["lr_rule"] == "none":
        return float(optim["lr"])
    from trainer.optim import OptimKeys

    keys = OptimKeys(lr=float(optim["lr"]), lr_rule=optim["lr_rule"])
    return keys.peak(int(composed.tree["batch_size"]))

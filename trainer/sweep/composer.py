"""Many compositions that differ in a few values: what they share is composed once."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainer.composition import Composed, compose_words
from trainer.sources import Sources
from trainer.words import Word, canonical, check_words, quoted, split_word


class Composer:
    """Composes the jobs of a sweep; the result is that of `compose_words`, job by job.

    Hydra chooses the parts first and sets single values last, so that jobs with the same choices
    share all but the last step, which is the cheap one.

    Args:
        sources: where configurations are looked up.
    """

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.groups = sources.groups()
        self.parser = OverridesParser.create()
        self.bases: dict[tuple[Word, ...], Composed] = {}
        self.checked: set[tuple[tuple[Word, ...], str]] = set()

    def compose(self, texts: Sequence[str]) -> Composed:
        """Return what the words of one job compose to.

        Raises:
            ConfigError: naming the culprit.
        """
        words = [quoted(w, is_sweep=False) for w in canonical([split_word(t) for t in texts])]
        choices = tuple(w for w in words if w.key in self.groups)
        values = [w for w in words if w.key not in self.groups]
        if any(w.key.startswith("hydra") or "${" in w.value for w in values):
            return compose_words(texts, self.sources)
        self.check(choices, values)
        if choices not in self.bases:
            self.bases[choices] = compose_words([str(w) for w in choices], self.sources)
        base = self.bases[choices]
        try:
            overrides = self.parser.parse_overrides([str(w) for w in values])
            if any(o.is_sweep_override() for o in overrides):
                return compose_words(texts, self.sources)  # which tells what is wrong with it
            cfg = copy.deepcopy(base.cfg)
            OmegaConf.set_struct(cfg, True)
            ConfigLoaderImpl._apply_overrides_to_config(overrides, cfg)
        except (HydraException, OmegaConfBaseException):
            return compose_words(texts, self.sources)
        return Composed(cfg, tuple(str(w) for w in words), base.notes)

    def check(self, choices: tuple[Word, ...], values: Sequence[Word]) -> None:
        """Raise ConfigError for a word that does not exist beside these choices; each key is looked
        up once."""
        new = [w for w in values if (choices, f"{w.prefix}{w.key}") not in self.checked]
        if new or choices not in self.bases:
            check_words([*choices, *new], self.sources)
            self.checked |= {(choices, f"{w.prefix}{w.key}") for w in new}

"""What is legal but known to hurt, or usually meant otherwise: rules, each of which looks at a plan
of a run and says in one line what is odd and how it is mended.

An author of a rule registers a function by `rule`; see `LintContext` for what it is given.
"""

from trainer.core.clock import Clock
from trainer.lint.base import RULES, LintContext, Rule, check, described, rule

__all__ = ["RULES", "Clock", "LintContext", "Rule", "check", "described", "rule"]

"""From the records of runs to curves, tables, pictures and pages."""

from trainer.analysis._arms import METRICS, OVER_EPOCHS, Arm, arms_of, final, trained

__all__ = ["METRICS", "OVER_EPOCHS", "Arm", "arms_of", "final", "trained"]

"""A slice through two hyperparameters; the same as `python -m trainer.analysis.slices`.

Usage: python -m scripts.slices RUN_OR_FOLDER ... [--y KEY] [--metric val_top1] [--out FILES]
"""

from trainer.analysis.slices.main import main

if __name__ == "__main__":
    main()

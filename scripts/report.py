"""A page of HTML about runs; the same as `python -m trainer.analysis.report`.

Usage: python -m scripts.report RUN_OR_FOLDER ... [--metric val_top1] [--title TEXT] [--out FILE]
"""

from trainer.analysis.report.__main__ import main

if __name__ == "__main__":
    main()

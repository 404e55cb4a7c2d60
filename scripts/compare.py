"""Settings compared over seeds; the same as `python -m trainer.analysis.compare`.

Usage: python -m scripts.compare RUN_OR_FOLDER ... [--metric val_top1] [--baseline WORDS] [--paired]
"""

from trainer.analysis.compare import main

if __name__ == "__main__":
    main()

"""The text's comparisons; the same as `python -m trainer.study.comparison`.

Usage: python -m scripts.comparison [NAME|all] [WORD ...] [--out DIR] [--n N] [--trials N]
"""

from trainer.study.comparison import main

if __name__ == "__main__":
    main("python -m scripts.comparison")

"""Tricks seen to work, or not, in a minute each; the same as `python -m trainer.study.demo`.

Usage: python -m scripts.demo [TRICK|all] [WORD ...] [--seeds N] [--out DIR] [--tune]
"""

from trainer.study.demo import main

if __name__ == "__main__":
    main("python -m scripts.demo")

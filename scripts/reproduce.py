"""The text's figures and tables, made again; the same as `python -m trainer.study.reproduce`.

Usage: python -m scripts.reproduce [NAME|figures|tables|all] --scale smoke|cpu|gpu [WORD ...]
"""

from trainer.study.reproduce import main

if __name__ == "__main__":
    main("python -m scripts.reproduce")

"""What each of several tricks contributes; the same as `python -m trainer.analysis.attribution`.

Usage: python -m scripts.attribution RUN_OR_FOLDER ... [--steps NAMES]
       [--whole NAME --without NAMES]
"""

from trainer.analysis.attribution import main

if __name__ == "__main__":
    main()

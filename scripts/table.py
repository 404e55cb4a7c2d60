"""Any runs as a table; the same as `python -m trainer.analysis.table`.

Usage: python -m scripts.table RUN_OR_FOLDER ... [--metric METRIC ...] [--sort METRIC] [--out FILES]
"""

from trainer.analysis.table import main

if __name__ == "__main__":
    main()

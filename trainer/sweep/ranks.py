"""One process of a job that has several: `python -m trainer.sweep.ranks FILE`, under torchrun."""

import sys
from pathlib import Path

from trainer.sweep.torchrun_job import be_rank

if __name__ == "__main__":
    sys.exit(be_rank(Path(sys.argv[1])))

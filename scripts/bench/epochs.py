"""Seconds of each epoch of the training that a command line means, without a record.

Usage: python -m scripts.bench.epochs WORDS
"""

import sys

from trainer import compose
from trainer.core.environment import World
from trainer.loop import EpochRecord, fit
from trainer.run.assemble import assemble
from trainer.run.device import prepare

if __name__ == "__main__":
    config = compose("data.val=0", *sys.argv[1:])
    run, _ = assemble(config, *prepare(config, World()))
    print(*(event.train_s for event in fit(run) if isinstance(event, EpochRecord)))

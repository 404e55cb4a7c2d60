"""Named random streams: every draw is a function of the seed, a name and a position in the run.

Nothing is stored and nothing advances, so that turning one trick on moves no draw of another, and a
resumed run draws what the uninterrupted one would have drawn. Randomness inside models (dropout)
alone has a state.
"""

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """Return a number in [0, 2**63) that depends on all arguments and on nothing else."""
    text = "\x1f".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return a fresh generator (Philox, "Parallel Random Numbers", SC11) for that position."""
    return np.random.Generator(np.random.Philox(key=derive(seed, *names)))

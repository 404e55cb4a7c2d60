"""What environment variables and the system say of this process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from trainer.core.errors import ConfigError

TORCHRUN = "torchrun --standalone --nproc-per-node 2 -m trainer strategy=ddp"


@dataclass(frozen=True)
class World:
    """The processes of this run.

    Attributes:
        rank: of this process, 0 to size - 1.
        local_rank: among those of this machine.
        size: processes over all machines.
        local_size: processes on this machine.
        is_torchrun: whether torchrun started this process.
    """

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    local_size: int = 1
    is_torchrun: bool = False

    @classmethod
    def from_environment(cls) -> World:
        """Return what torchrun says, or one process where it says nothing."""
        env = os.environ
        if "TORCHELASTIC_RUN_ID" not in env and "WORLD_SIZE" not in env:
            return cls()
        size = env.get("WORLD_SIZE", "1")
        names = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
        given = [size, *(env.get(name, size if "SIZE" in name else "0") for name in names)]
        if not all(n.isdecimal() for n in given) or (int(size) > 1 and "MASTER_ADDR" not in env):
            raise ConfigError(f"WORLD_SIZE={size} without torchrun's other variables: {TORCHRUN}")
        return cls(int(given[1]), int(given[2]), int(size), int(given[3]), True)


def cores() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def default_threads(local_processes: int) -> int:
    """Return the threads of a process where none are configured: its share of the cores, or, for a
    single process, `OMP_NUM_THREADS` if that is set and less."""
    share = max(1, cores() // local_processes)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    # torchrun sets it to 1 for several processes, whatever the machine has
    is_limited = local_processes == 1 and limit.isdecimal() and int(limit) > 0
    return min(share, int(limit)) if is_limited else share

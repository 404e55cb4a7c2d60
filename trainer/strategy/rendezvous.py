"""How the processes of one attempt find each other in a store that earlier attempts wrote to."""

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass

from torch._C._distributed_c10d import Store

from trainer.core.errors import LostProcess

POLL_S = 0.02


@dataclass(frozen=True)
class Rendezvous:
    """The processes of one attempt.

    Attributes:
        name: of the attempt; no other attempt has it.
        processes: a description of each, by rank.
    """

    name: str
    processes: tuple[str, ...]


def rendezvous(store: Store, rank: int, size: int, timeout_s: float) -> Rendezvous:
    """Wait for all processes of this attempt.

    torchrun keeps one store for all attempts, where `init_process_group` would find addresses of
    processes that have ended. `TORCHELASTIC_RESTART_COUNT` as a prefix does not part the attempts:
    each machine counts the failures of its own processes only. So rank 0 names the attempt, every
    process registers under that name, and accepts it once rank 0 has published its registration.

    Args:
        store: that all processes share, and that earlier attempts may have written to.
        rank: of this process.
        size: processes.
        timeout_s: to wait at most.

    Raises:
        LostProcess: naming the ranks that did not come.
    """
    me = json.dumps([secrets.token_hex(8), f"process {os.getpid()} on {socket.gethostname()}"])
    name, deadline = "", time.monotonic() + timeout_s
    if rank == 0:
        store.set("attempt", secrets.token_hex(8))
    while time.monotonic() < deadline:
        latest = store.get("attempt").decode() if store.check(["attempt"]) else ""
        if latest != name:  # rank 0 may come later, and replace the name of an earlier attempt
            name = latest
            store.set(f"{name}/{rank}", me)
        keys = [f"{name}/{r}" for r in range(size)]
        if rank == 0 and store.check(keys):
            store.set(f"{name}/all", json.dumps([store.get(key).decode() for key in keys]))
        if name and store.check([f"{name}/all"]):
            registered = json.loads(store.get(f"{name}/all"))
            if registered[rank] == me:
                return Rendezvous(name, tuple(json.loads(text)[1] for text in registered))
        time.sleep(POLL_S)
    missing = [r for r in range(size) if not (name and store.check([f"{name}/{r}"]))]
    missing = missing if name and missing else [0]
    lost = LostProcess(
        f"rank {', '.join(map(str, missing))} of {size} did not come within "
        f"{timeout_s:g} s (strategy.start_timeout): look at what that process, or torchrun on its "
        "machine, says"
    )
    # without a name nobody knows who else came: each says it
    lost.is_own = not name or rank == next((r for r in range(size) if r not in missing), rank)
    raise lost

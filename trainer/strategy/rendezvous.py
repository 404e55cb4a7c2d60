"""How the processes of one attempt find each other in a store that earlier attempts wrote to."""

from __future__ import annotations

import hashlib
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
    """Who came.

    Attributes:
        name: of this attempt, which no earlier one had.
        members: a description of each process, by rank.
    """

    name: str
    members: tuple[str, ...]


def meet(store: Store, rank: int, size: int, timeout_s: float) -> Rendezvous:
    """Wait for all processes of this attempt.

    torchrun counts restarts, but each machine for itself: the counts of two machines may differ.
    So every process brings a name of its own; the first one lists the names that it finds, until
    all processes have found themselves in the same list.

    Args:
        store: that all processes share, and that earlier attempts may have written to.
        rank: of this process.
        size: processes.
        timeout_s: to wait at most.

    Raises:
        LostProcess: naming those that did not come.
    """
    me = json.dumps([secrets.token_hex(8), f"process {os.getpid()} on {socket.gethostname()}"])
    store.set(f"came/{rank}", me)
    deadline = time.monotonic() + timeout_s
    listed: list[str | None] = [None] * size
    while time.monotonic() < deadline:
        listed = read_list(store, size) if rank == 0 else proposed(store, size)
        name = hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
        if listed[rank] == me and None not in listed:
            if rank == 0:
                store.set("list", json.dumps(listed))
            store.set(f"found/{name}/{rank}", "")
            if store.check([f"found/{name}/{r}" for r in range(size)]):
                return Rendezvous(name, tuple(json.loads(entry or "")[1] for entry in listed))
        time.sleep(POLL_S)
    raise LostProcess(absent(store, rank, size, timeout_s))


def read_list(store: Store, size: int) -> list[str | None]:
    """Return what each process, of this attempt or an earlier one, brought; None where nothing."""
    keys = [f"came/{r}" for r in range(size)]
    return [store.get(key).decode() if store.check([key]) else None for key in keys]


def proposed(store: Store, size: int) -> list[str | None]:
    """Return the first process's list; nothing but None before there is one."""
    if not store.check(["list"]):
        return [None] * size
    listed: list[str | None] = json.loads(store.get("list").decode())
    return listed if len(listed) == size else [None] * size


def absent(store: Store, rank: int, size: int, timeout_s: float) -> str:
    """Return a message on who did not come."""
    listed = read_list(store, size)
    name = hashlib.sha256(json.dumps(proposed(store, size)).encode()).hexdigest()[:16]
    others = [r for r in range(size) if r != rank]
    silent = [r for r in others if listed[r] is None]
    missing = silent or [r for r in others if not store.check([f"found/{name}/{r}"])]
    ranks = ", ".join(map(str, missing or [0]))
    return (
        f"rank {ranks} of {size} did not come within {timeout_s:g} s (strategy.start_timeout): "
        "look at what that process, or torchrun on its machine, says"
    )

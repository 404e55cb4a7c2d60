"""The store that all processes of a run share, and how those of one attempt find each other in it:
earlier attempts wrote to it, and torch itself prints pages of C++ where it cannot be had."""

import contextlib
import datetime
import json
import os
import secrets
import socket
import time
from dataclasses import dataclass

from torch._C._distributed_c10d import Store, TCPStore

from trainer.core.environment import World
from trainer.core.errors import LostProcess

RETRY_S = 0.1  # between attempts to reach the store


def shared_store(world: World, timeout_s: float) -> TCPStore:
    """Return the store that all processes share.

    Raises:
        LostProcess: naming its place, if it cannot be reached or served there.
    """
    serves = world.rank == 0 and not world.agent_serves
    place = f"{world.address}:{world.port} (MASTER_ADDR, MASTER_PORT)"
    deadline = time.monotonic() + timeout_s
    try:
        if serves:  # whether this machine can listen there, and is reached by the address
            both = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if both else socket.AF_INET
            with (
                socket.create_server(("", world.port), family=family, dualstack_ipv6=both),
                socket.create_connection((world.address, world.port), timeout=min(timeout_s, 10)),
            ):
                pass
        else:
            wait_for_server(world.address, world.port, deadline)
        return TCPStore(
            world.address,
            world.port,
            world.size,
            serves,
            timeout=datetime.timedelta(seconds=timeout_s),
            wait_for_workers=False,
        )
    except (OSError, UnicodeError, RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if serves:
            raise LostProcess(f"rank 0 cannot serve the others at {place}: {reason}") from error
        lost = LostProcess(
            f"rank {world.rank} of {world.size}: no store answers at {place} within "
            f"{timeout_s:g} s (strategy.start_timeout; {reason}): look at what rank 0, or torchrun "
            "on its machine, says; for one process, unset WORLD_SIZE"
        )
        lost.is_own = True  # rank 0 may not be there to tell it
        raise lost from error


def wait_for_server(address: str, port: int, deadline: float) -> None:
    """Wait until somebody listens at a place; raise OSError if nobody does in time."""
    while True:
        left = max(RETRY_S, deadline - time.monotonic())
        try:
            with contextlib.closing(socket.create_connection((address, port), timeout=left)):
                return
        except OSError:
            if time.monotonic() + RETRY_S > deadline:
                raise
        time.sleep(RETRY_S)


POLL_S = 0.02  # between looks into it


@dataclass(frozen=True)
class Rendezvous:
    """The processes of one attempt, described by rank, under a name that no other attempt has."""

    name: str
    processes: tuple[str, ...]


def rendezvous(store: Store, rank: int, size: int, timeout_s: float) -> Rendezvous:
    """Wait for all processes of this attempt.

    torchrun keeps one store for all attempts, where `init_process_group` would find addresses of
    processes that have ended. `TORCHELASTIC_RESTART_COUNT` as a prefix does not part the attempts:
    each machine counts the failures of its own processes only. So rank 0 names the attempt, every
    process registers under that name, and accepts it once rank 0 has published its registration.

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

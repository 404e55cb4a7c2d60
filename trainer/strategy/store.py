"""The store that all processes of a run share, and whether it can be had: torch itself prints pages
of C++ where it cannot."""

import contextlib
import datetime
import socket
import time

from torch._C._distributed_c10d import TCPStore

from trainer.core.environment import World
from trainer.core.errors import LostProcess

POLL_S = 0.1


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
        left = max(POLL_S, deadline - time.monotonic())
        try:
            with contextlib.closing(socket.create_connection((address, port), timeout=left)):
                return
        except OSError:
            if time.monotonic() + POLL_S > deadline:
                raise
        time.sleep(POLL_S)

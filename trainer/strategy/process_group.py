"""The process group, joined once per process, and its collectives."""

import atexit
import datetime
import json
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, TCPStore

from trainer.core.environment import World
from trainer.strategy.rendezvous import Rendezvous, rendezvous, shared_store

NCCL_MARGIN_S = 15  # gloo fails first, with an error; NCCL then ends a process that waits in it


class Collectives:
    """The exchanges of processes that have joined the group."""

    world: World

    def all_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes, in a new tensor."""
        copy = tensor.detach().clone()
        dist.all_reduce(copy)
        return copy

    def all_max(self, value: int) -> int:
        """Return the greatest value of any process. It is exchanged on the CPU, without waiting for
        the device."""
        number = torch.tensor(value)
        dist.all_reduce(number, op=dist.ReduceOp.MAX)
        return int(number)

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value, plain data, in every process."""
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def all_gather(self, value: Any) -> list[Any]:
        """Return every rank's value, plain data, in every process."""
        values: list[Any] = [None] * self.world.size
        dist.all_gather_object(values, value)
        return values


@dataclass
class ProcessGroup(Collectives):
    """All processes of this attempt.

    Attributes:
        store: of the whole program, shared by all its attempts.
        rendezvous: the processes of this attempt.
        timeout_s: that processes wait for each other at present.
        has_failed: whether this process has reported an error.
    """

    world: World
    store: TCPStore
    rendezvous: Rendezvous
    timeout_s: float
    has_failed: bool = False

    def remember(self, what: str) -> None:
        """Keep a text for later attempts."""
        self.store.set("trainer/remembered", json.dumps([self.rendezvous.name, what]))

    def recall(self) -> str | None:
        """Return the text that an earlier attempt kept, or None."""
        if not self.store.check(["trainer/remembered"]):
            return None
        name, what = json.loads(self.store.get("trainer/remembered"))
        return None if name == self.rendezvous.name else str(what)

    def wait_at_most(self, seconds: float) -> None:
        """Set how long the processes wait for each other."""
        self.timeout_s = seconds
        timeout = datetime.timedelta(seconds=seconds)
        if hasattr(dist, "set_timeout"):
            dist.set_timeout(timeout, None)
        else:  # before torch 2.14 under another name
            dist.distributed_c10d._set_pg_timeout(timeout)
        if "nccl" in dist.get_backend_config():
            longer = datetime.timedelta(seconds=seconds + NCCL_MARGIN_S)
            whole: Any = dist.group.WORLD
            whole._get_backend(torch.device("cuda"))._set_default_timeout(longer)


JOINED: ContextVar[ProcessGroup | None] = ContextVar("joined", default=None)


def join(world: World, start_timeout_s: float) -> ProcessGroup:
    """Return the process group, joined once per process: a gloo group made again would read the
    addresses of the one before. A restarted attempt gets keys of its own in torchrun's store, for
    the same reason.

    Raises:
        LostProcess: naming the ranks that did not come in time.
    """
    group = JOINED.get()
    if group is not None:
        group.wait_at_most(start_timeout_s)
        return group
    timeout = datetime.timedelta(seconds=start_timeout_s)
    store = shared_store(world, start_timeout_s)
    own = PrefixStore("trainer", store)
    attempt = rendezvous(own, world.rank, world.size, start_timeout_s)
    group = ProcessGroup(world, store, attempt, start_timeout_s)
    JOINED.set(group)
    # NCCL beside gloo if every process of this machine can have a GPU of its own
    has_gpus = torch.cuda.is_available() and torch.cuda.device_count() >= world.local_size
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if has_gpus else "gloo",
        store=PrefixStore(attempt.name, own),
        rank=world.rank,
        world_size=world.size,
        timeout=timeout,
    )
    atexit.register(dist.destroy_process_group)
    return group

"""A store that cannot be had is one line of ours, in time, and none of torch's."""

from __future__ import annotations

import socket
import time

import pytest
from torch._C._distributed_c10d import HashStore

from trainer.core.environment import World
from trainer.core.errors import LostProcess
from trainer.strategy.rendezvous import rendezvous, shared_store


@pytest.fixture
def port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def lost(world: World, capfd: pytest.CaptureFixture[str]) -> LostProcess:
    """Return what a process raises that wants the store; nothing else is printed."""
    start = time.monotonic()
    with pytest.raises(LostProcess) as raised:
        shared_store(world, 0.5)
    assert time.monotonic() - start < 20
    assert capfd.readouterr() == ("", "")
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.slow
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "nowhere.invalid", "999.1.1.1", "a b", "-", "\udcff"]
)
def test_nobody_who_serves_is_told_by_who_waited(
    address: str, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    error = lost(World(1, 1, 2, 2, address=address, port=port), capfd)
    assert f"rank 1 of 2: no store answers at {address}:{port} (MASTER_ADDR" in str(error)
    assert "unset WORLD_SIZE" in str(error)
    assert error.is_own  # rank 0 may not be there


@pytest.mark.parametrize("address", ["nowhere.invalid", "999.1.1.1", "a b", "-"])
def test_an_address_that_is_not_this_machine_is_not_served(
    address: str, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    error = lost(World(0, 0, 2, 2, address=address, port=port), capfd)
    assert f"rank 0 cannot serve the others at {address}:{port}" in str(error)


def test_a_port_that_is_taken_is_not_served(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        taken = int(server.getsockname()[1])
        error = lost(World(0, 0, 2, 2, address="127.0.0.1", port=taken), capfd)
    assert "in use" in str(error)


def test_a_store_is_shared(port: int) -> None:
    first = shared_store(World(0, 0, 2, 2, address="127.0.0.1", port=port), 20.0)
    second = shared_store(World(1, 1, 2, 2, address="localhost", port=port), 20.0)
    first.set("a", "1")
    assert second.get("a") == b"1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "missing", "is_own"), [(0, "1, 2", True), (1, "0", True), (2, "0", True)]
)
def test_who_did_not_come_is_told_by_one_who_came(rank: int, missing: str, is_own: bool) -> None:
    with pytest.raises(LostProcess) as raised:
        rendezvous(HashStore(), rank, 3, 0.1)
    assert str(raised.value).startswith(f"rank {missing} of 3 did not come within 0.1 s")
    assert raised.value.is_own == is_own

"""Processes find those of their own attempt in a store that earlier attempts wrote to."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from trainer.core.errors import LostProcess
from trainer.strategy.rendezvous import Rendezvous, rendezvous


def together(store: HashStore, size: int, order: list[int], apart_s: float) -> list[Rendezvous]:
    found = {}
    with ThreadPoolExecutor(size) as pool:
        for rank in order:
            found[rank] = pool.submit(rendezvous, store, rank, size, 20.0)
            time.sleep(apart_s)
        return [found[rank].result() for rank in range(size)]


@pytest.mark.slow
@pytest.mark.parametrize("apart_s", [0.0, 0.05])
def test_all_get_one_name_and_a_later_attempt_another(apart_s: float) -> None:
    store = HashStore()
    names = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        found = together(store, 3, order, apart_s)
        assert len({one.name for one in found}) == 1
        assert len(found[0].processes) == 3
        assert "process" in found[0].processes[1]
        names.append(found[0].name)
    assert len(set(names)) == 3


@pytest.mark.slow
def test_whoever_does_not_come_is_named() -> None:
    with pytest.raises(LostProcess, match=r"rank 1 of 2 did not come within 0\.2 s"):
        rendezvous(HashStore(), 0, 2, 0.2)
    with pytest.raises(LostProcess, match="rank 0 of 2"):
        rendezvous(HashStore(), 1, 2, 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_of_an_earlier_attempt_does_not_count(rank: int) -> None:
    store = HashStore()
    together(store, 2, [0, 1], 0.0)
    with pytest.raises(LostProcess, match=f"rank {1 - rank} of 2 did not come"):
        rendezvous(store, rank, 2, 0.3)  # finds what the other one wrote then

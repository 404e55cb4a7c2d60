"""Processes find those of their own attempt in a store that is full of an earlier one's words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from trainer.core.errors import LostProcess
from trainer.strategy.rendezvous import Rendezvous, meet


def together(store: HashStore, size: int, order: list[int]) -> list[Rendezvous]:
    with ThreadPoolExecutor(size) as pool:
        found = {rank: pool.submit(meet, store, rank, size, 20.0) for rank in order}
        return [found[rank].result() for rank in range(size)]


def test_all_get_one_name_and_a_later_attempt_another() -> None:
    store = HashStore()
    names = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        met = together(store, 3, order)
        assert len({m.name for m in met}) == 1
        assert len(met[0].members) == 3
        assert "process" in met[0].members[1]
        names.append(met[0].name)
    assert len(set(names)) == 3


def test_whoever_does_not_come_is_named() -> None:
    with pytest.raises(LostProcess, match=r"rank 1 of 2 did not come within 0\.2 s"):
        meet(HashStore(), 0, 2, 0.2)
    with pytest.raises(LostProcess, match="rank 0 of 2"):
        meet(HashStore(), 1, 2, 0.2)


def test_one_of_an_earlier_attempt_is_not_met() -> None:
    store = HashStore()
    together(store, 2, [0, 1])
    with pytest.raises(LostProcess, match="rank 1 of 2 did not come"):
        meet(store, 0, 2, 0.3)  # finds the old word of rank 1, which never answers

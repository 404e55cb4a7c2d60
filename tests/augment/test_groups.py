"""Every image goes through the operation that was chosen for it, and through no other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.augment._groups import by_choice


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_each_image_by_its_own_operation_with_its_own_place(choice: list[int]) -> None:
    images = torch.arange(len(choice)).view(-1, 1, 1, 1).expand(-1, 2, 2, 2)

    def plus(offset: int):
        def operation(part: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
            assert part[:, 0, 0, 0].tolist() == places.tolist()
            return part + offset + 1000 * places.view(-1, 1, 1, 1)

        return operation

    got = by_choice(images, np.array(choice), [plus(100 * k) for k in range(4)])
    assert got[:, 1, 1, 1].tolist() == [i + 100 * k + 1000 * i for i, k in enumerate(choice)]


def test_an_operation_that_nobody_chose_is_not_called() -> None:
    def never(part: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        pytest.fail("called")

    images = torch.ones(3, 1, 1, 1)
    got = by_choice(images, np.ones(3, dtype=np.int64), [never, lambda part, places: part * 2])
    assert got.flatten().tolist() == [2, 2, 2]

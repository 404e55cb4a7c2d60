"""No averaging keeps nothing and costs nothing."""

from __future__ import annotations

import torch
from torch import nn

from trainer.average.base import AVERAGES, SnapshotPlan
from trainer.average.none import NoAverage
from trainer.core.clock import Clock


def test_there_is_no_second_set_of_weights() -> None:
    model = nn.Linear(2, 2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    average = NoAverage().build(model, SnapshotPlan(0, 1))
    average.update(model, Clock(1, 10, 5))
    assert average.eval_model() is None
    assert average.state_dict() == {}
    average.load_state_dict({}, {})
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert AVERAGES.load("none") is NoAverage

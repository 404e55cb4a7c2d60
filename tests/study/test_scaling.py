"""The table of scaling: what can be run, what cannot and why, and the arithmetic."""

from __future__ import annotations

from trainer.study.scaling import ScalingArm, arms, table


def test_without_gpus_dp_and_nccl_are_named_as_not_run() -> None:
    able, unable = arms([2], 0)
    assert [a.name for a in able] == ["single", "ddp, 2 processes (gloo)"]
    assert unable == ["dp: needs two GPUs, there are 0", "ddp by NCCL: there is no GPU"]


def test_with_gpus_processes_beyond_them_are_left_out() -> None:
    able, unable = arms([2, 4], 2)
    assert [a.name for a in able] == ["single", "ddp, 2 processes (NCCL)", "dp, 2 GPUs"]
    assert unable == ["ddp, 4 processes (NCCL): 2 GPUs"]


def test_efficiency_is_the_rate_over_that_of_one_times_the_devices() -> None:
    one, two = ScalingArm("single", (), 1), ScalingArm("two", (), 2)
    rows = table({one: [100.0, 90.0, 110.0], two: [150.0, 140.0, 160.0]}).splitlines()
    assert rows[2] == "| single | 100 | 90 to 110 | 1.00 | 100% |"
    assert rows[3] == "| two | 150 | 140 to 160 | 1.50 | 75% |"

"""What the environment says: completely or not at all, each odd value named."""

from __future__ import annotations

import ast
import contextlib
import os
import random
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.command import ROOT, TINY, Call
from trainer import compose, train
from trainer.core import environment
from trainer.core.environment import RANKS, World, copies_note, cores, default_threads, memory_free
from trainer.core.errors import ConfigError, Diverged
from trainer.run.device import flushes_denormals

TWO = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "first",
    "MASTER_PORT": "29500",
}
ONE = {**TWO, "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
RUN = {"TORCHELASTIC_RUN_ID": "x", "TORCHELASTIC_USE_AGENT_STORE": "True"}
SECOND = World(1, 1, 2, 2, address="first", port=29500)
TORCHRUN_ONE = World(0, 0, 1, 1, True, "first", 29500, True)


def without(*names: str) -> dict[str, str]:
    return {k: v for k, v in TWO.items() if k not in names}


ODD = ("9" * 5000, "1\n2", "a" * 3000)  # what another variable holds, which a message names
# An environment, and what it means: a world, or what the one line about it holds.
WORLDS: list[tuple[Mapping[str, str], World | str]] = [
    ({}, World()),
    ({"WORLD_SIZE": "1"}, World()),
    ({"WORLD_SIZE": " 1 "}, World()),
    ({"WORLD_SIZE": ""}, World()),
    ({"WORLD_SIZE": "1", "RANK": "0"}, World()),
    ({"RANK": "3"}, World()),
    ({"MASTER_ADDR": "first", "MASTER_PORT": "nonsense"}, World()),
    (ONE, World()),
    ({**ONE, "MASTER_PORT": "nonsense"}, World()),
    ({**ONE, **RUN}, TORCHRUN_ONE),
    (RUN, World()),
    ({**RUN, "WORLD_SIZE": "1"}, World()),
    (TWO, SECOND),
    ({**TWO, "RANK": " 1", "MASTER_ADDR": " first "}, SECOND),
    ({**TWO, **RUN}, World(1, 1, 2, 2, True, "first", 29500, True)),
    ({**TWO, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, World(1, 0, 2, 1, False, "first", 29500)),
    ({"WORLD_SIZE": "2"}, "without RANK, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT"),
    *((without(name), f"WORLD_SIZE=2 without {name}") for name in RANKS if name != "WORLD_SIZE"),
    ({**TWO, "MASTER_ADDR": " "}, "without MASTER_ADDR"),
    *(({"WORLD_SIZE": odd}, "WORLD_SIZE must be") for odd in ("0", "-1", "two", "1.0", "2,2")),
    ({"WORLD_SIZE": "9" * 5000}, "WORLD_SIZE must be"),
    ({"WORLD_SIZE": "\u0661"}, "WORLD_SIZE must be"),  # a digit one, but of another script
    ({**TWO, "RANK": "2"}, "RANK must be a whole number from 0 to 1 beside LOCAL_RANK=1"),
    ({**TWO, "RANK": "x"}, "RANK must be a whole number from 0 to 1"),
    ({**TWO, "RANK": "0"}, "LOCAL_RANK must be a whole number from 0 to 0 beside RANK=0"),
    ({**TWO, "LOCAL_RANK": "-1"}, "LOCAL_RANK must be"),
    ({**TWO, "LOCAL_WORLD_SIZE": "1"}, "LOCAL_RANK must be a whole number from 0 to 0"),
    ({**TWO, "LOCAL_WORLD_SIZE": "3"}, "LOCAL_WORLD_SIZE must be a whole number from 1 to 2"),
    ({**TWO, "MASTER_PORT": "70000"}, "MASTER_PORT must be a whole number from 1 to 65535"),
    ({**TWO, "MASTER_PORT": "tcp"}, "MASTER_PORT must be"),
    ({"WORLD_SIZE": "1", "RANK": "1"}, "RANK must be a whole number from 0 to 0"),
    ({"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "2"}, "LOCAL_WORLD_SIZE must be"),
    *(
        ({**TWO, "RANK": "x", name: odd}, "RANK must be")
        for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE")
        for odd in ODD
    ),
]


@pytest.mark.parametrize(("env", "meaning"), WORLDS)
def test_torchruns_variables_count_completely_or_not_at_all(
    env: Mapping[str, str], meaning: World | str
) -> None:
    if isinstance(meaning, World):
        assert World.from_environment(env) == meaning
        return
    with pytest.raises(ConfigError) as raised:
        World.from_environment(env)
    assert meaning in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        *(("1", 1), (" 1", 1), ("1,1", 1), ("1, 4", 1), ("3", 3), ("64", 4), ("", 4), ("0", 4)),
        *(("9" * 5000, 4), ("-2", 4), ("two", 4), ("1.5", 4), (",1", 4)),
    ],
)
def test_threads_are_limited_as_openmp_reads_it(
    limit: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "cores", lambda: 4)
    assert default_threads(1, {"OMP_NUM_THREADS": limit}) == threads
    assert default_threads(1, {"OMP_THREAD_LIMIT": limit}) == threads
    assert default_threads(2, {"OMP_NUM_THREADS": limit}) == 2  # torchrun sets it for several


@pytest.mark.parametrize(
    ("env", "start"),
    [
        ({"SLURM_NTASKS": "2"}, "Slurm was asked for 2 tasks (SLURM_NTASKS=2)"),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, "Slurm was asked for 2"),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, None),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, None),
        ({"SLURM_NTASKS": "two"}, None),
        ({"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "4"}, "Slurm was asked for 4"),
        ({"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "0"}, "Open MPI was asked for 3"),
        ({"PMI_SIZE": "3", "PMI_RANK": "2"}, None),
        ({}, None),
    ],
)
def test_copies_of_another_launcher_are_noted_once(
    env: Mapping[str, str], start: str | None
) -> None:
    note = copies_note(env)
    assert note is None if start is None else note is not None and note.startswith(start)


# Files of a system, and the processors and the memory that they leave; 4 cores, 8 GB free.
V2, V1 = "0::/pod/own\n", "3:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n"
CG = "sys/fs/cgroup"
SYSTEMS: list[tuple[Mapping[str, str], int, float]] = [
    ({}, 4, 8e9),
    ({"proc/self/cgroup": V2}, 4, 8e9),
    ({"proc/self/cgroup": V2, f"{CG}/pod/own/cpu.max": "150000 100000"}, 2, 8e9),
    ({"proc/self/cgroup": V2, f"{CG}/pod/cpu.max": "50000 100000"}, 1, 8e9),
    ({"proc/self/cgroup": V2, f"{CG}/pod/own/cpu.max": "max 100000"}, 4, 8e9),
    ({"proc/self/cgroup": "0::/\n", f"{CG}/cpu.max": "200000 100000"}, 2, 8e9),
    ({"proc/self/cgroup": V2, f"{CG}/pod/own/cpu.max": "900000 100000"}, 4, 8e9),
    ({"proc/self/cgroup": V2, f"{CG}/pod/own/cpu.max": "odd"}, 4, 8e9),
    (
        {
            "proc/self/cgroup": V2,
            f"{CG}/pod/own/memory.max": "3000000000",
            f"{CG}/pod/own/memory.current": "2500000000",
            f"{CG}/pod/own/memory.stat": "anon 1\ninactive_file 500000000\n",
        },
        4,
        1e9,
    ),
    (  # in a container whose own path is not mounted
        {
            "proc/self/cgroup": V1,
            f"{CG}/cpu/cpu.cfs_quota_us": "100000",
            f"{CG}/cpu/cpu.cfs_period_us": "100000",
            f"{CG}/memory/memory.limit_in_bytes": "2000000000",
            f"{CG}/memory/memory.usage_in_bytes": "500000000",
        },
        1,
        1.5e9,
    ),
    (
        {
            "proc/self/cgroup": V1,
            f"{CG}/cpu/cpu.cfs_quota_us": "-1",
            f"{CG}/cpu/cpu.cfs_period_us": "100000",
            f"{CG}/memory/memory.limit_in_bytes": "9223372036854771712",
            f"{CG}/memory/memory.usage_in_bytes": "500000000",
        },
        4,
        8e9,
    ),
]


@pytest.mark.parametrize(("files", "processors", "free"), SYSTEMS)
def test_a_containers_limits_count(
    files: Mapping[str, str],
    processors: int,
    free: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(environment.sys, "platform", "linux")
    for name, text in {
        "proc/meminfo": f"MemAvailable: {8_000_000_000 // 1024} kB\n",
        **files,
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert cores(tmp_path) == processors
    assert memory_free(tmp_path) == free


READERS = {"environ", "getenv", "environb", "getenvb", "cpu_count", "sched_getaffinity", "putenv"}


@pytest.mark.slow
def test_one_module_reads_the_environment() -> None:
    files = sorted((ROOT / "trainer").rglob("*.py"))
    assert len(files) >= 250
    found = {
        str(file.relative_to(ROOT))
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in READERS)
        or (isinstance(node, ast.alias) and node.name in READERS)
    }
    assert found == {"trainer/core/environment.py"}


HALVES = ({"WORLD_SIZE": "1"}, {"WORLD_SIZE": "1", "RANK": "0"}, {"RANK": "1"}, RUN)


@pytest.mark.slow
def test_half_an_environment_of_one_process_changes_no_result(
    here: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = set()
    for number, env in enumerate(({}, *HALVES)):
        with monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            done = call(*TINY, "max_steps=2", f"hydra.run.dir={number}")
        assert done.code == 0, done.err
        assert "final" in done.out
        sums.add((here / f"{number}/checkpoints/step-00000002/model.safetensors").read_bytes())
    assert len(sums) == 1


@pytest.mark.slow
def test_two_copies_under_slurm_are_warned_of_once(
    here: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "2")
    said = []
    for rank in ("0", "1"):
        monkeypatch.setenv("SLURM_PROCID", rank)
        said.append(call(*TINY, "max_steps=1").out)
    assert [text.count("Slurm was asked for 2 tasks") for text in said] == [1, 0]


def settings_now() -> tuple[object, ...]:
    """Return what a run may move in the process that calls it."""
    backends = torch.backends
    return (
        torch.get_num_threads(),
        torch.get_rng_state().tolist(),
        str(np.random.get_state()),
        random.getstate(),
        torch.get_float32_matmul_precision(),
        backends.cudnn.allow_tf32,
        backends.mkldnn.matmul.fp32_precision,  # type: ignore[attr-defined]
        flushes_denormals(),
        torch.get_default_dtype(),
        os.getcwd(),
        dict(os.environ),
        threading.active_count(),
        environment.sys.excepthook,
    )


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("optim.lr=1e30",)], ids=["completed", "diverged"])
def test_training_from_python_leaves_the_programs_settings(
    here: Path, more: tuple[str, ...]
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.rand(3)
        torch.set_flush_denormal(False)
        before = settings_now()
        config = compose(*TINY, "max_steps=2", *more)
        with pytest.raises(Diverged) if more else contextlib.nullcontext():
            train(config, quiet=True)
        assert settings_now() == before
    finally:
        torch.set_num_threads(threads)

"""Attack: odd environments. Of variables of torchrun, Slurm, MPI and OpenMP, each pair or triple of
values gives the exact result, or one line that names the cause; nothing waits."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.trial import Arena, Tell, outcome, start
from tests.command import TINY

QUICK, FULL = 3, 40
ENVIRONMENTS = 10  # of a trial
LONGEST_S = 60.0  # where the run itself waits a second for others, and takes a second

RANKS = {
    "RANK": "0",
    "LOCAL_RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_WORLD_SIZE": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29511",
}
SECOND = {**RANKS, "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
FIRST = {**SECOND, "RANK": "0", "LOCAL_RANK": "0"}
ELASTIC = {
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RESTART_COUNT": "0",
    "GROUP_RANK": "0",
}
BASES: Sequence[Mapping[str, str]] = (
    *({}, {}, RANKS, SECOND, FIRST),
    *({**RANKS, **ELASTIC}, {**SECOND, **ELASTIC}, {**FIRST, **ELASTIC}),
)
OTHERS = (
    *("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NPROCS", "SLURM_STEP_NUM_TASKS"),
    *("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK", "PMIX_RANK"),
    *("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
)
THREADS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS", "OMP_DYNAMIC")
NAMES = (*RANKS, *ELASTIC, *OTHERS, *THREADS)
ODD = (
    *("", " ", "0", "1", "2", "3", "-1", " 1", "1 ", "1,1", "2,1", "1.0", "1e0", "0x1", "+1", "01"),
    *("two", "None", "true", "9" * 30, "9" * 5000, "\u0663", "\udcff", "1\n2", "4(x2)", "a" * 3000),
)
PLACES = ("127.0.0.1", "localhost", "nowhere.invalid", "::1", "999.1.1.1", "a b", "-", "0.0.0.0")
PORTS = ("1", "65535", "65536", "29511", "http")


def environment_of(draw: random.Random) -> dict[str, str]:
    """Return variables: a base, of which up to three are changed or left out."""
    env = dict(draw.choice(BASES))
    for name in draw.sample(NAMES, draw.randint(1, 3)):
        values = {"MASTER_ADDR": PLACES, "MASTER_PORT": PORTS}.get(name, ODD)
        if name in env and draw.random() < 0.3:
            del env[name]
        else:
            env[name] = draw.choice(values if draw.random() < 0.7 else ODD)
    return env


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Try ten environments, each in a process of its own."""
    place = arena.fresh("environments")
    ends: dict[str, int] = {}
    for i in range(ENVIRONMENTS):
        env = environment_of(draw)
        try:
            how = attempt(arena, place / str(i), env, has_threads=draw.random() < 0.5)
        except AssertionError as error:
            raise AssertionError(f"{ {k: v[:40] for k, v in env.items()} }: {error}") from error
        ends[how] = ends.get(how, 0) + 1
        arena.count(f"environments: {how}")
    return ", ".join(f"{count} {how}" for how, count in sorted(ends.items()))


def attempt(arena: Arena, place: Path, env: Mapping[str, str], *, has_threads: bool) -> str:
    """Train in an environment, check the result or the line, and return which it was."""
    place.mkdir()
    overrides = [*TINY, "strategy=auto", "strategy.start_timeout=1s", "hydra.run.dir=run"]
    if has_threads:  # as many as the environment says
        overrides.remove("threads=1")
    is_several = env.get("WORLD_SIZE", "").strip() not in ("", "1")
    if not is_several:
        overrides.remove("strategy.start_timeout=1s")
    code, said, err, spent = run(overrides, place, env)
    assert spent < LONGEST_S, f"it took {spent:.0f} s"
    assert "Traceback" not in said, said
    if code == 0:
        threads = 1 if "1 thread;" in said else 2
        found = outcome(place / "run")
        expected = reference(arena, threads)
        assert found == expected, f"another result with {threads} threads"
        return "the exact result"
    assert code in (1, 2), f"exit code {code}: {said}"
    lines = err.strip().split("\n")
    assert len(lines) == 1, err
    assert lines[0].startswith("error: "), err
    named = [name for name in NAMES if name in lines[0]]
    assert named or "did not come" in lines[0], err
    assert len(lines[0]) < 800, err
    assert not (place / "run").exists()
    return "one line"


def run(
    overrides: Sequence[str], place: Path, env: Mapping[str, str]
) -> tuple[int, str, str, float]:
    """Return exit code, everything that was printed, errors, and seconds."""

    def hook(_: Tell) -> None:
        for name in NAMES:
            os.environ.pop(name, None)
        os.environ.update(env)

    begin = time.monotonic()
    child = start(overrides, place, hook)
    code = child.wait()
    return code, child.said, child.err.read_text(), time.monotonic() - begin


def reference(arena: Arena, threads: int) -> object:
    """Return what a run with so many threads ends with where no variable is set; made once."""
    number = -threads
    if number not in arena.wholes:
        place = arena.fresh(f"environment-threads-{threads}")
        overrides = [w for w in TINY if w != "threads=1"]
        code, said, _, _ = run([*overrides, f"threads={threads}", "hydra.run.dir=run"], place, {})
        assert code == 0, said
        arena.wholes[number] = (place / "run", outcome(place / "run"))
    return arena.wholes[number][1]

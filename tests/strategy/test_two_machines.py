"""Two network namespaces as machines, each with a folder of its own: trained, one killed, resumed.

Needs Linux, root (or CAP_SYS_ADMIN and CAP_NET_ADMIN) and `ip` of iproute2 (`apt-get install
iproute2`); skipped, saying so, where a namespace cannot be made.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY, environment
from tests.warm import Running, Warm

WORDS = (*TINY, "epochs=75", "checkpoint.every=20st", "average=ema", "strategy.timeout=5s")
MARGIN_S = 40 + 60  # what is promised; and what a machine under load takes to end processes


@dataclass(frozen=True)
class Machine:
    """A network namespace.

    Attributes:
        name: of the namespace.
        link: its network interface.
        address: on it.
        disk: the only folder that its processes work in.
    """

    name: str
    link: str
    address: str
    disk: Path

    def processes(self) -> list[int]:
        """Return those that run in it."""
        return [int(n) for n in ip("netns", "pids", self.name).split()]

    def kill(self) -> None:
        """End every process at once, as a power cut would."""
        for number in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def ip(*overrides: str) -> str:
    """Call `ip` and return what it says."""
    return subprocess.run(["ip", *overrides], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two namespaces with a cable between them."""
    mark = secrets.token_hex(3)
    pair = []
    for number in (1, 2):
        disk = tmp_path / f"machine{number}"
        disk.mkdir()
        name, link = f"trainer-{mark}-{number}", f"v{mark}{number}"
        pair.append(Machine(name, link, f"10.231.7.{number}", disk))
    first, second = pair
    if shutil.which("ip") is None:
        pytest.skip("there is no `ip`: apt-get install iproute2")
    try:
        ip("netns", "add", first.name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.strip()}")
    try:
        ip("netns", "add", second.name)
        ip(*("link", "add", first.link, "netns", first.name, "type", "veth"),
           *("peer", "name", second.link, "netns", second.name))  # fmt: skip
        for m in pair:
            ip("-n", m.name, "addr", "add", f"{m.address}/24", "dev", m.link)
            for link in ("lo", m.link):
                ip("-n", m.name, "link", "set", link, "up")
        yield first, second
    finally:
        for m in pair:
            with contextlib.suppress(subprocess.CalledProcessError):
                m.kill()
                ip("netns", "delete", m.name)


def start(warm: Warm, machines: tuple[Machine, Machine], *overrides: str) -> list[Running]:
    """Start torchrun on both machines, as its documentation says."""
    first = machines[0]
    started = []
    for m in machines:
        line = [
            *("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-id=1"),
            *(f"--rdzv-endpoint={first.address}:29400", f"--local-addr={m.address}"),
            *(f"--rdzv-conf=is_host={int(m is first)}", "-m", "trainer", *overrides),
        ]
        env = {**environment(), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": m.link}
        started.append(warm.torchrun(line, m.disk, env=env, network=m.name))
    return started


def ended(processes: list[Running]) -> list[str]:
    """Return what each wrote to its standard error, once all have ended."""
    return [p.communicate()[1] for p in processes]


def summary(run: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return summary


@pytest.mark.slow
def test_a_machine_is_killed_and_the_run_goes_on_to_the_same_weights(
    warm: Warm, machines: tuple[Machine, Machine]
) -> None:
    first, second = machines
    whole = start(warm, machines, *WORDS, "hydra.run.dir=whole")
    errors = ended(whole)
    assert [p.returncode for p in whole] == [0, 0], errors
    assert summary(first.disk / "whole")["world_size"] == 2
    assert list(second.disk.iterdir()) == []  # only the first one needs the run's folder

    cut = start(warm, machines, *WORDS, "hydra.run.dir=cut")
    checkpoints = first.disk / "cut/checkpoints"
    while not checkpoints.exists() or len(list(checkpoints.glob("step-*"))) < 2:
        assert cut[0].poll() is None, ended(cut)
        time.sleep(0.02)
    second.kill()
    killed = time.monotonic()
    errors = ended(cut)
    spent_s = time.monotonic() - killed
    print(f"ended {spent_s:.1f} s after the other machine's death, at a timeout of 5 s")  # with -s
    assert spent_s < 5 + MARGIN_S
    assert cut[0].returncode == 1
    assert "error: rank 1 (process " in errors[0]
    assert summary(first.disk / "cut")["status"] == "failed"
    assert "rank 1" in summary(first.disk / "cut")["message"]
    assert first.processes() == []

    again = start(warm, machines, f"resume={first.disk / 'cut'}")
    errors = ended(again)
    assert [p.returncode for p in again] == [0, 0], errors
    assert "resumed at step" in (first.disk / "cut/run.log").read_text()
    weights = summary(first.disk / "whole")["weights_sha256"]
    assert summary(first.disk / "cut")["weights_sha256"] == weights
    assert list(second.disk.iterdir()) == []

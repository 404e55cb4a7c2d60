"""The job file that `slurm` prints, with stand-ins for srun, scontrol and the Python that starts
torchrun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import PATIENCE_S, Call

# One task for each machine, side by side; signals go on to them, as srun's do.
SRUN = """#!/bin/bash
nodes=1
while [[ $1 == --* ]]; do [[ $1 == --ntasks=* ]] && nodes=${1#*=}; shift; done
for ((i = 0; i < nodes; i++)); do SLURM_NODEID=$i "$@" & pids+=($!); done
for s in USR1 TERM; do trap "kill -$s ${pids[*]} 2>/dev/null" $s; done
code=0
for p in "${pids[@]}"; do
    while :; do wait "$p"; c=$?; kill -0 "$p" 2>/dev/null || break; done
    [ $c != 0 ] && code=$c
done
exit $code
"""
# Says its words; trains until a signal, or, with `resume=`, to the end.
PYTHON = """#!/bin/bash
echo "$*" >> "$SAID"
trap 'echo "got USR1" >> "$SAID"; exit 1' USR1
[[ $* == *resume=* ]] && exit 0
touch "$SAID.ready"
for i in $(seq 600); do sleep 0.1; done
"""
SCONTROL = """#!/bin/bash
[ "$1" = show ] && { printf 'first\\nsecond\\n'; exit 0; }
echo "scontrol $*" >> "$SAID"
"""


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """The environment of a job on a machine with the stand-ins."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("srun", SRUN), ("python of mine", PYTHON), ("scontrol", SCONTROL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(tools / "python of mine"),
        "SAID": str(tmp_path / "said"),
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NODELIST": "first,second",
        "SLURM_GPUS_ON_NODE": "4",
    }


def printed(call: Call, here: Path, *options: str) -> Path:
    """Return the job file that is printed."""
    outcome = call("slurm", *options)
    assert outcome.code == 0, outcome.err
    file = here / "job.sbatch"
    file.write_text(outcome.out)
    return file


def run(file: Path, cluster: dict[str, str], *overrides: str) -> tuple[int, list[str]]:
    """Run a job; where it trains, send SIGUSR1 as Slurm does. Return its code and what was said."""
    said = Path(cluster["SAID"])
    said.unlink(missing_ok=True)
    job = subprocess.Popen(["bash", str(file), *overrides], cwd=file.parent, env=cluster)
    ready = said.with_name("said.ready")
    end = time.monotonic() + 60
    while job.poll() is None and not ready.exists() and time.monotonic() < end:
        time.sleep(0.02)
    if ready.exists():
        ready.unlink()
        time.sleep(0.3)
        job.send_signal(signal.SIGUSR1)
    code = job.wait(timeout=PATIENCE_S)
    return code, said.read_text().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("machines", [1, 2])
def test_a_job_saves_on_sigusr1_is_requeued_and_goes_on(
    machines: int, cluster: dict[str, str], here: Path, call: Call
) -> None:
    file, cluster = printed(call, here), {**cluster, "SLURM_NNODES": str(machines)}
    code, said = run(file, cluster, "optim=adam", "name=a b")
    assert code == 0
    starts = [line for line in said if line.startswith("-m torch.distributed.run ")]
    assert len(starts) == machines
    for line in starts:
        assert f"--nnodes {machines} --nproc-per-node 4 -m trainer" in line
        assert line.endswith("hydra.run.dir=outputs/slurm/77 optim=adam name=a b")
        assert "SIGUSR1" in line
    assert sum("is_host=1" in line for line in starts) == 1
    assert all("--rdzv-endpoint first:20077 --rdzv-id 77" in line for line in starts)
    assert said.count("got USR1") == machines
    assert said[-1] == "scontrol requeue 77"
    run_folder = here / "outputs/slurm/77"
    run_folder.mkdir(parents=True)
    (run_folder / "config.yaml").touch()
    code, said = run(file, cluster, "optim=adam", "name=a b")
    assert code == 0
    assert all(line.endswith("-m trainer resume=outputs/slurm/77") for line in said)
    assert len(said) == machines  # it ended by itself: not requeued


def test_a_run_that_fails_by_itself_is_not_requeued(
    cluster: dict[str, str], here: Path, call: Call
) -> None:
    Path(cluster["PYTHON"]).write_text("#!/bin/bash\necho failed >> $SAID\nexit 3\n")
    assert run(printed(call, here), cluster) == (3, ["failed"])


def test_the_file_asks_for_what_was_said_and_finds_this_environment(here: Path, call: Call) -> None:
    file = printed(call, here, "--nodes", "3", "--gpus", "2", "--cpus", "16", "--time", "30")
    text = file.read_text()
    assert text.startswith("#!/bin/bash\n")
    asked = ("--nodes=3", "--gpus-per-node=2", "--cpus-per-task=16", "--time=30")
    for option in (*asked, "--signal=B:USR1@120", "--requeue"):
        assert f"\n#SBATCH {option}\n" in text
    assert "@" not in text.replace("B:USR1@120", "").replace('"$@"', "").replace("[@]", "")
    setting = text[text.index("export PYTHON=") : text.index("\nrun=")]
    show = f'{setting}\nexec "$PYTHON" -c "import sys, trainer; print(sys.prefix)"'
    place = subprocess.run(
        ["bash", "-uc", show], cwd=here, env={"PATH": "/bin:/usr/bin"}, capture_output=True
    )
    assert place.stdout.decode().strip() == sys.prefix, place.stderr
    assert "--gpus-per-node" not in call("slurm", "--gpus", "0").out.split("\nset -u")[0][1500:]
    assert "--nodes must be at least 1, got 0" in call("slurm", "--nodes", "0").err

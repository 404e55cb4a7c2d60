"""The job files of scripts/slurm, with stand-ins for srun, scontrol and torchrun."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.command import PATIENCE_S, ROOT

SLURM = ROOT / "scripts" / "slurm"
FILES = ("one_node.sbatch", "several_nodes.sbatch")
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
TORCHRUN = """#!/bin/bash
[ "$1" = --help ] && { echo "$KNOWN"; exit 0; }
echo "torchrun $*" >> "$SAID"
trap 'echo "got USR1" >> "$SAID"; exit 1' USR1
trap 'echo "got TERM" >> "$SAID"; exit 1' TERM
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
    for name, text in (("srun", SRUN), ("torchrun", TORCHRUN), ("scontrol", SCONTROL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "SAID": str(tmp_path / "said"),
        "KNOWN": "--signals-to-handle",
        "SLURM_JOB_ID": "77",
        "SLURM_SUBMIT_DIR": str(ROOT),
        "SLURM_NNODES": "2",
        "SLURM_JOB_NODELIST": "first,second",
        "SLURM_GPUS_ON_NODE": "4",
    }


def run(file: str, cluster: dict[str, str], cwd: Path, *overrides: str) -> tuple[int, list[str]]:
    """Run a job; where it trains, send SIGUSR1 as Slurm does. Return its code and what was said."""
    said = Path(cluster["SAID"])
    said.unlink(missing_ok=True)
    job = subprocess.Popen(["bash", str(SLURM / file), *overrides], cwd=cwd, env=cluster)
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


@pytest.mark.parametrize(("file", "machines"), [(FILES[0], 1), (FILES[1], 2)])
def test_a_job_saves_on_sigusr1_is_requeued_and_goes_on(
    file: str, machines: int, cluster: dict[str, str], here: Path
) -> None:
    code, said = run(file, cluster, here, "optim=adam", "optim.lr=0.1")
    assert code == 0
    starts = [line for line in said if line.startswith("torchrun")]
    assert len(starts) == machines
    for line in starts:
        assert "--nproc-per-node 4 -m trainer" in line
        assert line.endswith("hydra.run.dir=outputs/slurm/77 optim=adam optim.lr=0.1")
        assert "SIGUSR1" in line
    if machines == 2:
        assert sum("is_host=1" in line for line in starts) == 1
        assert all("--rdzv-endpoint first:20077 --rdzv-id 77" in line for line in starts)
    assert said.count("got USR1") == machines
    assert said[-1] == "scontrol requeue 77"
    run_folder = here / "outputs/slurm/77"
    run_folder.mkdir(parents=True)
    (run_folder / "config.yaml").touch()
    code, said = run(file, cluster, here, "optim=adam", "optim.lr=0.1")
    assert code == 0
    assert all(line.endswith("-m trainer resume=outputs/slurm/77") for line in said)
    assert len(said) == machines  # it ended by itself: not requeued


def test_an_older_torchrun_gets_sigterm(cluster: dict[str, str], here: Path) -> None:
    code, said = run(FILES[0], {**cluster, "KNOWN": "--standalone"}, here)
    assert code == 0
    assert "--signals-to-handle" not in said[0]
    assert said[1:] == ["got TERM", "scontrol requeue 77"]


def test_a_run_that_fails_by_itself_is_not_requeued(cluster: dict[str, str], here: Path) -> None:
    tools = Path(cluster["PATH"].split(os.pathsep)[0])
    (tools / "torchrun").write_text(
        "#!/bin/bash\n[ $1 = --help ] && exit\necho failed >> $SAID\nexit 3\n"
    )
    code, said = run(FILES[0], cluster, here)
    assert (code, said) == (3, ["failed"])


@pytest.mark.parametrize("file", [*FILES, "requeue.sh"])
def test_the_files_parse(file: str) -> None:
    subprocess.run(["bash", "-n", str(SLURM / file)], check=True)
    if file in FILES:
        text = (SLURM / file).read_text()
        assert text.startswith("#!/bin/bash\n")
        assert "#SBATCH --signal=B:USR1@120" in text
        assert not (SLURM / file).stat().st_mode & stat.S_IXOTH  # for sbatch, not to be run

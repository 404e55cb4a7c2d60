"""What environment variables and the system say of this process: the one module that reads them.

Variables that belong together count completely or not at all: a process is one of several only
where all that torchrun sets is there and fits.
"""

import contextlib
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from trainer.core.errors import ConfigError

TORCHRUN = "torchrun --standalone --nproc-per-node 2 -m trainer strategy=ddp"

RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

# launchers that start copies and know nothing of torchrun: name, copies, number of this one
LAUNCHERS = (
    ("Slurm", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("Slurm", "SLURM_NTASKS", "SLURM_PROCID"),
    ("Slurm", "SLURM_NPROCS", "SLURM_PROCID"),
    ("Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("MVAPICH", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
    ("MPI", "PMI_SIZE", "PMI_RANK"),
    ("PMIx", "PMIX_SIZE", "PMIX_RANK"),
)

LOOK_S = 0.1  # at what others do on this machine

MOST_PROCESSES = 2**20  # a greater number is a typing error


@dataclass(frozen=True)
class World:
    """The processes of this run.

    Attributes:
        rank: of this process, 0 to size - 1.
        local_rank: among those of this machine.
        size: processes over all machines.
        local_size: processes on this machine.
        is_torchrun: whether torchrun started this process.
        address: host of the store that several processes share; `port` its port.
        agent_serves: whether torchrun itself serves the store.
    """

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    local_size: int = 1
    is_torchrun: bool = False
    address: str = ""
    port: int = 0
    agent_serves: bool = False

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Return the process that torchrun's variables describe, or one alone without them.

        `WORLD_SIZE` decides: where it is absent or 1, the others need not be there.

        Raises:
            ConfigError: naming the variable that is missing, odd or does not fit the others.
        """
        given = {name: env.get(name, "").strip() for name in RANKS}
        if not given["WORLD_SIZE"]:
            return cls()
        size = whole(given, "WORLD_SIZE", 1, MOST_PROCESSES)
        missing = [name for name in RANKS if not given[name]]
        if size > 1 and missing:
            raise ConfigError(
                f"WORLD_SIZE={size} without {', '.join(missing)}: torchrun sets all of them "
                f"({TORCHRUN}); for one process, unset WORLD_SIZE"
            )
        for name, neutral in (("RANK", "0"), ("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1")):
            given[name] = given[name] or neutral
        rank = whole(given, "RANK", 0, size - 1)
        local_size = whole(given, "LOCAL_WORLD_SIZE", 1, size)
        local_rank = whole(given, "LOCAL_RANK", 0, min(local_size - 1, rank))
        is_torchrun = not missing and "TORCHELASTIC_RUN_ID" in env
        if size == 1 and not is_torchrun:
            return cls()
        return cls(
            rank,
            local_rank,
            size,
            local_size,
            is_torchrun,
            given["MASTER_ADDR"],
            whole(given, "MASTER_PORT", 1, 65535),
            env.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        )


def whole(given: Mapping[str, str], name: str, least: int, most: int) -> int:
    """Return the whole number that a variable holds; raise ConfigError if it is none, or is not
    from `least` to `most`."""
    text = given[name]
    found = number(text)
    if found is not None and least <= found <= most:
        return found
    others = [f"{n}={shown(given[n])}" for n in RANKS[:4] if given[n] and n != name]
    beside = f" beside {', '.join(others)}" if others else ""
    raise ConfigError(
        f"the environment variable {name} must be a whole number from {least} to {most}{beside}, "
        f"got {text!a:.40}: start with torchrun ({TORCHRUN}), or unset WORLD_SIZE for one process"
    )


def shown(text: str) -> str:
    """Return a value as it is, or quoted and cut where it is long or has odd characters."""
    return text if text.isascii() and text.isprintable() and len(text) <= 20 else f"{text!a:.40}"


def number(text: str) -> int | None:
    """Return the whole number that a text is, or None."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def known_world() -> World:
    """Return the processes of this run, one alone where the variables make no sense."""
    try:
        return World.from_environment()
    except ConfigError:
        return World()


def copies_note(env: Mapping[str, str] = os.environ) -> str | None:
    """Return a line for the user where another launcher than torchrun seems to have started
    several copies of this process, each of which trains by itself; None in all but the first."""
    for launcher, size, rank in LAUNCHERS:
        count = number(env.get(size, "").strip())
        if count is not None and count > 1:
            if env.get(rank, "").strip() not in ("", "0"):
                return None
            return (
                f"{launcher} was asked for {count} tasks ({size}={count}): if it started {count} "
                "copies of this line, each of them trains a whole run by itself; one run in "
                f"several processes is started by torchrun: {TORCHRUN}"
            )
    return None


def cores(root: Path = Path("/")) -> int:
    """Return the processors that this process may use: those it is bound to, or fewer where its
    container has a quota."""
    bound = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quotas = [share for files in cpu_files(root) if (share := cpu_share(files)) is not None]
    return max(1, min(bound, *(math.ceil(share) for share in quotas))) if quotas else bound


def cpu_files(root: Path) -> Iterator[tuple[Path, ...]]:
    """Yield the files that hold this process's quotas of processors, of version 2 and 1."""
    for folder in control_groups(root, ""):
        yield (folder / "cpu.max",)
    for folder in control_groups(root, "cpu"):
        yield folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"


def cpu_share(files: tuple[Path, ...]) -> float | None:
    """Return the processors that a quota allows, None where there is no quota."""
    numbers = [number(word) for file in files for word in text_of(file).split()]
    if len(numbers) != 2 or numbers[0] is None or not numbers[1]:
        return None  # `max`, -1, or no such file
    return numbers[0] / numbers[1]


def memory_free(root: Path = Path("/")) -> int | None:
    """Return the bytes of memory that this process can still take, as far as the machine and its
    container allow; None where the system does not tell."""
    fields = dict(
        line.split(":", 1) for line in text_of(root / "proc/meminfo").splitlines() if ":" in line
    )
    free = []
    if "MemAvailable" in fields:
        free.append(int(fields["MemAvailable"].split()[0]) * 1024)
    elif sys.platform != "win32":  # not Linux: all there is
        free.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for kind, limit, used, cached in (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for folder in control_groups(root, kind):
            most, taken = number(text_of(folder / limit)), number(text_of(folder / used))
            if most is not None and taken is not None:
                lines = (line.split() for line in text_of(folder / "memory.stat").splitlines())
                spare = {words[0]: number(words[-1]) for words in lines if words}.get(cached)
                free.append(max(0, most - taken + (spare or 0)))
    return min(free, default=None)


def control_groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control group and of those around it; the controller is
    empty for version 2, which has one tree for all. In a container the path that the kernel tells
    may not exist there: then what is mounted counts."""
    for line in text_of(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if controller not in names.split(","):
            continue
        top = root / "sys/fs/cgroup" / controller
        own = top / path.lstrip("/")
        yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(top))


def text_of(file: Path) -> str:
    """Return what a file of the system holds, nothing where it cannot be read."""
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def default_threads(local_processes: int, env: Mapping[str, str] = os.environ) -> int:
    """Return the threads of a process where none are configured: its share of the cores, or, for a
    single process, `OMP_NUM_THREADS` if that is set and less."""
    share = max(1, cores() // local_processes)
    # torchrun sets it to 1 for several processes, whatever the machine has
    names = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT") if local_processes == 1 else ()
    # of a list the first number counts: the others are of parallel parts within parallel parts
    first = (number(env.get(name, "").partition(",")[0].strip()) for name in names)
    return min(share, *(limit or share for limit in first)) if names else share


def spinning_note(threads: int, root: Path = Path("/")) -> str | None:
    """Return a line where others are at work on the cores that threads of this program need: of
    threads that meet after every operation, all wait, spinning, for the one that has no core.

    Looks at the machine for a tenth of a second, in which this process does nothing.

    Args:
        threads: of this run on this machine.
        root: of the file system that tells it.
    """
    before = processor_times(root)
    time.sleep(LOOK_S)
    after = processor_times(root)
    passed = [later - earlier for earlier, later in zip(before, after, strict=True)]
    if len(passed) < 8 or not sum(passed[:8]):
        return None
    every = len(re.findall(r"^cpu\d", text_of(root / "proc/stat"), re.MULTILINE))
    total = sum(passed[:8])  # user, nice, system, idle, iowait, irq, softirq, steal
    busy, stolen = (every * part / total for part in (total - passed[3] - passed[4], passed[7]))
    if threads <= every - busy + 0.5:
        return None
    return (
        f"others keep {busy:.1f} of {every} cores busy ({load_text(root)}, {stolen:.1f} cores "
        f"stolen by other machines): {threads} threads will spin, waiting for each other; "
        "threads=1 may be faster"
    )


def load_text(root: Path = Path("/")) -> str:
    """Return how much this machine has had to do over the last minute, in words."""
    return f"load average {text_of(root / 'proc/loadavg').partition(' ')[0] or 'unknown'}"


def processor_times(root: Path) -> list[int]:
    """Return the times of all cores together since the machine began, as Linux counts them."""
    words = text_of(root / "proc/stat").partition("\n")[0].split()
    return [int(word) for word in words[1:]] if words[:1] == ["cpu"] else []


def room_for_tensors() -> int | None:
    """Return the bytes free in shared memory, where processes hand tensors to each other; None
    where there is no such place."""
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return None


def visible_gpus() -> str | None:
    """Return the GPUs that this process was given, None where nothing says so."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def has_cxx() -> bool:
    """Return whether there is a C++ compiler, as torch looks for one."""
    named = os.environ.get("CXX")
    return any(shutil.which(name) for name in ([named] if named else ["g++", "clang++"]))


def set_cache_of_compiler() -> None:
    """Let what torch compiles stay in the user's cache, unless a folder is named for it already:
    torch's own default is emptied when the machine starts."""
    home = cache_home()
    if home is not None and "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(home / "trainer" / "compiled")


def cache_home() -> Path | None:
    """Return the folder for files that can be made again, None where this user has none."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if home[0] == "~" else Path(home)


def has_display() -> bool:
    """Return whether a window could be opened here, as far as the environment says."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, names))


def variables(**changed: str | None) -> dict[str, str]:
    """Return a copy of all environment variables, for another process, with changes that are not
    None."""
    return {**os.environ, **{name: v for name, v in changed.items() if v is not None}}


def take_variables(of_other: Mapping[str, str]) -> None:
    """Make the environment that of another process."""
    os.environ.clear()
    os.environ.update(of_other)


@contextlib.contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for a moment."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before

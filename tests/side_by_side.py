"""Show that a change of the code moves no number: `python -m tests.side_by_side COMMIT`.

Short runs of every name of every group, of the presets, and of what takes several processes or
several runs, with the code of a commit and with that of the work tree. Weights, metrics and scores
must be equal to the last bit. Only the command line and the files in a run's folder are relied on.

This process imports the libraries once and forks for each command line, which saves the seconds
that they take to import. Sweeps, and the processes that torchrun starts, are new processes.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import math
import os
import re
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = (
    *("torch", "torch._dynamo", "torch.distributed.run", "torch.utils.tensorboard", "torchvision"),
    *("hydra", "hydra._internal.hydra", "omegaconf", "safetensors.torch", "PIL.Image"),
    *("rich.console", "rich.live", "rich.table", "matplotlib.figure"),
)
LIMIT_S = 900.0  # of one command line, on a machine that others use
NOT_COMPARED = ("images_per_s", "train_s", "average_s", "eval_s", "max_memory_bytes")
COMPARED = ("status", "steps", "best_val_top1", "test", "test_avg", "lr_range", "weights_sha256")
GROUPS = ("data", "augment", "model", "optim", "scheduler", "average", "mix", "loss", "precision")
SMALL = (  # twelve steps, two epochs
    *("data=synthetic", "data.num_train=200", "data.num_test=60", "data.image_shape=[3,12,12]"),
    *("model=cnn", "model.width=4", "batch_size=32", "epochs=2", "threads=1"),
)
SIDE_32 = ("data.num_train=40", "data.num_test=20", "data.image_shape=[3,32,32]", "batch_size=16")
FOLDERS = {  # in the folder of --data
    **dict.fromkeys(("data=mnist", "experiment=mnist"), "MNIST"),
    **dict.fromkeys(("data=cifar10_jpeg", "experiment=cifar10_jpeg_cpu"), "cifar10-jpeg"),
    "data=fashion_mnist": "FashionMNIST",
    "data=cifar10": "cifar-10-batches-py",
    "data=cifar100": "cifar-100-python",
}
NEEDS = {  # words that a name needs, or that make it quick
    **dict.fromkeys(FOLDERS, "data.root=data max_steps=8 batch_size=16"),
    "data=image_folder": "data.root=pictures data.cache_size=16",
    "data=synthetic": " ".join(SMALL[1:4]),
    "data=digits_hard": "data.canvas=12 max_steps=8",
    "model=wide_resnet": "model.depth=10 model.widen_factor=1 model.dropout=0.1",
    "model=resnet110": "data.image_shape=[3,8,8]",
    "average=swa": "average.start=2st average.every=2st",
    "average=swa_paper": "average.start=1ep",
    "average=swa_torchcontrib": "average.start=2st average.every=3st",
    "experiment=swa": "epochs=4 data.subset=30%",
    "experiment=cifar10_jpeg_cpu": "data.root=data max_steps=4 batch_size=16 model.width=4",
}
PRESET = "batch_size=16 max_steps=4 scheduler.warmup=25% report_test=false"
LEFT_OUT = dict.fromkeys(("precision=tf32", "strategy=dp"), "needs GPUs")
LEFT_OUT["strategy.sync_batch_norm=true"] = "needs GPUs since it is torch's"
LEFT_OUT |= {"task=plan": "trains nothing", "strategy=ddp": "the cases of 2 ranks use it"}
KEYS = (  # keys beside the groups, and some of the names' own
    *("init=dirac", "init=whiten model.width=27", "init=[dirac,whiten] model=airnet model.width=8"),
    *("tta=flip", "tta=flip_translate", "accumulate=2", "accumulate=4 precision=O2"),
    *("clip_value=0.01", "clip_adaptive=0.01", "clip_norm=0.5 precision=fp16", "label_noise=20%"),
    *("seed=3", "epochs=1.5", "batch_size=17", "data.last=drop", "data.val=0", "data.subset=50%"),
    *("optim.lr=1e9", "optim.lr_rule=linear", "optim.groups=no_bias_decay", "model.act=gelu"),
    "optim.groups=[{match:bias,lr:8,scheduler:cosine},{match:first,freeze_after:5st}]",
    "optim=muon optim.groups=[no_bias_decay] optim.other=sgd optim.weight_decay=0.01",
    *("scheduler=cosine scheduler.warmup=3st", "scheduler=cosine scheduler.every=1ep"),
    *("scheduler=cosine scheduler.min_lr=10%", "scheduler=onecycle scheduler.three_phase=true"),
    "scheduler=cyclic scheduler.base_momentum=0.8 scheduler.max_momentum=0.95",
    "scheduler=plateau scheduler.patience=0ep epochs=4 optim.lr=0.5",
    "scheduler=torch scheduler.lr_scheduler=PolynomialLR scheduler.args={total_iters:9}",
    "average=swa average.start=2st average.every=2st average.include_init=true",
    *("average=ema average.buffers=copy", "average=ema average.buffers=average precision=bf16"),
    *("average=ema average.decay_warmup=true", "swa=paper epochs=4", "augment=[standard,cutout]"),
    *("mix=mixup mix.partners=independent", "mix=mixup mix.lambda_per=sample mix.stop=1ep"),
    *("mix=cutmix mix.probability=0.5", "mixup=on loss.label_smoothing=0.1"),
    *("model=mlp model.norm=none model.hidden=[16]", "model.ghost_batch=16"),
    "checkpoint.every=3st checkpoint.background=true checkpoint.keep=all",
    "model=resnet50 model.variant=D model.stem=cifar model.width=8 model.zero_gamma=true",
    "data=image_folder data.root=pictures data.cache_size=16 data.workers=1 data.resident_share=0",
)
RANKS = (  # of two processes
    *("model=mlp model.hidden=[16] model.norm=none", "model=cnn", "mix=mixup clip_norm=0.5"),
    *("average=swa average.start=2st average.every=2st", "average=ema augment=[standard]"),
    "mix=cutmix mix.partners=independent",
    "strategy=ddp accumulate=2 precision=bf16 optim=adamw",
)
LONG = ("data.num_train=400", "epochs=25")  # most of it is left when the first epoch is told
RESUMED = (
    "average=ema mix=mixup augment=[standard] precision=fp16 scheduler=cosine accumulate=2",
    "average=swa average.start=40st optim=muon scheduler=onecycle mix=cutmix tta=flip",
    "average=lookahead optim=adam scheduler=plateau clip_norm=1 label_noise=10%",
)
RANKS_RESUMED = "average=ema mix=mixup augment=[standard] scheduler=cosine"


@dataclass(frozen=True)
class Line:
    """A command line."""

    words: tuple[str, ...]  # after `python -m trainer`
    ranks: int = 1  # processes that torchrun starts; 1 without it
    stops: bool = False  # SIGTERM is sent once the first epoch stands in run/metrics.jsonl
    code: int = 0  # that it must end with


@dataclass(frozen=True)
class Case:
    """Command lines in one folder, one after the other; with `same` their runs must be equal."""

    name: str
    lines: tuple[Line, ...]
    same: bool = False

    def with_words(self, more: Sequence[str]) -> Case:
        """Return the case with more words at the end of each line."""
        return replace(self, lines=tuple(replace(a, words=(*a.words, *more)) for a in self.lines))


def small(text: str, *more: str, to: str = "run") -> tuple[str, ...]:
    """Return the words of a small run, with words that replace its own and each other."""
    words = {word.partition("=")[0]: word for word in SMALL}
    for word in (*text.split(), *more):
        key = word.partition("=")[0]
        if key in GROUPS:
            words = {k: w for k, w in words.items() if not k.startswith(f"{key}.")}
        words[key] = word
    return (*words.values(), f"hydra.run.dir={to}")


def names(tree: Path) -> list[tuple[str, str]]:
    """Return every group and name of a tree's configuration; presets as `bag_of_tricks/mixup`."""
    conf = next(c for c in (tree / "conf", tree / "trainer" / "conf") if c.is_dir())
    files = [f.relative_to(conf).with_suffix("") for f in sorted(conf.glob("*/**/*.yaml"))]
    return [(file.parts[0], "/".join(file.parts[1:])) for file in files]


def cases(tree: Path, data: Path | None) -> tuple[list[Case], dict[str, str]]:
    """Return what is run, and why the rest is left out."""
    found, left = [], dict(LEFT_OUT)
    for group, name in names(tree):
        word = f"{group}={name}"
        folder = FOLDERS.get(word)
        if group == "sweep":
            left["sweep=*"] = "the presets of sweeps are long; a short sweep is a case"
        elif group not in (*GROUPS, "strategy", "experiment", "task"):
            left[word] = "this script does not know the group"
        elif folder and not (data and (data / folder).is_dir()):
            left[word] = f"needs {folder}/ in the folder of --data"
        elif word not in left and group != "task":
            found.append(Case(word, lines_of(group, name)))
    return [*found, *others()], left


def lines_of(group: str, name: str) -> tuple[Line, ...]:
    """Return the command lines that show a name of a group."""
    word = f"{group}=[{name}]" if group == "augment" else f"{group}={name}"
    needs = NEEDS.get(f"{group}={name}", "")
    if group == "experiment":
        cut = ("epochs=4", "threads=1", *(needs or PRESET).split())
        if not name.endswith("/distill"):
            return (Line((f"+{word}", *cut, "hydra.run.dir=run")),)
        teacher = Line(("+experiment=bag_of_tricks/teacher", *cut, "hydra.run.dir=teacher"))
        return teacher, Line((f"+{word}", *cut, "loss.teacher=teacher", "hydra.run.dir=run"))
    if word == "loss=distill":
        return Line(small("", to="teacher")), Line(small(word, "loss.teacher=teacher", "seed=1"))
    quick = (*SIDE_32, "max_steps=3") if group == "model" else ()
    return (Line(small(word, *quick, *needs.split())),)


def others() -> Iterator[Case]:
    """Yield the cases of keys, and those that take several runs or processes."""
    for text in KEYS:
        yield Case(text, (Line(small(text), code=3 if text == "optim.lr=1e9" else 0),))
    first = Line(small("checkpoint.every=3st checkpoint.keep=all", to="first"))
    for text in ("init_from=first", "init_from=first@best", "init_from=first@6"):
        yield Case(text, (first, Line(small(text, "seed=2", "optim=adam"))))
    for text in ("fork=first@6", "fork=first@9 optim.lr=0.2 mix=mixup", "fork=first epochs=3"):
        yield Case(text, (first, Line((*text.split(), "hydra.run.dir=run"))))
    yield Case("repeat=first", (first, Line(("repeat=first", "hydra.run.dir=run"))), same=True)
    sweep = ("-m", *small("optim.lr=0.02,0.1 seed=0,1")[:-1], "hydra.sweep.dir=sweep")
    yield Case("sweep of 4 jobs", (Line(sweep),))
    yield Case("task=lr_range", (Line(small("task=lr_range task.steps=60")),))
    for text in RANKS:
        yield Case(f"2 ranks: {text}", (Line(small(text), ranks=2),))
    for text, ranks in (*((text, 1) for text in RESUMED), (RANKS_RESUMED, 2)):
        whole = Line(small(text, *LONG, to="whole"), ranks)
        # torchrun's own code is 1 whatever that of its processes
        stopped = Line(small(text, *LONG), ranks, stops=True, code=143 if ranks == 1 else 1)
        name = f"resumed{', 2 ranks' if ranks > 1 else ''}: {text}"
        yield Case(name, (whole, stopped, Line(("resume=run",), ranks)), same=True)


def lay_out(folder: Path, data: Path | None) -> None:
    """Make `pictures/`, and in `data/` links to the data sets that are there."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    for i in range(90):
        file = folder / "pictures" / "train" / ("one", "three", "two")[i % 3] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (12, 14, 3), dtype=np.uint8)).save(file)
    folders = {*FOLDERS.values()} - {"cifar10-jpeg"}
    links = [data / name for name in folders if (data / name).is_dir()] if data else []
    # 40 images of each class: to decode all of them takes half a minute
    for source in (*links, *(data.glob("cifar10-jpeg/*/*/00[0-3]?.jpg") if data else ())):
        place = folder / "data" / source.relative_to(data or "")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)


def perform(case: Case, tree: Path, folder: Path) -> dict[str, Any]:
    """Run the command lines of a case and return the numbers of each run."""
    folder.mkdir(parents=True)
    if any("data.root=" in word for line in case.lines for word in line.words):
        shutil.copytree(folder.parents[1] / "images", folder, symlinks=True, dirs_exist_ok=True)
    for line in case.lines:
        if (code := exit_code(line, tree, folder, folder / "said")) != line.code:
            told = (folder / "said").read_text(errors="replace").strip().splitlines()
            told = [t for t in told if t.startswith("error:")] or told[-1:]
            raise RuntimeError(f"exit code {code}, not {line.code}: {' '.join(told)}")
    files = sorted(folder.rglob("summary.json"))
    runs = {str(file.parent.relative_to(folder)): result(file.parent) for file in files}
    if case.same and (apart := first_difference(*runs.values())):
        raise RuntimeError(f"the runs {' and '.join(runs)} are not equal: {apart}")
    return runs


def exit_code(line: Line, tree: Path, cwd: Path, said: Path) -> int:
    """Answer a command line in a process of its own and return its exit code; -9 after LIMIT_S."""
    child = os.fork()
    if child == 0:
        become(line, tree, cwd, said)
    handle, start, metrics = os.pidfd_open(child), time.monotonic(), cwd / "run" / "metrics.jsonl"
    is_due = line.stops
    while not select.select([handle], [], [], 0.01 if is_due else 1.0)[0]:
        if is_due and metrics.is_file() and metrics.stat().st_size:
            os.kill(child, signal.SIGTERM)
            is_due = False
        if time.monotonic() - start > LIMIT_S:
            os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def become(line: Line, tree: Path, cwd: Path, said: Path) -> NoReturn:
    """Be the command line, in this forked process."""
    code = 1
    try:
        os.chdir(cwd)
        for number, file in enumerate((Path(os.devnull), said, said)):
            os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
        others = [p for p in sys.path if not (Path(p) / "trainer" / "__init__.py").is_file()]
        sys.path[:] = [str(cwd), str(tree), *others]
        os.environ.update(PYTHONPATH=str(tree), COLUMNS="200", XDG_CACHE_HOME=str(cwd / "cache"))
        program = ["-m", "trainer", *line.words]
        if line.words[0] == "-m":  # workers look at how the program was started
            os.execv(sys.executable, [sys.executable, *program])
        module, sys.argv = "trainer", program[1:]
        if line.ranks > 1:
            module = "torch.distributed.run"
            sys.argv = ["torchrun", "--standalone", f"--nproc-per-node={line.ranks}", *program]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def result(run: Path) -> dict[str, Any]:
    """Return the numbers that a run left."""
    summary = json.loads((run / "summary.json").read_text())
    found: dict[str, Any] = {}
    for file in (run / "metrics.jsonl", run / "lr_range.csv"):
        for i, text in enumerate(file.read_text().splitlines() if file.is_file() else (), 1):
            row = json.loads(text) if file.suffix == ".jsonl" else {"line": text}
            row = {key: value for key, value in row.items() if key not in NOT_COMPARED}
            found[f"{file.name}:{i}"] = row
    return found | {key: summary[key] for key in COMPARED if key in summary}


def first_difference(one: Any, other: Any, loss: float = 0.0, place: str = "") -> str | None:
    """Return where two results differ first, and how; None where they are equal.

    `loss` is the relative difference that the loss of an evaluation may have.
    """
    if not isinstance(one, dict) or not isinstance(other, dict):
        is_loss = place.endswith((" val_loss", "test loss", "avg_val_loss", "test_avg loss"))
        are_close = isinstance(one, float) and isinstance(other, float) and is_loss
        if repr(one) == repr(other) or (are_close and math.isclose(one, other, rel_tol=loss)):
            return None
        return f"{place}: {one!r}, now {other!r}"
    for key in {**one, **other}:
        found = first_difference(one.get(key), other.get(key), loss, f"{place} {key}".strip())
        if found:
            return found
    return None


def compare(
    todo: Sequence[Case], trees: tuple[Path, Path], args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Run all cases in both trees, and yield what is found as it comes; see `main`."""
    now = args.now.split()
    jobs = [(i, side) for i in range(len(todo)) for side in (0, 1)]
    active: dict[int, tuple[int, int]] = {}
    ends: dict[tuple[int, int], dict[str, Any]] = {}
    try:
        while jobs or active:
            while jobs and len(active) < args.workers:
                i, side = jobs.pop(0)
                if (child := os.fork()) == 0:
                    case = todo[i].with_words(now if side else ())
                    attend(case, trees[side], trees[side].with_name(f"{side}") / str(i))
                active[child] = (i, side)
            i, side = active.pop(os.wait()[0])
            file = trees[side].with_name(f"{side}") / f"{i}.json"
            end = json.loads(file.read_text()) if file.is_file() else {"failed": "killed"}
            ends[i, side] = end
            if (i, 1 - side) in ends:
                pair = {"then": ends.pop((i, 0)), "now": ends.pop((i, 1))}
                failed = [f"{k}: {end['failed']}" for k, end in pair.items() if "failed" in end]
                apart = "; ".join(failed) or first_difference(*pair.values(), args.loss)
                num = 0 if failed else len(pair["now"])
                yield {"name": todo[i].name, "difference": apart, "runs": num}
    finally:
        for child in active:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)


def attend(case: Case, tree: Path, folder: Path) -> NoReturn:
    """Perform a case in this forked process, and leave what was found beside its folder."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        found = perform(case, tree, folder)
    except Exception as error:
        found = {"failed": str(error) or repr(error)}
    folder.with_suffix(".json").write_text(json.dumps(found))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def run_all(args: argparse.Namespace, folder: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Compare the trees, printing each case; return what was found and what was left out."""
    base, tree = folder / "base", folder / "tree"
    git = ("git", "-C", str(ROOT), "worktree")
    subprocess.run([*git, "add", "--quiet", "--detach", str(base), args.commit], check=True)
    try:
        for part in filter(Path.is_dir, (args.tree / "trainer", args.tree / "conf")):
            shutil.copytree(part, tree / part.name)  # which may be edited meanwhile
        todo, left = cases(base, args.data)
        new = set(names(tree)) - set(names(base))
        left |= {f"{group}={name}": f"not in {args.commit}" for group, name in sorted(new)}
        lay_out(folder / "images", args.data)
        todo = [case for case in todo if re.search(args.only, case.name)]
        told = []
        for found in compare(todo, (base, tree), args):
            told.append(found)
            sign = "differs" if found["difference"] else "equal"
            print(f"{sign:<8} {found['name']}  {found['difference'] or ''}".rstrip(), flush=True)
        return told, left
    finally:
        subprocess.run([*git, "remove", "--force", str(base)], check=True)


def main() -> None:
    """Compare, print, and exit with 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("commit")
    parser.add_argument("--data", type=Path, help="folder that holds MNIST/, cifar10-jpeg/ ...")
    parser.add_argument("--only", default="", help="regular expression, of names of cases")
    parser.add_argument("--workers", type=int, default=2, help="cases at once")
    parser.add_argument("--now", default="", help="words that give the tree's lines old values")
    parser.add_argument(
        "--loss", type=float, default=0.0, help="relative, that an evaluation's loss may differ"
    )
    parser.add_argument("--out", type=Path, help="JSON file for what is found")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the other side, a checkout")
    args = parser.parse_args()
    args.data = args.data and args.data.resolve()
    start = time.monotonic()
    for name in LIBRARIES:
        importlib.import_module(name)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="side-by-side-", ignore_cleanup_errors=True) as folder:
        told, left = run_all(args, Path(folder))
    for name, reason in left.items():
        print(f"left out {name}: {reason}")
    equal = sum(found["difference"] is None for found in told)
    print(
        f"{len(told)} cases compared, {sum(found['runs'] for found in told)} runs on each side: "
        f"{equal} equal, {len(told) - equal} not; {time.monotonic() - start:.0f} s"
    )
    if args.out:
        args.out.write_text(json.dumps({"cases": told, "left_out": left}, indent=1) + "\n")
    sys.exit(equal < len(told))


if __name__ == "__main__":
    main()

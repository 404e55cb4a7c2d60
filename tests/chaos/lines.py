"""Bad command lines, drawn from the schema: every key and every kind of fault."""

from __future__ import annotations

import random
import string
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from tests.command import TINY
from trainer.composition.search_path import SEAMS, Sources
from trainer.core.units import Amount, Duration, Interval
from trainer.core.weights_source import Origin
from trainer.optim._rules import Rules
from trainer.scheduler._frame import Rate

BASE = (*TINY, "max_steps=1")
LETTERS = string.ascii_lowercase
# Groups in which a made-up data set or a tiny network keeps a fault that goes unnoticed cheap.
SHARED_GROUPS = ("optim", "scheduler", "average", "mix", "loss", "data", "model", "augment")
NEEDED = {"distill": ("loss.teacher=nowhere",)}  # words without which a name is refused
MAY_BE_NEGATIVE = ("model.logit_scale",)  # a factor


@dataclass(frozen=True)
class Fault:
    """A bad command line.

    Attributes:
        kind: what is wrong.
        words: of the line.
        culprits: the message must name one of them.
        codes: exit codes that fit.
        right: what the message must suggest, or nothing.
    """

    kind: str
    words: tuple[str, ...]
    culprits: tuple[str, ...]
    codes: tuple[int, ...] = (2,)
    right: str = ""


def typo(word: str, draw: random.Random) -> str:
    """Return a word with one letter changed, left out, doubled, or swapped with its neighbour."""
    while True:
        i = draw.randrange(len(word))
        letter = draw.choice(LETTERS)
        wrong = draw.choice(
            (
                word[:i] + letter + word[i + 1 :],
                word[:i] + word[i + 1 :],
                word[:i] + letter + word[i:],
                word[:i] + word[i + 1 : i + 2] + word[i : i + 1] + word[i + 2 :],
            )
        )
        if wrong != word and wrong[:1].isalpha():
            return wrong


@dataclass(frozen=True)
class Key:
    """A key of the schema: the words that make it exist, its name, type and default."""

    words: tuple[str, ...]
    name: str
    kind: object
    default: object


def schema() -> list[Key]:
    """Return every key of every name of every group, and those of the run itself."""
    from trainer.config.groups import REGISTRIES
    from trainer.config.run_config import HINTS, CheckpointConfig

    found = []
    for group in SHARED_GROUPS:
        registry = REGISTRIES[group]
        for name in registry.names():
            if name == "none":
                continue
            chosen = (f"augment=[{name}]",) if group == "augment" else (f"{group}={name}",)
            chosen += NEEDED.get(name, ())
            where = f"augment.{name}" if group == "augment" else group
            for cls in (registry.shared, registry.load(name)):
                hints = typing.get_type_hints(cls)
                for field in fields(cls):
                    if field.init and hints[field.name] not in (str, str | None):  # any text is
                        default = None if field.default is MISSING else field.default
                        key = f"{where}.{field.name}"
                        found.append(Key(chosen, key, hints[field.name], default))
    for key in ("seed", "epochs", "max_steps", "batch_size", "accumulate", "clip_norm"):
        found.append(Key((), key, HINTS[key], None))
    for key in ("clip_value", "threads", "report_test"):
        found.append(Key((), key, HINTS[key], None))
    for field in fields(CheckpointConfig):
        hint = typing.get_type_hints(CheckpointConfig)[field.name]
        found.append(Key((), f"checkpoint.{field.name}", hint, field.default))
    return found


def wrong_values(key: Key) -> list[str]:
    """Return values that a key's type or range does not have."""
    kind = key.kind
    inner = [a for a in typing.get_args(kind) if a is not type(None)]
    if type(None) in typing.get_args(kind):
        kind = inner[0]
    if key.name == "checkpoint.metric":
        return ["accuracy", "val_topp1", "train_loss", "5", "[val_loss]", "null", ""]
    if kind is bool:
        return ["3", "maybe", "1.5", "[true]"]
    if kind is int:
        return ["many", "1.5", "true", "-7", "[1]", "nan", "1e400", "{a:1}"]
    if kind is float:
        return ["fast", "true", "nan", "inf", "-inf", "[1.0]", "-0.5", "'0.1'"]
    if kind is Duration:
        return ["5", "0.5", "-1ep", "5 epochs", "101%", "true", "1.5st", "nanep", "[5ep]"]
    if kind is Interval:
        return ["5", "0s", "-1ep", "10%", "1.5st", "true", "often"]
    if kind is Amount:
        return ["120%", "-1", "2.5", "few", "true", "[10%]"]
    if kind is Rate:
        return ["101%", "-0.1", "-1%", "low", "true", "[0.1]", "nan", "7"]
    if typing.get_origin(kind) is typing.Literal:
        return ["nothing", "3", "true", "[a]"]
    if typing.get_origin(kind) is tuple:
        return ["5", "[a]", "[1,nan]", "{a:1}"]
    if kind is Origin:
        return ["", "torchvision:", "torchvision:IMAGENET1K_V1", "~no_such_user_anywhere"]
    if kind is Rules:
        return ["5", "no_such_rule", "[5]", "[{match:bias,lr:-1}]", "{a:1}", "[{lr:2}]"]
    if typing.get_origin(kind) is Mapping:
        return ["5", "[a]", "words", "true"]
    if getattr(kind, "__name__", "") == "ClassWeights":
        return ["5", "words", "true", "[1,-1]", "[nan]", "{a:1}", "[]"]
    if getattr(kind, "__name__", "") == "Keep":
        return ["0", "-1", "1.5", "some", "true"]
    raise AssertionError(f"no wrong value known for {key}")


def typos(draw: random.Random, count: int) -> Iterator[Fault]:
    """Yield lines with one letter wrong in a key or a name."""
    sources = Sources()
    keys = [k for k in schema() if len(k.name.rsplit(".", 1)[-1]) >= 3]
    known = {k.name for k in keys} | sources.groups()
    names = [(g, n) for g in (*SEAMS, "experiment") for n in sources.options(g) if len(n) >= 3]
    while count:
        if draw.random() < 0.6:
            key = draw.choice(keys)
            group, _, last = key.name.rpartition(".")
            wrong = f"{group}.{typo(last, draw)}" if group else typo(last, draw)
            if wrong in known or wrong.rpartition(".")[2] in ("", "name"):
                continue
            words = (*key.words, f"{wrong}=1")
            yield Fault("key", words, (wrong,), right=key.name)
        else:
            group, name = draw.choice(names)
            wrong = typo(name, draw)
            if wrong in sources.options(group) or is_pending(group, wrong):
                continue
            sign = "+" if group == "experiment" else ""
            yield Fault("name", (f"{sign}{group}={wrong}",), (wrong,), right=name)
        count -= 1


def is_pending(group: str, name: str) -> bool:
    from trainer.composition import not_built as pending

    return name in pending.NAMES.get(group, ())


def wrong_types(draw: random.Random, count: int) -> Iterator[Fault]:
    """Yield lines with a value of the wrong type or range, every key at least once."""
    keys = schema()
    draw.shuffle(keys)
    for i in range(count):
        key = keys[i % len(keys)]
        values = wrong_values(key)
        if key.name in MAY_BE_NEGATIVE:
            values = [v for v in values if not v.startswith("-0")]
        yield Fault("value", (*key.words, f"{key.name}={draw.choice(values)}"), (key.name,))


def conflicts(folder: Path) -> list[Fault]:
    """Return choices that cannot be had together, or not here."""
    lines = {
        "strategy=ddp": "torchrun",
        "device=cuda:7": "cuda:7",
        "device=tpu": "tpu",
        "device=mps precision=fp64": "mps",
        "optim=sgd optim.momentum=0 optim.nesterov=true": "optim.nesterov",
        "scheduler.warmup=2ep": "scheduler.warmup",
        "scheduler.warmup=100%": "scheduler.warmup",
        "scheduler.warmup=1st": "scheduler.warmup",
        "scheduler.min_lr=7": "scheduler.min_lr",
        "scheduler.every=1ep": "scheduler.every",
        "scheduler=plateau data.val=0": "data.val",
        "scheduler=plateau scheduler.every=1st": "scheduler.every",
        "scheduler=swa scheduler.min_lr=0.001": "scheduler.min_lr",
        "scheduler=multistep scheduler.milestones=[9ep]": "scheduler.milestones[0]",
        "scheduler=torch scheduler.lr_scheduler=LambdaLR": "scheduler.lr_scheduler",
        "scheduler=torch scheduler.args={total_iter:3}": "scheduler.args.total_iter",
        "scheduler.min_lr=101%": "scheduler.min_lr",
        "average=swa average.start=100%": "average.start",
        "average=swa average.start=5ep": "average.start",
        "average=swa average.start=1st": "average.start",
        "average=ema average.every=0st": "average.every",
        "average=ema average.every=5ep": "average.every",
        "batch_size=10 accumulate=3": "batch_size",
        "data.val=100%": "data.val",
        "data.val=64": "data.val",
        "data.subset=0": "data.subset",
        "model=resnet9 data.image_shape=[1,4,4]": "model=resnet9",
        "model=torchvision data.image_shape=[1,8,8]": "model",
        "model=wide_resnet model.depth=11": "model.depth",
        "model=cnn model.ghost_batch=9": "model.ghost_batch",
        "model=airnet": "airnet",
        "init=white": "init",
        "init=[default,dirac]": "init",
        "init=dirac": "init",
        "init=whiten": "init",
        "init=dirac model=cnn init_from=run": "init_from",
        "name=a/b": "name",
        "name=..": "name",
        "name=": "name",
        "swa=sometimes": "sometimes",
        "mixup=perhaps": "perhaps",
        "mix.alpha=0.5": "mix.alpha",
        "optim.lr=0.1,0.2": "optim.lr",
        "optim.lr=[0.1": "optim.lr",
        "optim.lr": "optim.lr",
        "=3": "=3",
        "~optim": "~optim",
        "experiment=mnist": "write +experiment=mnist",
        "+optim.lr=0.3": "optim.lr",
        "optim=3": "optim",
        "optim=": "optim",
        "optim={a:1}": "optim",
        "augment=standard,shift": "augment",
        "augment=[standard,nothing]": "nothing",
        "hydra.job.chdir=true": "hydra.job.chdir",
        "hydra/launcher=basic": "hydra/launcher",
        "+hydra.callbacks.a._target_=os.system": "_target_",
        "-m seed=0,1 hydra.sweeper._target_=os.system": "_target_",
        "plugins=[no_such_module_anywhere]": "no_such_module_anywhere",
        "--config-dir=/no/such/folder": "/no/such/folder",
        "--config-name=nothing": "nothing",
        "--config-dir": "--config-dir",
        "--frobnicate": "--frobnicate",
        "-x": "-x",
        "task=export": "task.run",
        "init_from=": "init_from",
        "loss=distill": "loss.teacher",
        "loss=distill loss.teacher=w.safetensors": "loss.teacher_model",
        "loss=distill loss.teacher=run loss.teacher_model=mlp": "loss.teacher_model",
        "init_from=torchvision:": "init_from",
        "init_from=torchvision:IMAGENET1K_V1": "init_from",
        "engine=graph": "engine",
        "-m seed=0,1 optim=adamm": "adamm",
        "-m optim.lr=-1,nan": "optim.lr",
        "-m optimm.lr=0.1,0.2": "optimm.lr",
        "-m resume=there": "resume",
    }
    # the message names the group as well as the part that is wrong
    return [Fault("conflict", tuple(k.split()), (v,)) for k, v in lines.items()]


def missing(folder: Path) -> list[Fault]:
    """Return lines whose data, runs or folders are not there, damaged or closed."""
    bad = folder / "bad"
    raw = bad / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (raw / name).write_bytes(b"\x00\x00\x08\x03nonsense")
        (raw / name.replace("train", "t10k")).write_bytes(b"")
    (bad / "train" / "cat").mkdir(parents=True)
    (bad / "train" / "cat" / "a.png").write_bytes(b"not a picture")
    (bad / "test" / "cat").mkdir(parents=True)
    (bad / "test" / "cat" / "a.png").write_bytes(b"not a picture")
    (bad / "train" / "dog").mkdir()
    (bad / "train" / "dog" / "b.png").write_bytes(b"not a picture either")
    file = folder / "file"
    file.write_text("a file")
    full = folder / "full"
    full.mkdir()
    (full / "kept").write_text("kept")
    broken = folder / "broken"
    broken.mkdir()
    (broken / "config.yaml").write_text("seed: [1")
    evil = folder / "evil"
    evil.mkdir()
    (evil / "config.yaml").write_text("model:\n  _target_: os.system\n")
    nowhere = str(folder / "nowhere")
    faults = [
        Fault("data", (f"data={name}", f"data.root={nowhere}"), (nowhere, name), (5,))
        for name in ("mnist", "fashion_mnist", "cifar10", "cifar100", "cifar10_jpeg")
    ]
    faults += [
        Fault("data", ("data=image_folder", f"data.root={nowhere}"), (nowhere,), (5,)),
        Fault("data", ("data=image_folder", f"data.root={file}"), (str(file),), (5,)),
        Fault("data", ("data=image_folder", f"data.root={bad}"), (str(bad),), (5,)),
        Fault("data", ("data=mnist", f"data.root={bad}"), (str(bad),), (5,)),
        Fault("folder", (f"hydra.run.dir={full}",), (str(full),)),
        Fault("folder", (f"hydra.run.dir={file}/run",), (str(file),)),
        Fault("folder", ("hydra.run.dir=/proc/no/run",), ("/proc/no",)),
        Fault("folder", ("hydra.run.dir=/proc/version",), ("/proc/version",)),
    ]
    distill = ("loss=distill", f"loss.teacher={nowhere}")
    faults.append(Fault("weights", distill, (nowhere,), (4,)))
    for code, place in ((4, nowhere), (4, str(full)), (5, str(file)), (2, str(broken))):
        faults.append(Fault("weights", (f"init_from={place}",), (place,), (code,)))
    faults.append(Fault("run", (f"fork={nowhere}@3",), (nowhere,), (4,)))
    for word in ("resume", "repeat"):
        faults += [
            Fault("run", (f"{word}={nowhere}",), (nowhere,), (4,)),
            Fault("run", (f"{word}={full}",), (str(full),), (4,)),
            Fault("run", (f"{word}=",), (word, "config.yaml"), (2, 4)),
            Fault("run", (f"{word}={broken}",), (str(broken),)),
            Fault("run", (f"{word}={evil}",), (str(evil),)),
        ]
    return faults


def line_of(fault: Fault) -> tuple[str, ...]:
    """Return the whole line: the base without the parts that the fault chooses anew."""
    chosen = {w.split("=")[0] for w in fault.words}
    return (*(w for w in BASE if w.split("=")[0].split(".")[0] not in chosen), *fault.words)


def check(fault: Fault, code: int, message: str) -> str:
    """Return what is wrong with the answer to a bad line, or nothing."""
    line = f"{fault.kind}: {' '.join(fault.words)} -> {code} {message[:300]!r}"
    if code not in fault.codes:
        return f"code not in {fault.codes}: {line}"
    if not message.startswith("error: ") or message.count("error: ") != 1:
        return f"not one message: {line}"
    if "Traceback" in message or 'File "' in message:
        return f"traceback: {line}"
    if not any(c in message for c in fault.culprits):
        return f"does not name {fault.culprits}: {line}"
    return ""

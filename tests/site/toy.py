"""One rule that makes any command line of ours small: what is read of a data set is 64 images, what
would be downloaded is made up in its shape, and jobs of a sweep end after four steps."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from tests.command import ROOT

CONF = ROOT / "conf"
SHAPES = {  # what would be downloaded: shape and classes
    "mnist": ("[1,28,28]", 10),
    "fashion_mnist": ("[1,28,28]", 10),
    "cifar10": ("[3,32,32]", 10),
    "cifar10_jpeg": ("[3,32,32]", 10),
    "cifar100": ("[3,32,32]", 100),
}
READS = ("resume=", "repeat=", "fork=")  # a run that is small already
LOOKS = ("plan", "evaluate", "predict", "export")
ENDS = ("--help", "--version", "--cfg", "--info")
STUDIES = {"demo": ("--seeds", "2"), "study": ("--seeds", "2", "--trials", "1", "data=digits")}


def toy(words: Sequence[str]) -> list[str]:
    """Return words of a command line of ours with those that make it small."""
    if any(w.startswith((*READS, *ENDS)) for w in words):
        return list(words)
    if words and words[0] in STUDIES:
        is_list = len([w for w in words if not w.startswith("-")]) == 1
        seeds = () if "--tune" in words else STUDIES[words[0]]
        return list(words) if is_list else [*words, *seeds, "max_steps=2", "threads=1"]
    is_run = not words or words[0] == "-m" or "=" in words[0]
    if not is_run or any(w in [f"task={t}" for t in LOOKS] for w in words):
        return list(words)
    more = []
    given = {re.split(r"=", w, maxsplit=1)[0].lstrip("+") for w in words}
    name = data_of(words)
    if name in SHAPES:
        shape, classes = SHAPES[name]
        more = ["data=synthetic", f"data.image_shape={shape}", f"data.num_classes={classes}"]
    if name in SHAPES or name == "synthetic":
        more += ["data.num_train=80", "data.num_test=20"]
    elif "data.subset" not in given:
        more.append("data.subset=64")
    if "threads" not in given:
        more.append("threads=1")
    if "-m" in words:
        more.append("max_steps=4")
    return [*words, *[w for w in more if w.split("=")[0] not in given or w.startswith("data=")]]


def data_of(words: Sequence[str]) -> str:
    """Return the data set that a command line chooses, by itself or by a preset."""
    for word in reversed(words):
        if word.startswith("data="):
            return word.removeprefix("data=")
    for word in words:
        match = re.fullmatch(r"\+(experiment|sweep)=([\w/]+)", word)
        if match is not None:
            return data_of_preset(CONF / match[1], match[2])
    return "digits"


def data_of_preset(folder: object, name: str) -> str:
    """Return the data set that a preset chooses, itself or by what it is made of."""
    text = (CONF.__class__(str(folder)) / f"{name}.yaml").read_text()
    match = re.search(r"override /data: (\w+)", text)
    if match is not None:
        return match[1]
    base = re.search(r"^  - (?:/experiment/)?(?!override|_self_)([\w/]+)$", text, re.M)
    return data_of_preset(folder, base[1]) if base else "digits"


def words_of(line: str) -> list[str] | None:
    """Return the words of a command line after `python -m trainer`, None of another program or of a
    line that needs a shell."""
    if re.search(r"[|<>;&`]|\$[({\w]", re.sub(r"'[^']*'", "", line)):
        return None
    words = shlex.split(line)
    if words[:3] == ["python", "-m", "trainer"]:
        return words[3:]
    return words[1:] if words[0] == "trainer" else None

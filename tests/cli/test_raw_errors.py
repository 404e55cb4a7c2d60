"""What libraries and the system raise reaches nobody raw: one line, and the code that fits."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.command import TINY, Call
from trainer import compose, train
from trainer.cli.main import exit_code
from trainer.core.errors import ConfigError, DiskError, TrainerError
from trainer.core.limits import is_of_memory, understood
from trainer.core.yaml_files import read_yaml
from trainer.record.runs import RunRow

# near to what presets are, so that more than the first check is reached
WORDS = st.sampled_from(
    (
        *(b"# @package _global_\n", b"defaults:\n", b"  - override /optim: adam\n", b"seed: 1\n"),
        *(b"optim: {lr: 0.5}\n", b"seed", b": ", b"[", b"}", b"&a ", b"*a ", b"\t", b"\0", b"%"),
        *(b"!!python/name:os.system ", b"${oc.env:HOME}", b"???", b"null\n", b"\xff\xfe"),
        *(b"\xef\xbb\xbf", b"---\n"),
    )
)
BYTES = st.one_of(st.binary(max_size=60), st.lists(WORDS, max_size=8).map(b"".join))


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=BYTES)
def test_any_bytes_are_a_preset_or_refused_in_one_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "conf/experiment/odd.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    code = exit_code(["--config-dir", str(tmp_path / "conf"), "+experiment=odd", "--cfg", "job"])
    said = capsys.readouterr()
    assert code in (0, 2), (content, said)
    assert said.err.count("\n") == (1 if code else 0), (content, said.err)
    if code:
        assert said.err.startswith("error: "), said.err
        assert "odd" in said.err, said.err  # the file, or what was typed


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=BYTES)
def test_any_bytes_are_a_recorded_configuration_or_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert isinstance(read_yaml(file), dict)
        return
    with pytest.raises(ConfigError) as raised:
        read_yaml(file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


HEADER = "# @package _global_\n"
CAUSES = {
    "UTF-16": (f"{HEADER}seed: 1\n".encode("utf-16"), "is text in UTF-16; a configuration is text"),
    "UTF-32": (f"{HEADER}seed: 1\n".encode("utf-32"), "is text in UTF-32; a configuration is text"),
    "gzip": (b"\x1f\x8b\x08\x00\xff", "is compressed by gzip: unpack it; a configuration is text"),
    "latin-1": (f"{HEADER}name: \u00e9\n".encode("latin-1"), ", line 2, is not UTF-8: save it as"),
    "mark": (f"\ufeff{HEADER}seed: 1\n".encode(), "begins with a byte-order mark"),
    "tab": (f"{HEADER}optim:\n\tlr: 1\n".encode(), ", line 3: .*; indent with blanks, not tabs"),
    "no-break space": (
        f"{HEADER}optim:\n\u00a0\u00a0lr: 1\n".encode(),
        ", line 3, is indented by NO-BREAK SPACE",
    ),
    "wide": (f"{HEADER}optim:\n  \u3000lr: 1\n".encode(), ", line 3, .* by IDEOGRAPHIC SPACE"),
    "web page": (b"<!DOCTYPE html>", "must hold keys and values, and is a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "and is a Git LFS pointer"),
    "list": (f"{HEADER}- a\n".encode(), "must hold keys and values$"),
    "empty": (b"", "must hold keys and values$"),
    "two": (f"{HEADER}seed: 1\n---\nseed: 2\n".encode(), ", line 3: expected a single document"),
    "bracket": (f"{HEADER}seed: [1\n".encode(), ", line 3: "),
    "code": (f"{HEADER}a: !!python/object:os.system 3\n".encode(), ", line 2: could not determine"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_keeps_a_configuration_from_being_read_is_named(cause: str, tmp_path: Path) -> None:
    content, why = CAUSES[cause]
    file = tmp_path / "odd.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"odd.yaml.*{why}") as raised:
        read_yaml(file)
    assert "\n" not in str(raised.value)


def test_line_ends_and_letters_of_other_systems_are_read(tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    file.write_bytes("a:\r\n  b: '\u00e9\u00a0x'\r\n\r\n".encode())
    assert read_yaml(file) == {"a": {"b": "\u00e9\u00a0x"}}


def test_a_preset_whose_name_ends_otherwise_is_told(call: Call, here: Path) -> None:
    (here / "my" / "experiment").mkdir(parents=True)
    (here / "my" / "experiment" / "short.yml").write_text(f"{HEADER}seed: 1\n")
    done = call("--config-dir", "my", "+experiment=short")
    assert done.code == 2
    assert "short.yml is not read: configurations end in .yaml; rename it" in done.err


TWICE = {
    "seed: 1\nseed: 2\n": (2, "seed"),
    "optim: {lr: 1, lr: 2}\n": (1, "lr"),
    "a:\n  b:\n    c: 1\n    c: 2\n": (4, "c"),
    "a: [1, {b: 1, b: 2}]\n": (1, "b"),
    "optim:\n  lr: 1\nseed: 1\noptim:\n  lr: 2\n": (4, "optim"),
}


@pytest.mark.parametrize("text", TWICE)
def test_a_key_that_stands_twice_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    line, key = TWICE[text]
    with pytest.raises(ConfigError) as raised:
        read_yaml(file)
    assert str(raised.value) == f"{file}, line {line}: the key '{key}' stands there twice"
    assert (
        read_yaml(file_of(tmp_path, "a: {b: 1}\nc: {b: 1}\nd: [{b: 1}, {b: 1}]\n"))["c"]["b"] == 1
    )


def file_of(folder: Path, text: str) -> Path:
    file = folder / "once.yaml"
    file.write_text(text)
    return file


@pytest.mark.slow
def test_a_key_twice_is_refused_wherever_a_file_is_read(call: Call, here: Path) -> None:
    assert call(*TINY, "max_steps=1", "hydra.run.dir=run").code == 0
    with open(here / "run/config.yaml", "a") as file:
        file.write("seed: 5\n")
    preset = here / "conf/experiment/twice.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text("# @package _global_\noptim: {lr: 0.5}\noptim: {lr: 0.5}\n")
    lines = [
        ["repeat=run"],
        ["resume=run"],
        ["--config-dir", "conf", "+experiment=twice", *TINY],
        ["--config-dir", "conf", "-m", "+experiment=twice", *TINY, "seed=0,1"],
    ]
    for line in lines:
        done = call(*line)
        assert done.code == 2, (line, done)
        assert done.err.count("\n") == 1
        assert "stands there twice" in done.err


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number), "some/file")


KNOWN: list[tuple[BaseException, type[TrainerError], str]] = [
    (os_error(errno.EACCES), ConfigError, "no permission: 'some/file'"),
    (os_error(errno.EPERM), ConfigError, "no permission: 'some/file'"),
    (os_error(errno.ENOENT), ConfigError, "cannot use the path 'some/file': no such file"),
    (os_error(errno.ENOTDIR), ConfigError, "cannot use the path 'some/file': not a directory"),
    (os_error(errno.ENAMETOOLONG), ConfigError, "cannot use the path 'some/file': file name too"),
    (os_error(errno.ELOOP), ConfigError, "cannot use the path 'some/file': too many levels"),
    (os_error(errno.ENOSPC), DiskError, "cannot write 'some/file': no space left"),
    (os_error(errno.EROFS), DiskError, "cannot write 'some/file': read-only"),
    (os_error(errno.EIO), DiskError, "cannot write 'some/file'"),
    (
        yaml.scanner.ScannerError(problem="odd\n sign"),
        ConfigError,
        "cannot read what was given: odd",
    ),
    (yaml.constructor.ConstructorError(problem="key"), ConfigError, "cannot read what was given"),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), ConfigError, "'utf-8' codec can't decode"),
    (UnicodeEncodeError("ascii", "\xff", 0, 1, "odd"), ConfigError, "'ascii' codec can't encode"),
    (RecursionError("maximum recursion depth exceeded"), ConfigError, "too deeply nested"),
]


@pytest.mark.parametrize(
    ("error", "kind", "words"), KNOWN, ids=lambda x: getattr(x, "__name__", "")
)
def test_what_people_can_mend_is_told_in_one_line(
    error: BaseException, kind: type[TrainerError], words: str
) -> None:
    known = understood(error)
    assert type(known) is kind
    assert words in str(known)
    assert "\n" not in str(known)


@pytest.mark.parametrize(
    "bug", [ValueError("x"), OSError("no number"), AssertionError(), KeyError()]
)
def test_a_bug_stays_a_bug(bug: Exception) -> None:
    assert understood(bug) is bug


def test_an_error_that_came_from_itself_is_looked_at_once() -> None:
    first, second = ValueError("a"), OSError("b")
    first.__cause__, second.__cause__ = second, first
    assert understood(first) is first
    assert not is_of_memory(first)
    second.__cause__ = second
    assert understood(second) is second


@pytest.mark.slow
def test_training_works_in_a_thread(here: Path) -> None:
    rows: list[RunRow] = []
    thread = threading.Thread(
        target=lambda: rows.append(train(compose(*TINY, "max_steps=2"), quiet=True))
    )
    thread.start()
    thread.join()
    assert [row.status for row in rows] == ["completed"]
    assert (rows[0].path / "summary.json").is_file()


def test_a_folder_whose_name_is_no_text_is_refused_before_anything_is_made(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = os.fsencode(here) + b"/odd\xff"
    os.mkdir(place)
    monkeypatch.chdir(os.fsdecode(place))
    done = call(*TINY, "max_steps=1")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "is no UTF-8 text" in done.err
    assert os.listdir(place) == []
    monkeypatch.chdir(here)
    os.rmdir(place)

"""What produced a result: versions, and what differed from the commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from trainer.record import provenance


def test_versions_name_what_it_stands_on() -> None:
    versions = provenance.versions()
    assert {"python", "trainer", "torch", "numpy", "hydra-core", "safetensors"} <= set(versions)


def test_new_files_are_part_of_what_differed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*overrides: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        subprocess.run(["git", *who, *overrides], cwd=tmp_path, check=True, capture_output=True)

    package = tmp_path / "trainer"
    (package / "new").mkdir(parents=True)
    (package / "old.py").write_text("x = 1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    provenance.git_state.cache_clear()
    (package / "old.py").write_text("x = 2\n")
    (package / "new" / "trick.py").write_text("y = 3\n")
    (package / "new" / "trick.yaml").write_text("name: trick\n")
    (package / "new" / "note.txt").write_text("not of the program\n")
    (package / "new" / "it's a trück.py").write_text("z = 4\n")
    (package / "new" / "large.yaml").write_text("#" * (provenance.MOST_BYTES + 1))
    (package / "new" / "nowhere.py").symlink_to("nothing.py")
    try:
        facts, difference = provenance.git_state()
    finally:
        provenance.git_state.cache_clear()
    assert facts is not None
    assert not facts["clean"]
    for line in ("+x = 2", "+++ b/trainer/new/trick.py", "+y = 3", "+name: trick", "+z = 4"):
        assert line in difference.splitlines()
    assert "+++ b/trainer/new/it's a trück.py" in difference.splitlines()
    assert f"not read: b/trainer/new/large.yaml, {provenance.MOST_BYTES + 1} bytes" in difference
    assert "not read: b/trainer/new/nowhere.py (No such file or directory)" in difference
    assert "note" not in difference

"""Weights are read from runs, files and torchvision's cache; what is damaged is told as such."""

from __future__ import annotations

import hashlib
import json
import random
import types
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest
import safetensors.torch
import torch
from torchvision import models

from trainer.checkpoint import format as checkpoint
from trainer.checkpoint import weights
from trainer.checkpoint import weights as published
from trainer.checkpoint.weights import read_all, read_weights
from trainer.core.environment import World
from trainer.core.errors import ConfigError, DataError, NotFound
from trainer.core.weights_source import Origin
from trainer.strategy.base import Single

MLP = {"name": "mlp"}


def tensors_of(value: float) -> dict[str, torch.Tensor]:
    return {"0.weight": torch.full((2, 3), value), "count": torch.tensor(7)}


def make_run(folder: Path, scores: dict[int, float], *, status: str | None = "completed") -> Path:
    """A run with a checkpoint for each step, its weights the step's number."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("model: {name: mlp, hidden: [8]}\n")
    lines = [
        {
            "epoch": i,
            "step": step,
            "lr": 0.1,
            "train_loss": 1.0,
            "train_top1": 0.5,
            "val_top1": top1,
        }
        for i, (step, top1) in enumerate(scores.items(), 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if status is not None:
        (folder / "summary.json").write_text(json.dumps({"status": status}))
    for step in scores:
        checkpoint.write(
            folder / "checkpoints",
            step,
            checkpoint.pack(weights=tensors_of(step), averaged=tensors_of(-step), state={}),
            {"data": {"name": "digits", "fingerprint": "f" * 64}},
        )
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", {10: 0.5, 20: 0.9, 30: 0.9, 40: 0.7})


def value_of(origin: str) -> float:
    read = read_weights("init_from", Origin.parse(origin, "init_from"), MLP)
    assert set(read.tensors) == {"0.weight", "count"}
    return float(read.tensors["0.weight"].unique())


@pytest.mark.parametrize(
    ("suffix", "value"),
    [
        ("", 40),
        ("@last", 40),
        ("@best", 20),  # the first of two that are equal, as training keeps it
        ("@30", 30),
        ("@average", -40),
        ("/checkpoints/step-00000010", 10),
    ],
)
def test_a_run_has_weights_of_several_kinds(run: Path, suffix: str, value: float) -> None:
    assert value_of(f"{run}{suffix}") == value


def test_what_is_known_of_a_run_comes_with_its_weights(run: Path) -> None:
    read = read_weights("loss.teacher", Origin.parse(str(run), "loss.teacher"), MLP)
    assert read.model == {"name": "mlp", "hidden": [8]}
    assert read.data == {"name": "digits", "fingerprint": "f" * 64}
    assert read.sha256 == checkpoint.digest(tensors_of(40))
    assert read.label == f"loss.teacher={run}"


def test_a_file_has_the_hash_of_a_run_with_the_same_weights(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    safetensors.torch.save_file(tensors_of(40), file, metadata={"from": "elsewhere"})
    read = read_weights("init_from", Origin.parse(str(file), "init_from"), MLP)
    assert read.sha256 == checkpoint.digest(tensors_of(40))
    assert read.model is None
    assert read.data is None


def test_a_damaged_newest_checkpoint_is_passed_over(run: Path, caplog) -> None:
    (run / "checkpoints" / "step-00000040" / "model.safetensors").write_bytes(b"damaged")
    assert value_of(str(run)) == 30
    assert "step-00000040 is damaged and was passed over" in caplog.text


@pytest.mark.parametrize("suffix", ["@20", "@best"])
def test_a_named_checkpoint_is_never_replaced_by_another(run: Path, suffix: str) -> None:
    (run / "checkpoints" / "step-00000020" / "state.pt").unlink()
    with pytest.raises(NotFound, match=r"no checkpoint of step 20 that verifies; it keeps: 40, 30"):
        value_of(f"{run}{suffix}")


def test_what_is_not_there_is_not_found(run: Path, tmp_path: Path) -> None:
    for place in ("nowhere", "nowhere.safetensors"):
        with pytest.raises(NotFound, match=f"init_from: no run and no file at .*{place}"):
            value_of(str(tmp_path / place))
    with pytest.raises(NotFound, match="no run at"):
        value_of(str(tmp_path))
    with pytest.raises(NotFound, match="no checkpoint of step 15"):
        value_of(f"{run}@15")
    for folder in (run / "checkpoints").iterdir():
        (folder / "manifest.json").write_text("[]")
    with pytest.raises(NotFound, match=r"no checkpoint in .* verifies"):
        value_of(str(run))


def test_weights_that_a_run_does_not_have_are_refused(tmp_path: Path) -> None:
    unfinished = make_run(tmp_path / "unfinished", {10: 0.5}, status=None)
    with pytest.raises(ConfigError, match="@average: the run is not completed"):
        value_of(f"{unfinished}@average")
    plain = make_run(tmp_path / "plain", {10: 0.5})
    packed = checkpoint.pack(weights=tensors_of(1), averaged=None, state={})
    checkpoint.write(plain / "checkpoints", 20, packed, {})
    with pytest.raises(ConfigError, match="@average: this run has no averaged weights"):
        value_of(f"{plain}@average")
    (plain / "metrics.jsonl").write_text("")
    with pytest.raises(ConfigError, match="@best: this run has no validation accuracy"):
        value_of(f"{plain}@best")


def no_sizes(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 1, "step": 40, "files": {}}')


def endless(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("/dev/zero")


def endless_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").symlink_to("/dev/zero")


def outside(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../../config.yaml"] = manifest["files"]["state.pt"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("harm", [no_sizes, endless, endless_manifest, outside])
def test_a_checkpoint_made_to_harm_does_not_verify(run: Path, harm: Callable[[Path], None]) -> None:
    harm(run / "checkpoints" / "step-00000040")
    assert value_of(str(run)) == 30


def test_right_sums_of_wrong_bytes_are_told(run: Path) -> None:
    folder = run / "checkpoints" / "step-00000040"
    (folder / "model.safetensors").write_bytes(b"no weights")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["model.safetensors"] = {
        "bytes": 10,
        "sha256": hashlib.sha256(b"no weights").hexdigest(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="step-00000040 holds no weights"):
        value_of(str(run))


def test_a_damaged_record_names_no_best(run: Path) -> None:
    (run / "metrics.jsonl").write_text('{"no": "row"}\n')
    with pytest.raises(ConfigError, match="@best: this run has no validation accuracy"):
        value_of(f"{run}@best")


@pytest.mark.slow
def test_damaged_files_are_told_and_never_anything_else(tmp_path: Path) -> None:
    whole = safetensors.torch.save({**tensors_of(1.0), "empty": torch.zeros(0, 3)})
    draw, refused = random.Random(0), 0
    file = tmp_path / "w.safetensors"
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(draw.choice((1, 1, 2, 6))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        if draw.random() < 0.2:
            del content[draw.randrange(len(content)) :]
        file.write_bytes(bytes(content))
        try:
            read_weights("init_from", Origin(file), MLP)
        except DataError as error:
            refused += str(file) in str(error)
    assert refused >= 200


def test_other_formats_are_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    torch.save(tensors_of(1.0), file)
    with pytest.raises(DataError, match=r"w\.pth is damaged or no safetensors file .* hold code"):
        read_weights("init_from", Origin(file), MLP)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "w.safetensors"
    safetensors.torch.save_file(tensors_of(1.0), file)
    monkeypatch.setattr(weights, "MAX_BYTES", file.stat().st_size - 1)
    with pytest.raises(DataError, match="is larger than"):
        read_weights("init_from", Origin(file), MLP)


class Second(Single):
    """A process that is not the first."""

    def broadcast(self, value: object) -> object:
        assert value is None, "only the first process reads"
        return self.answer


def test_only_the_first_process_reads_and_all_get_its_answer(run: Path, tmp_path: Path) -> None:
    origins = {"init_from": Origin(run), "loss.teacher": Origin(run, "20")}
    read = read_all(origins, MLP, Single(World()))
    assert [float(w.tensors["0.weight"][0, 0]) for w in read.values()] == [40, 20]
    second = Second(World(rank=1, size=2))
    second.answer = read["init_from"]
    elsewhere = {"init_from": Origin(tmp_path / "not on this machine")}
    assert read_all(elsewhere, MLP, second) == {"init_from": read["init_from"]}
    second.answer = NotFound("no such run there")
    with pytest.raises(NotFound, match="no such run there"):
        read_all(elsewhere, MLP, second)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, empty, without a network, for one network with one set of weights."""

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network here")

    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    content = tmp_path / "content"
    torch.save(tensors_of(3.0), content)
    digest = hashlib.sha256(content.read_bytes()).hexdigest()[:8]
    url = f"https://example.org/models/net-{digest}.pth"
    entries = types.SimpleNamespace(__members__={"V1": types.SimpleNamespace(url=url)})
    monkeypatch.setattr(models, "get_model_weights", lambda arch: entries)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder / f"net-{digest}.pth"


def published_value(name: str = "V1", model: str = "torchvision") -> float:
    read = read_weights("init_from", Origin(None, torchvision=name), {"name": model, "arch": "net"})
    return float(read.tensors["0.weight"].unique())


def test_torchvision_s_weights_come_from_its_cache(hub: Path) -> None:
    (hub.parent.parent / "content").rename(hub)
    assert published_value() == 3.0


def test_without_a_network_the_message_says_where_the_file_belongs(hub: Path) -> None:
    with pytest.raises(DataError, match=f"no network here.*put that file at {hub}") as told:
        published_value()
    assert "https://example.org/models/net-" in str(told.value)
    assert not list(hub.parent.iterdir())


def test_a_damaged_file_in_the_cache_is_told(hub: Path) -> None:
    hub.write_bytes(b"half a downl")
    with pytest.raises(DataError, match=f"the file is damaged.*{hub}"):
        published_value()


def test_a_file_that_holds_more_than_tensors_is_not_read(hub: Path, monkeypatch) -> None:
    content = hub.parent.parent / "content"
    torch.save({"0.weight": print}, content)
    digest = hashlib.sha256(content.read_bytes()).hexdigest()[:8]
    content.rename(hub.parent / f"net-{digest}.pth")
    entry = types.SimpleNamespace(url=f"https://example.org/models/net-{digest}.pth")
    entries = types.SimpleNamespace(__members__={"V1": entry})
    monkeypatch.setattr(models, "get_model_weights", lambda arch: entries)
    with pytest.raises(DataError, match=r"could not be read .*[Ww]eights.only"):
        published_value()


def test_what_torchvision_has_not_is_refused(hub: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown weights of net for init_from.*known: V1"):
        published_value("V2")
    with pytest.raises(ConfigError, match="is for model=torchvision, not model=mlp"):
        published_value(model="mlp")


@pytest.mark.slow
def test_names_of_old_files_become_those_of_today_s_networks() -> None:
    with torch.device("meta"):
        for arch in ("densenet121", "inception_v3", "googlenet"):
            options = {} if arch == "densenet121" else {"aux_logits": False, "init_weights": False}
            own = models.get_model(arch, weights=None, **options).state_dict()
            whole = models.get_model(
                arch, weights=None, **({k: k == "aux_logits" for k in options})
            ).state_dict()
            old = {n.replace("norm1.", "norm.1.").replace("norm2.", "norm.2.") for n in whole}
            old = {n.replace("conv1.", "conv.1.").replace("conv2.", "conv.2.") for n in old}
            given = old if arch == "densenet121" else set(whole)
            assert set(published.renamed(dict.fromkeys(given))) == set(own)
            assert given != set(own)

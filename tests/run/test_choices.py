"""What `auto` means on a machine: chosen once, by a probe or by a rule, and recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from tests.command import TINY, Call
from tests.training import assembled
from trainer.core.environment import spinning_note
from trainer.record.provenance import cpu_features
from trainer.run import choices, probe
from trainer.run.choices import saved_seconds
from trainer.run.probe import Probe, Subject
from trainer.run.work import Work, threads_for, work_of

SHAPE = "data.image_shape=[1,8,8]"
CNN = ("data=synthetic", SHAPE, "model=cnn", "model.width=4", "batch_size=8", "precision=auto")
AUTO = (*TINY, "epochs=1", "precision=auto")


def fake(monkeypatch: pytest.MonkeyPatch, gain: float) -> list[Subject]:
    asked: list[Subject] = []

    def answer(subject: Subject) -> Probe:
        asked.append(subject)
        return Probe(8, gain * 1e-3, 1e-3)

    monkeypatch.setattr(choices, "probe", answer)
    return asked


def config_of(run: Path) -> dict[str, object]:
    found = yaml.safe_load((run / "config.yaml").read_text())
    return {**found, "precision": found["precision"]["name"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gain", "name"), [(0.88, "fp32"), (1.0, "fp32"), (1.149, "fp32"), (1.16, "bf16"), (3, "bf16")]
)
def test_auto_is_bf16_where_a_probe_gains_enough(
    gain: float, name: str, call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fake(monkeypatch, gain)
    done = call(*AUTO)
    assert done.code == 0, done.err
    run = (here / "outputs" / "latest").resolve()
    summary = json.loads((run / "summary.json").read_text())
    assert (config_of(run)["precision"], summary["precision"], len(asked)) == (name, name, 1)
    assert f"precision=auto: {name}; bf16 is {gain:.2f} times as fast as fp32 here" in done.out


@pytest.mark.slow
def test_the_key_is_that_of_the_precision_that_was_chosen(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(monkeypatch, 2.0)
    keys = []
    for word in ("auto", "bf16", "fp32"):
        assert call(*TINY, "epochs=1", f"precision={word}").code == 0
        keys.append(json.loads((here / "outputs/latest/summary.json").read_text())["key"])
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.slow
def test_what_was_recorded_is_taken_and_fixed_words_ask_nobody(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(monkeypatch, 2.0)
    assert call(*AUTO, "checkpoint.every=1st", "checkpoint.keep=all", "max_steps=2").code == 0
    first = (here / "outputs" / "latest").resolve()
    asked = fake(monkeypatch, 0.5)
    for words in ((f"repeat={first}",), (f"fork={first}@1",), (f"resume={first}",)):
        assert call(*words).code == 0
        assert config_of((here / "outputs" / "latest").resolve())["precision"] == "bf16"
    assert call(*TINY, "epochs=1", "precision=fp32", "threads=1").code == 0
    assert not asked
    assert call(f"repeat={first}", "precision=auto").code == 0  # a word on the line asks again
    assert config_of((here / "outputs" / "latest").resolve())["precision"] == "fp32"


@pytest.mark.slow
def test_a_sweep_chooses_once_for_all_its_jobs(
    call: Call, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    done = call("-m", *AUTO, "optim.lr=0.1,0.2", "hydra.launcher.workers=1")
    assert done.code == 0, done.err
    sweep = (here / "outputs" / "latest").resolve()
    listed = yaml.safe_load((sweep / "sweep.yaml").read_text())
    words = {w for job in listed for w in job["overrides"] if w.startswith("precision=")}
    (word,) = words
    assert word in ("precision=fp32", "precision=bf16")
    assert done.out.count("precision=auto: ") == 1
    assert {config_of(sweep / str(i))["precision"] for i in (0, 1)} == {word.split("=")[1]}
    assert len(list((tmp_path / "cache" / "trainer" / "probes").iterdir())) == 1


@pytest.mark.slow
def test_a_probe_is_kept_and_made_anew_where_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    counted: list[Subject] = []

    def measured(subject: Subject) -> Probe:
        counted.append(subject)
        return Probe(4, 2.0, 1.0)

    monkeypatch.setattr(probe, "measure", measured)
    for words, wanted in (((), 1), ((), 1), (("model.hidden=[4]",), 2), (("batch_size=2",), 3)):
        with assembled(*AUTO, *words):
            pass
        assert len(counted) == wanted
    for file in (tmp_path / "trainer" / "probes").iterdir():
        file.write_text("{")
    with assembled(*AUTO) as run:
        assert (len(counted), run.precision.name) == (4, "bf16")


@pytest.mark.slow
def test_a_probe_measures_the_runs_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "BUDGET_S", 0.0)
    asked = fake(monkeypatch, 1.0)
    with assembled(*CNN) as run:
        (subject,) = asked
        step = probe.ProbedStep(subject, "bf16")
        assert {n: p.shape for n, p in step.model.named_parameters()} == {
            n: p.shape for n, p in run.model.named_parameters()
        }
        before = torch.get_rng_state()
    found = probe.measure(subject)
    assert found.images == subject.images
    assert 0 < found.fp32_s < 10
    assert 0 < found.bf16_s < 10
    assert before.shape


def test_a_large_network_is_probed_on_fewer_images() -> None:
    with assembled(*TINY) as run:
        config = None
        work = Work(probe.MOST_WORK // 16, 1)
    for device, images, wanted in (("cpu", 256, 16), ("cpu", 4, 4), ("cuda", 256, 256)):
        subject = Subject(
            config,  # type: ignore[arg-type]  # not looked at
            torch.device(device),
            run.data.image_shape,
            10,
            images,
            work,
            1,
        )
        assert subject.probed_images == wanted


@pytest.mark.parametrize(
    ("million", "images", "most", "wanted"),
    [(1, 59, 8, 1), (1, 60, 8, 2), (1, 100, 8, 3), (1, 10_000, 8, 8), (1, 1, 1, 1), (0, 64, 8, 1)],
)
def test_a_thread_for_each_thirty_million_multiply_adds(million, images, most, wanted) -> None:
    assert threads_for(Work(million * 1_000_000, 1), images, most) == wanted
    assert threads_for(None, images, most) == most


def test_work_is_counted_by_hand() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.Linear(128, 10))

    work = work_of(build, (3, 4, 4))
    assert work is not None
    assert work.multiply_adds == 16 * 8 * 27 + 128 * 10
    assert work.largest_bytes == 4 * (8 * 16 + 128)  # of Flatten
    assert work_of(lambda: nn.Linear(3, 3), (3, 4, 4)) is None


@pytest.mark.slow
def test_threads_of_a_single_run_follow_its_work(
    monkeypatch: pytest.MonkeyPatch, call: Call, here: Path
) -> None:
    monkeypatch.setattr(choices, "default_threads", lambda processes: 3 // processes)
    monkeypatch.setattr(choices, "spinning_note", lambda threads: f"{threads} threads are too many")
    for batch_size, wanted in ((8, 1), (70_000, 3)):
        words = ("data.num_train=64", SHAPE, "model=cnn", "max_steps=1", f"batch_size={batch_size}")
        done = call("data=synthetic", *words)
        assert done.code == 0, done.err
        assert config_of((here / "outputs" / "latest").resolve())["threads"] == wanted
        assert ("threads are too many" in done.out) == (wanted > 1)
    assert call("threads=fast").code == 2


def statistics_of(folder: Path, idle: int, stolen: int) -> None:
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc" / "loadavg").write_text("1.87 1 1 2/300 77\n")
    line = f"cpu  {1000 - idle - stolen} 0 0 {idle} 0 0 0 {stolen} 0 0"
    (folder / "proc" / "stat").write_text(f"{line}\ncpu0 1\ncpu1 1\nintr 5\n")


@pytest.mark.parametrize(
    ("idle", "stolen", "text"),
    [(980, 0, None), (10, 0, "2.0 of 2 cores"), (100, 500, "1.0 cores stolen by other machines")],
)
def test_threads_beside_busy_cores_are_said(
    idle: int, stolen: int, text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "stat").write_text("cpu  0 0 0 0 0 0 0 0 0 0\n")
    monkeypatch.setattr(
        "trainer.core.environment.time.sleep", lambda s: statistics_of(tmp_path, idle, stolen)
    )
    said = spinning_note(2, tmp_path)
    assert (said is None) if text is None else (said is not None and text in said)
    if said is not None:
        assert "load average 1.87" in said
    assert spinning_note(2, tmp_path / "no such system") is None


def test_a_processors_features_are_named() -> None:
    assert set(cpu_features()) <= {
        *("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16")
    } | {*("asimd", "sve", "bf16")}


def test_compiling_has_to_save_more_than_it_costs() -> None:
    found = Probe(32, fp32_s=0.06, bf16_s=0.03)
    assert saved_seconds(found, "fp32", 64, 1000) == pytest.approx(1000 * 0.12 / 6)
    assert saved_seconds(found, "bf16", 32, 1000) == pytest.approx(1000 * 0.03 / 6)

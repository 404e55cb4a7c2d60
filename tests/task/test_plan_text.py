import io

import pytest
from rich.console import Console

from tests.task.test_plan_facts import live
from trainer.task._plan_facts import facts_of
from trainer.task._plan_text import amount, settings_text, show


def printed(*overrides: str, encoding: str = "utf-8", width: int = 100) -> str:
    run, config = live(*overrides)
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    show(facts_of(run, config), run, config, Console(file=file, width=width))
    file.flush()
    return raw.getvalue().decode(encoding)


def row(text: str, name: str) -> str:
    """Return what stands beside a name, wrapped lines joined."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.split()[:1] == [name])
    found = [lines[first].strip()]
    for line in lines[first + 1 :]:
        if not line.strip() or not line.startswith(" " * 12):
            break
        found.append(line.strip())
    return " ".join(found)


@pytest.mark.slow
def test_it_says_what_will_happen() -> None:
    text = printed(
        "optim.lr=0.01",
        "scheduler=cosine",
        "scheduler.warmup=1ep",
        "average=ema",
        "average.every=2st",
    )
    assert row(text, "data") == (
        "data         synthetic: 58 training, 6 validation and 20 test images of 1x8x8, 10 classes"
    )
    assert "mlp: 626 parameters, 592 multiply-adds per image" in row(text, "model")
    assert "8 in 2 epochs of 4; the last of an epoch has 10 images" in row(text, "steps")
    assert "16 images per step: 1 process x 1 micro-batch of 16" in row(text, "batch")
    assert "lr 0.0025, 0.01 from step 3, 0.001464 at the last; 4 steps of warm-up" in text
    assert "ema: 4 snapshots, the first after step 2, the last after 8" in row(text, "average")
    assert "fp32 on cpu, 1 thread" in row(text, "numbers")
    assert "every 60s, after the last step and whenever val_top1" in row(text, "checkpoints")
    assert "main   3 weight, 3 bias         626     0.01  0.0005  momentum 0.9, nesterov" in text


@pytest.mark.slow
def test_momentum_is_drawn_where_it_moves() -> None:
    cycled = printed(
        "scheduler=cyclic", "scheduler.base_momentum=0.8", "scheduler.max_momentum=0.9"
    )
    assert "   momentum " in cycled
    assert "   momentum " not in printed("scheduler=cyclic")


@pytest.mark.slow
def test_counted_checkpoints_and_a_run_without_validation() -> None:
    text = printed("checkpoint.every=3st", "data.val=0", "max_steps=7")
    assert "every 3st (2 times), after the last step; 1 newest kept" in row(text, "checkpoints")
    assert "7 in 1.75 epochs of 4 (max_steps=7)" in row(text, "steps")
    assert "val_top1" not in text


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_block_characters_gets_a_chart_too(encoding: str) -> None:
    assert "@@@@" in printed("average=ema", encoding=encoding)


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_chart_fits_the_terminal(width: int) -> None:
    lines = printed("scheduler=cosine", width=width).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width


@pytest.mark.slow
def test_settings_of_groups_that_have_different_ones() -> None:
    settings = {"betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, "fused": True, "by": "adamw"}
    assert list(settings_text(settings)) == ["betas 0.9 0.999", "eps 1e-08", "by adamw"]
    text = printed("optim=muon", width=80)
    assert "muon, momentum" in " ".join(row(text, "main").split())


def test_large_numbers_in_words() -> None:
    assert amount(4_089_184_256) == "4.09 billion"
    assert amount(592) == "592"
    assert amount(1.5e12) == "1.5 trillion"

import json
from pathlib import Path

import pytest
import yaml

from trainer.analysis.curves import curves
from trainer.core.errors import TrainerError
from trainer.record.runs import read_runs


def write_run(path: Path, config: dict[str, object], accuracies: list[float]) -> None:
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    (path / "run.log").write_text("")
    rows = [
        {
            "epoch": i + 1,
            "step": i + 1,
            "lr": 0.1,
            "train_loss": 1.0,
            "train_top1": 0.5,
            "val_top1": a,
        }
        for i, a in enumerate(accuracies)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))


@pytest.fixture
def two_runs(tmp_path: Path) -> Path:
    write_run(tmp_path / "a", {"seed": 0, "optim": {"name": "sgd", "lr": 0.1}}, [0.5, 0.75])
    write_run(tmp_path / "b", {"seed": 0, "optim": {"name": "adam", "lr": 0.001}}, [0.25, 1.0])
    return tmp_path


def test_a_line_holds_the_accuracies_in_percent(two_runs: Path) -> None:
    (axes,) = curves(read_runs(two_runs), "val_top1").axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[50.0, 75.0], [25.0, 100.0]]
    assert list(axes.lines[0].get_xdata()) == [1, 2]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["optim=sgd", "optim=adam"]


def test_a_metric_that_no_run_has_is_refused(two_runs: Path) -> None:
    with pytest.raises(TrainerError, match="loss_scale"):
        curves(read_runs(two_runs), "loss_scale")


def test_seeds_of_a_setting_share_a_colour_and_a_place_in_the_legend(tmp_path: Path) -> None:
    for name, rate, seed in (("a", 0.1, 0), ("b", 0.1, 1), ("c", 0.2, 0), ("d", 0.1, 0)):
        optim = {"name": "sgd", "lr": rate}
        write_run(tmp_path / name, {"seed": seed, "optim": optim}, [0.5, 0.75])
    (axes,) = curves(read_runs(tmp_path), "val_top1").axes
    assert len(axes.lines) == 4  # also of a seed that is there twice
    used = [line.get_color() for line in axes.lines]
    assert used[0] == used[1] == used[2] != used[3]
    told = [t.get_text() for t in axes.get_legend().get_texts()]
    assert told == ["optim.lr=0.1 (3 runs)", "optim.lr=0.2"]


def test_one_setting_has_a_legend_all_the_same(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / str(seed), {"seed": seed}, [0.5])
    (axes,) = curves(read_runs(tmp_path), "val_top1").axes
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["2 runs"]


def test_many_settings_have_their_legend_beside_the_curves(tmp_path: Path) -> None:
    for i in range(12):
        write_run(tmp_path / str(i), {"seed": 0, "x": i}, [0.5, 0.75])
    figure = curves(read_runs(tmp_path), "val_top1")
    figure.canvas.draw()
    (axes,) = figure.axes
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1

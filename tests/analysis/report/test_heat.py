from typing import Any

from tests.analysis.runs import made_run
from trainer.analysis._arms import arms_of
from trainer.analysis.report._heat import HeatMap, heat_maps
from trainer.record.runs import RunRow

# top1 by batch size (rows) and lr (columns)
SCORES = {32: {0.01: 0.60, 0.1: 0.80, 1.0: 0.20}, 64: {0.01: 0.40, 0.1: 0.70, 1.0: 0.75}}


def grid(seeds: int = 1, status: str = "completed", **parts: Any) -> list[RunRow]:
    return [
        made_run(
            seed,
            top1 + 0.02 * seed,
            path=f"{batch}-{lr}-{sorted(parts.items())}",
            status=status,
            batch_size=batch,
            optim={"name": "sgd", "lr": lr},
            **parts,
        )
        for batch, row in SCORES.items()
        for lr, top1 in row.items()
        for seed in range(seeds)
    ]


def maps(runs: list[RunRow], metric: str = "val_top1") -> list[HeatMap]:
    return heat_maps(arms_of(runs), metric)


def test_a_grid_becomes_a_map_with_its_means_and_the_best_of_each_row() -> None:
    (found,) = maps(grid(seeds=2))
    assert (found.slice_.title, found.title) == ("batch_size", "")
    assert (found.slice_.rates, [line.y for line in found.lines]) == ([0.01, 0.1, 1.0], [64, 32])
    squares = [s for line in found.lines for s in line.squares if s]
    means = [round(s.cell.spread.mean or 0.0, 3) for s in squares]
    assert means == [0.41, 0.71, 0.76, 0.61, 0.81, 0.21]
    assert [s.is_best for s in squares] == [False, False, True, False, True, False]
    assert [s.shade for s in squares][4:] == [1.0, 0.0]
    assert squares[0].cell.spread.n == 2
    assert round(squares[0].cell.tested_spread.mean or 0.0, 3) == 0.40
    assert found.lines[0].best == "at least 1"
    assert found.lines[1].best.startswith("0.0")  # between the columns, with its interval
    assert " to " in found.lines[1].best
    assert found.ridge.startswith("No ridge: 1 of 2 rows")


def test_of_losses_the_least_is_the_best() -> None:
    (found,) = maps(grid(), "val_loss")
    assert [s.is_best for s in found.lines[1].squares if s] == [False, True, False]


def test_a_map_for_each_of_the_other_choices() -> None:
    runs = [*grid(mix={"name": "none"}), *grid(mix={"name": "mixup"})]
    assert sorted(m.title for m in maps(runs)) == ["mix=mixup", "mix=none"]


def test_diverged_cells_are_counted_and_missing_ones_empty() -> None:
    runs = grid()
    runs[2] = grid(status="diverged")[2]
    del runs[5]
    (found,) = maps(runs)
    lost, absent = found.lines[1].squares[2], found.lines[0].squares[2]
    assert lost is not None
    assert (len(lost.cell.arm.diverged), lost.cell.spread.n) == (1, 0)
    assert (lost.shade, lost.is_best) == (None, False)
    assert absent is None


def test_what_is_no_grid_is_not_drawn() -> None:
    runs = grid()
    assert maps([r for r in runs if r.config["batch_size"] == 32]) == []  # one row
    assert maps([r for r in runs if r.config["optim"]["lr"] == 0.1]) == []  # one column
    assert maps([runs[0], runs[4]]) == []  # a diagonal
    assert maps([runs[0]]) == []
    assert maps(grid(status="failed")) == []  # no number

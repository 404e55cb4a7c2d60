import pytest

from tests.analysis.planes import config, plane
from tests.analysis.runs import made_run
from trainer.analysis._arms import arms_of
from trainer.analysis.slices.grid import MOMENTUM, on_test, slice_of
from trainer.core.errors import ConfigError, TrainerError


def test_cells_ascend_and_hold_every_seed() -> None:
    runs = plane(1.0, ys=(128, 64), rates=(0.5, 0.25), seeds=3)
    made = slice_of(arms_of(reversed(runs)))
    assert made.key == "batch_size"
    assert [line.y for line in made.lines] == [64, 128]
    assert made.rates == [0.25, 0.5]
    assert all(cell.spread.n == 3 for cell in made.cells)
    assert made.tested == "test_top1"
    assert made.cells[0].tested == pytest.approx([v - 0.01 for v in made.cells[0].values])


def test_momentum_is_shown_as_what_it_lacks_to_one() -> None:
    made = slice_of(arms_of(plane(1.0, key=MOMENTUM, ys=(0.0, 0.9, 0.99), rates=(0.1, 0.2))))
    assert [line.y for line in made.lines] == [0.01, 0.1, 1.0]
    assert made.title == "1 - optim.momentum"


def test_runs_that_differ_in_more_or_less_are_refused() -> None:
    runs = plane(1.0, ys=(64, 128), rates=(0.1, 0.2))
    other = made_run(0, 0.5, path="x", mix={"name": "mixup"}, **config("batch_size", 64, 0.1))
    for key in (None, "batch_size"):
        with pytest.raises(ConfigError, match=r"alone; these differ in .*batch_size, mix\.name"):
            slice_of(arms_of([*runs, other]), key=key)
    with pytest.raises(ConfigError, match=r"alone; these differ in optim\.lr$"):
        slice_of(arms_of(plane(1.0, ys=(64,), rates=(0.1, 0.2))))
    with pytest.raises(
        ConfigError, match=r"differ in optim\.lr and .*; these differ in batch_size"
    ):
        slice_of(arms_of(plane(1.0, ys=(64, 128), rates=(0.1,))))
    with pytest.raises(ConfigError, match=r"optim\.lr and epochs; these differ in"):
        slice_of(arms_of(runs), key="epochs")


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("warmup", ("1ep", "2ep"), "warmup must be a number in every run, got 1ep"),
        (
            "nesterov",
            (True, False),
            "nesterov must be a number in every run, got (True|False)",
        ),
    ],
)
def test_what_is_no_number_is_refused(key: str, values: tuple[object, ...], message: str) -> None:
    runs = [
        made_run(0, 0.5, path=f"{v}{lr}", optim={"lr": lr}, **{key: v})
        for v in values
        for lr in (0.1, 0.2)
    ]
    with pytest.raises(ConfigError, match=message):
        slice_of(arms_of(runs))


def test_a_learning_rate_without_logarithm_and_a_metric_without_numbers_are_refused() -> None:
    runs = plane(1.0, ys=(64, 128), rates=(0.1, 0.2))
    with pytest.raises(TrainerError, match="none of the runs completed with avg_val_top1"):
        slice_of(arms_of(runs), "avg_val_top1")
    zero = [made_run(0, 0.5, path=f"{y}", **config("batch_size", y, 0.0)) for y in (64, 128)]
    with pytest.raises(ConfigError, match=r"optim\.lr must be above 0"):
        slice_of(arms_of([*runs, *zero]))


def test_what_is_chosen_on_val_is_shown_on_test() -> None:
    assert on_test("val_top1") == "test_top1"
    assert on_test("avg_val_top1") == "test_avg_top1"
    assert on_test("val_loss") == "test_loss"
    assert on_test("train_loss") is None

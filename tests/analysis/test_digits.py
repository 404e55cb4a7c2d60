import math

import pytest

from trainer.analysis._tables import heading, mean_and_sd, setting_texts
from trainer.record.spread import Spread


@pytest.mark.parametrize(
    ("metric", "mean", "sd", "text"),
    [
        ("val_top1", 0.912345, 0.01234, "91.23 sd 1.23"),
        ("val_loss", 0.4812345, 0.0213456, "0.4812 sd 0.0213"),
        ("val_loss", 2.302585, None, "2.303"),
        ("train_loss", 0.0000123456, 0.000001, "1.235e-05 sd 1.000e-06"),
        ("total_seconds", 14.8567, 0.2728, "14.9 sd 0.3"),
        ("total_seconds", 4.0, 0.0, "4.00 sd 0.00"),
        ("total_seconds", 1234.5678, 12.34, "1235 sd 12"),
        ("images_per_s", 12345.678, 98.76, "12346 sd 99"),
        ("max_memory_bytes", 123_456_789.0, 1_000_000.0, "123.5 sd 1.0"),
        ("lr", 0.05, 0.0, "0.05 sd 0"),
        ("skipped_steps", 1.5, 0.7071067, "1.5 sd 0.7071"),
        ("val_loss", 0.0, 0.0, "0 sd 0"),
        ("val_loss", math.nan, math.nan, "nan sd nan"),
        ("val_loss", None, None, "-"),
    ],
)
def test_a_mean_and_its_sd(metric: str, mean: float | None, sd: float | None, text: str) -> None:
    assert mean_and_sd(Spread(mean, sd, 3), metric) == text


def test_units_stand_in_the_heading() -> None:
    metrics = ("val_top5", "max_memory_bytes", "val_loss")
    assert [heading(m) for m in metrics] == ["val_top5 (%)", "max_memory_bytes (MB)", "val_loss"]


def test_settings_have_as_many_digits_as_tell_them_apart() -> None:
    assert setting_texts([0.1, 1e-05, 0.0123456789]) == ["0.1", "1e-5", "0.01235"]
    assert setting_texts([0.12345, 0.12346, 0.12345]) == ["0.12345", "0.12346", "0.12345"]
    assert setting_texts([1.0, 1.0 + 1e-15]) == ["1", "1.000000000000001"]
    assert setting_texts([131072, True, "1%", None]) == ["131072", "true", "1%", "null"]

import os
from pathlib import Path

from trainer.analysis.report._table import heading, link_to, number_cell, readable


def test_accuracies_are_in_percent_and_others_as_they_are() -> None:
    assert number_cell(0.98765, "val_top1").text == "98.77"
    assert number_cell(0.98765, "val_loss").text == "0.9877"
    assert number_cell(12.345, "train_seconds").text == "12.3"
    assert number_cell(None, "val_top1").text == ""
    assert heading("mean", "val_top1") == "mean val_top1 %"
    assert heading("", "train_seconds") == "train (s)"


def test_links_are_relative_and_escaped() -> None:
    assert link_to(Path("/o/a b/\u00e9#1?x%"), Path("/o/r")) == "./../a%20b/%C3%A9%231%3Fx%25"
    assert link_to(Path("/o/javascript:alert(1)"), Path("/o")) == "./javascript%3Aalert%281%29"
    assert link_to(Path('/o/"><b>'), Path("/o")) == "./%22%3E%3Cb%3E"
    assert link_to(Path(os.fsdecode(b"/o/\xff")), Path("/o")) == "./%FF"


def test_names_that_are_no_utf_8_are_shown_and_can_be_written() -> None:
    assert readable(os.fsdecode(b"caf\xe9")) == "caf\ufffd"
    assert readable("caf\u00e9") == "caf\u00e9"

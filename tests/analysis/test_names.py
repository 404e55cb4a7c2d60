from dataclasses import replace
from typing import Any

from tests.analysis.runs import made_run
from trainer.analysis._arms import Arm, arms_of
from trainer.analysis._pictures import MOST_LINES, WIDTH, names_of
from trainer.record.runs import RunRow

LONG = [f"a_rather_long_key_of_some_trick_{i}" for i in range(6)]


def run(value: int, seed: int, *words: str) -> RunRow:
    """A run that differs from those of other values in many keys."""
    parts: dict[str, Any] = {key: value if i else f"x{value}" for i, key in enumerate(LONG)}
    made = made_run(seed, 0.5, path=f"{value}", **parts)
    return replace(made, summary={"overrides": [*words, f"seed={seed}"]})


def arms(*lines: tuple[str, ...]) -> list[Arm]:
    return arms_of([run(i, seed, *words) for i, words in enumerate(lines) for seed in (0, 1)])


def test_a_label_that_has_room_is_the_name() -> None:
    short = arms_of([made_run(0, 0.5, x=i, path=str(i)) for i in (1, 2)])
    assert names_of(short) == ["x=1", "x=2"]
    assert names_of([]) == []


def test_long_labels_give_way_to_what_the_command_line_said() -> None:
    words = ("data=mnist", "+experiment=tricks/warmup"), ("data=mnist", "+experiment=tricks/mixup")
    assert names_of(arms(*words)) == ["tricks/warmup", "tricks/mixup"]


def test_command_lines_that_tell_too_little_give_way_to_the_rarest_words() -> None:
    same = names_of(arms(("data=mnist",), ("data=mnist",), ("data=mnist",)))
    assert [name[:3] for name in same] == ["1: ", "2: ", "3: "]
    assert all(name.endswith("...") for name in same)
    lines = [line for name in same for line in name.split("\n")]
    assert max(map(len, lines)) <= WIDTH
    assert max(name.count("\n") for name in same) < MOST_LINES


def test_the_words_that_few_share_come_first() -> None:
    made = [run(0, 0), run(0, 0), run(0, 0)]
    many = [
        replace(r, config={**r.config, LONG[0]: i, LONG[1]: int(i > 1), LONG[2]: int(i > 1)})
        for i, r in enumerate(made)
    ]
    names = ["".join(name.split()) for name in names_of(arms_of(many))]  # long words are broken
    assert names[0].startswith(f"1:{LONG[0]}=0")
    assert names[2].startswith(f"3:{LONG[0]}=2{LONG[1]}=1")

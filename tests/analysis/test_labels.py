from tests.analysis.runs import lr, made_run
from trainer.analysis._labels import labels, settings_of


def told(*parts: dict[str, object]) -> list[str]:
    return labels([settings_of(made_run(0, 0.5, **part)) for part in parts])


def test_only_what_differs_is_told() -> None:
    assert told(lr(0.1), lr(0.2)) == ["optim.lr=0.1", "optim.lr=0.2"]
    assert told(lr(0.1)) == [""]


def test_another_part_is_told_by_its_name() -> None:
    adam = {"optim": {"name": "adam", "lr": 0.001, "eps": 1e-8}}
    assert told(lr(0.1), adam) == ["optim=sgd", "optim=adam"]


def test_what_names_leave_alike_is_told_apart() -> None:
    adam = {"optim": {"name": "adam", "lr": 0.001, "eps": 1e-8}}
    assert told(lr(0.1), adam, lr(0.2)) == [
        "optim=sgd optim.lr=0.1",
        "optim=adam",
        "optim=sgd optim.lr=0.2",
    ]


def test_augmentations_are_one_choice() -> None:
    shift = {"augment": {"shift": {"name": "shift", "pixels": 2}}}
    both = {"augment": {"standard": {"name": "standard"}, "shift": {"name": "shift", "pixels": 2}}}
    assert told({"augment": {"none": {"name": "none"}}}, shift, both) == [
        "augment=none",
        "augment=shift",
        "augment=[standard,shift]",
    ]
    wide = {"augment": {"shift": {"name": "shift", "pixels": 3}}}
    assert told(shift, wide) == ["augment.shift.pixels=2", "augment.shift.pixels=3"]


def test_paths_threads_and_names_are_never_told() -> None:
    assert told({"name": "a", "threads": 1, "data": {"root": "x"}}, {"name": "b"}) == ["", ""]

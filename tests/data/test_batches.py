"""Windows, micro-batches and shares: every image once, alike for any number of processes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainer.core.errors import ConfigError
from trainer.core.units import Amount
from trainer.data._batches import Batches
from trainer.data._steps import Steps, check_batch_size
from trainer.data._stores import store_for
from trainer.data.base import DataKeys

ALL = Amount(0, False)  # val=0: train on everything


def keys(**others) -> DataKeys:
    return DataKeys(**{"val": ALL, **others})


def steps_or_assume(*args) -> Steps:
    try:
        return Steps(*args)
    except ConfigError:
        assume(False)
        raise


def with_batch_norm_or_assume(steps: Steps) -> None:
    try:
        steps.check_least(2)
    except ConfigError:
        assume(False)


@pytest.mark.parametrize(
    ("num", "batch", "last", "sizes"),
    [
        (32, 16, "keep", [16, 16]),
        (34, 16, "keep", [16, 16, 2]),
        (33, 16, "keep", [16, 17]),  # a single image joins
        (131, 64, "keep", [64, 67]),  # 3 < 64 // 8
        (136, 64, "keep", [64, 64, 8]),
        (135, 64, "keep", [64, 71]),
        (34, 16, "drop", [16, 16]),
        (5, 16, "keep", [5]),
        (5, 16, "drop", [5]),
    ],
)
def test_step_imagess_by_hand(num, batch, last, sizes):
    steps = Steps(num, batch, last)
    bounds = [steps.bounds(step) for step in range(steps.count)]
    assert [stop - start for start, stop in bounds] == sizes


def test_micro_batches_by_hand():
    steps = Steps(10, 10, "keep", accumulate=1, world_size=2)
    assert [steps.shares(0, rank) for rank in (0, 1)] == [[(0, 5)], [(5, 10)]]
    steps = Steps(14, 8, "keep", accumulate=2, world_size=1)
    assert [steps.shares(step, 0) for step in (0, 1)] == [
        [(0, 4), (4, 8)],
        [(8, 11), (11, 14)],
    ]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 65),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(2, 8),
    st.sampled_from(["keep", "drop"]),
)
def test_every_position_once_over_ranks_and_never_a_single_image(
    num, world, accumulate, part, last
):
    batch = world * accumulate * part
    steps = steps_or_assume(num, batch, last, accumulate, world)
    with_batch_norm_or_assume(steps)
    assert steps.count == Steps(num, batch, last).count
    seen = []
    for step in range(steps.count):
        shares = [share for rank in range(world) for share in steps.shares(step, rank)]
        assert (shares[0][0], shares[-1][1]) == Steps(num, batch, last).bounds(step)
        assert min(stop - start for start, stop in shares) >= 2
        seen += [position for start, stop in shares for position in range(start, stop)]
    assert seen == list(range(len(seen)))
    dropped = num - len(seen)
    assert dropped == (0 if last == "keep" or num < batch else num % batch)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(2, 65), st.integers(1, 4), st.integers(1, 3), st.integers(2, 8))
def test_ranks_together_see_the_steps_of_one_process(
    make_source, positions, num, world, accumulate, part
):
    batch = world * accumulate * part
    steps_or_assume(num, batch, "keep", accumulate, world)
    source = make_source(num)
    alone = list(Batches(source, keys(), batch_size=batch, seed=3).train_steps(1, 0))
    ranks = [
        list(
            Batches(
                source,
                keys(),
                batch_size=batch,
                accumulate=accumulate,
                seed=3,
                rank=rank,
                world_size=world,
            ).train_steps(1, 0)
        )
        for rank in range(world)
    ]
    for whole, *parts in zip(alone, *ranks, strict=True):
        batches = [batch for part in parts for batch in part]
        assert torch.equal(torch.cat([b.images for b in batches]), whole[0].images)
        assert torch.equal(torch.cat([b.labels for b in batches]), whole[0].labels)
        assert sum(b.share for b in batches) == pytest.approx(1)
        starts = [b.start for b in batches]
        assert starts == [sum(len(b.labels) for b in batches[:i]) for i in range(len(batches))]
        assert all(
            [b.is_last for b in part] == [False] * (accumulate - 1) + [True] for part in parts
        )
    trained = [p for step in alone for p in positions(step[0].images)]
    assert sorted(trained) == list(range(num))


def test_order_depends_on_seed_and_epoch_alone(make_source, positions):
    source = make_source(50)

    def order(seed, epoch):
        data = Batches(source, keys(), batch_size=8, seed=seed)
        return [p for (batch,) in data.train_steps(epoch, 0) for p in positions(batch.images)]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


@pytest.mark.parametrize("start", [0, 1, 3, 6, 7])
def test_starting_within_an_epoch_equals_skipping(make_source, start):
    data = Batches(make_source(52), keys(), batch_size=8, accumulate=2)
    assert data.steps_per_epoch == 7
    skipped = list(data.train_steps(2, 0))[start:]
    begun = list(data.train_steps(2, start))
    assert len(begun) == 7 - start
    for one, other in zip(skipped, begun, strict=True):
        assert [(b.start, b.step_images, b.is_last) for b in one] == [
            (b.start, b.step_images, b.is_last) for b in other
        ]
        assert all(torch.equal(a.images, b.images) for a, b in zip(one, other, strict=True))


def test_training_leaves_val_out_and_keeps_to_the_subset(make_source, positions):
    data = Batches(
        make_source(60), DataKeys(val=Amount(6, False), subset=Amount(50, True)), batch_size=9
    )
    trained = [p for (batch,) in data.train_steps(0, 0) for p in positions(batch.images)]
    held = [p for batch in data.val_batches() for p in positions(batch.images)]
    assert (len(trained), len(held), len(set(trained + held))) == (27, 6, 33)
    assert (data.num_train, data.num_val, data.num_test) == (27, 6, 7)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("num_test", [1, 3, 7, 65])
def test_evaluation_counts_each_image_once_over_all_ranks(make_source, positions, world, num_test):
    source = make_source(48, num_test=num_test)
    seen = []
    for rank in range(world):
        data = Batches(
            source, keys(), batch_size=24, rank=rank, world_size=world, eval_batch_size=5
        )
        batches = list(data.test_batches())
        assert all(1 <= len(b.labels) <= 5 and b.share == 1 for b in batches)
        assert list(data.val_batches()) == []
        seen += [p for batch in batches for p in positions(batch.images)]
    assert seen == list(range(num_test))


@pytest.mark.parametrize("num", [2, 30, 512, 513, 1024, 1025, 1300, 9999])
def test_clean_batches_are_those_of_one_process_dealt_in_turn(make_source, positions, num):
    source = make_source(1300)
    alone = list(Batches(source, keys(), batch_size=8).clean_train_batches(num))
    sizes = [len(b.labels) for b in alone]
    assert sum(sizes) == min(num, 1300)
    assert min(sizes) >= 2
    assert len({p for b in alone for p in positions(b.images)}) == sum(sizes)
    ranks = [
        list(Batches(source, keys(), batch_size=60, rank=r, world_size=3).clean_train_batches(num))
        for r in range(3)
    ]
    dealt = [ranks[i % 3][i // 3] for i in range(len(alone))]
    assert sum(map(len, ranks)) == len(alone)
    assert all(torch.equal(a.images, b.images) for a, b in zip(alone, dealt, strict=True))


def test_clean_sample_is_stratified_mixed_and_not_moved_by_the_seed(make_source):
    source = make_source(600)
    one = next(Batches(source, keys(), batch_size=8, seed=0).clean_train_batches(60))
    two = next(Batches(source, keys(), batch_size=64, seed=1).clean_train_batches(60))
    assert torch.equal(one.images, two.images)
    assert torch.bincount(one.labels).tolist() == [20, 20, 20]
    assert one.labels.tolist() != sorted(one.labels.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_batches_are_bit_identical_to_resident_ones(make_source, workers):
    source = make_source(70, num_test=11)
    resident = Batches(source, keys(val=Amount(9, False)), batch_size=16, accumulate=2)
    streamed = Batches(
        source,
        keys(val=Amount(9, False), workers=workers, resident_share=0.0),
        batch_size=16,
        accumulate=2,
    )
    assert (resident.is_resident, streamed.is_resident) == (True, False)
    before = torch.get_rng_state()

    def every(data):
        yield from (batch for step in data.train_steps(1, 2) for batch in step)
        yield from data.clean_train_batches(20)
        yield from data.val_batches()
        yield from data.test_batches()

    for one, other in zip(every(resident), every(streamed), strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert (one.start, one.step_images, one.is_last) == (
            other.start,
            other.step_images,
            other.is_last,
        )
    assert torch.equal(torch.get_rng_state(), before)  # no draw from the global generator


def test_own_val_images_are_evaluated(make_source, positions):
    data = Batches(make_source(20, num_val=5), DataKeys(), batch_size=4)
    assert [p for b in data.val_batches() for p in positions(b.images)] == [0, 1, 2, 3, 4]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 65),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 8),
    st.sampled_from(["keep", "drop"]),
)
def test_without_batch_norm_every_position_once_and_never_no_image(
    num, world, accumulate, part, last
):
    batch = world * accumulate * part
    steps = steps_or_assume(num, batch, last, accumulate, world)
    shares = [
        share
        for step in range(steps.count)
        for rank in range(world)
        for share in steps.shares(step, rank)
    ]
    seen = [i for start, stop in shares for i in range(start, stop)]
    assert seen == list(range(len(seen)))
    assert len(seen) == num or (last == "drop" and num - len(seen) < batch)
    assert min(stop - start for start, stop in shares) >= 1


@pytest.mark.parametrize(
    ("batch", "accumulate", "world", "message"),
    [
        (1, 1, 1, None),
        (4, 2, 2, None),
        (3, 2, 1, "it must be a multiple of 2; the nearest: 2 or 4$"),
        (1, 2, 1, "it must be a multiple of 2; the nearest: 2 or more$"),
    ],
)
def test_micro_batches_of_one_image_are_allowed_without_batch_norm(
    batch, accumulate, world, message
):
    if message is None:
        check_batch_size(batch, accumulate, world, least=1)
        return
    with pytest.raises(ConfigError, match=message):
        check_batch_size(batch, accumulate, world, least=1)


@pytest.mark.parametrize(
    ("batch", "accumulate", "world", "near"),
    [
        (100, 3, 1, "99 or 102"),
        (100, 2, 4, "96 or 104"),
        (2, 2, 1, "4 or more"),
        (8, 2, 4, "16 or more"),
        (17, 2, 4, "16 or 24"),
    ],
)
def test_batch_size_that_cannot_be_shared_names_the_nearest(batch, accumulate, world, near):
    with pytest.raises(
        ConfigError, match=f"batch_size={batch} .*{world} process.*{near}$"
    ) as caught:
        check_batch_size(batch, accumulate, world)
    assert f"accumulate={accumulate}" in str(caught.value)


def test_a_rest_too_small_to_share_is_refused_up_front(make_source):
    def batches(num: int, last: str = "keep") -> Batches:
        return Batches(make_source(num), keys(last=last), batch_size=32, accumulate=4, world_size=2)

    with pytest.raises(ConfigError, match=r"batch_size=32, accumulate=4 and 2 process.*drop"):
        batches(36)
    with pytest.raises(ConfigError, match=r"at least 2, since the network has BatchNorm.*drop"):
        batches(42).check_least(2)
    batches(42, "drop").check_least(2)


def test_a_single_training_image_is_no_batch_for_batch_norm(make_source):
    with pytest.raises(ConfigError, match="1 training images"):
        Batches(make_source(1), keys(), batch_size=32).check_least(2)


def test_what_the_runner_reads_is_there(make_source):
    data = Batches(make_source(30), keys(), batch_size=8)
    assert (data.num_classes, data.image_shape, data.classes) == (3, (1, 1, 2), ("a", "b", "c"))
    assert (data.mean, data.std, data.fingerprint) == ((0.5,), (0.25,), "f")


def test_partners_are_a_second_independent_order_of_the_same_images(make_source, positions):
    source = make_source(50)

    def orders(epoch, seed=0, **others):
        data = Batches(source, keys(**others), batch_size=8, seed=seed, partners=True)
        batches = [batch for (batch,) in data.train_steps(epoch, 0)]
        assert all(b.partner.is_partner and not b.is_partner for b in batches)
        assert all(torch.equal(b.partner.labels % 3, b.partner.labels) for b in batches)
        return tuple(
            tuple(p for image in images for p in positions(image))
            for images in ([b.images for b in batches], [b.partner.images for b in batches])
        )

    first, second = orders(0)
    assert sorted(first) == sorted(second) == list(range(50))
    plain = Batches(source, keys(), batch_size=8).train_steps(0, 0)
    assert first == tuple(p for (batch,) in plain for p in positions(batch.images))
    everything = {order for epoch in (0, 1) for seed in (0, 1) for order in orders(epoch, seed)}
    assert len(everything) == 8
    assert orders(0, resident_share=0.0) == (first, second)


@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (1, 2), (2, 2)])
def test_partners_belong_to_their_place_in_the_step(make_source, world, accumulate):
    source = make_source(56)
    alone = Batches(source, keys(), batch_size=16, partners=True)
    ranks = [
        Batches(
            source,
            keys(),
            batch_size=16,
            accumulate=accumulate,
            rank=rank,
            world_size=world,
            partners=True,
        )
        for rank in range(world)
    ]
    steps = zip(*(data.train_steps(1, 1) for data in ranks), strict=True)
    for (whole,), parts in zip(alone.train_steps(1, 1), steps, strict=True):
        batches = [batch.partner for part in parts for batch in part]
        assert torch.equal(torch.cat([b.images for b in batches]), whole.partner.images)
        assert torch.equal(torch.cat([b.labels for b in batches]), whole.partner.labels)
        assert [b.start for b in batches] == [b.start for part in parts for b in part]
        assert {b.step_images for b in batches} == {whole.step_images}


def test_workers_that_have_nothing_to_do_are_mentioned(make_source, caplog):
    caplog.set_level("INFO", logger="trainer")
    for share in (0.5, 0.0):
        caplog.clear()
        keys_ = DataKeys(workers=2, resident_share=share)
        store_for([make_source(9).train], keys_, torch.device("cpu"))
        told = [r.getMessage() for r in caplog.records]
        expected = ["data.workers=2 have nothing to do: all images fit into memory"]
        assert told == (expected if share else [])

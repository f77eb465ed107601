from __future__ import annotations

import pytest

from executors.train.batches import EpochBatches

LENGTHS = [10 + (number * 37) % 50 for number in range(130)]


def batches(*, micro: int = 4, accumulation: int = 2, grouped: bool = True, seed: int = 1) -> EpochBatches:
    return EpochBatches(LENGTHS, micro=micro, accumulation=accumulation, seed=seed, grouped=grouped)


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_an_epoch_has_every_row_once(grouped: bool, epoch: int) -> None:
    plan = batches(grouped=grouped)
    plan.set_epoch(epoch)
    rows = [row for batch in plan for row in batch]
    assert sorted(rows) == list(range(len(LENGTHS)))
    assert len(list(plan)) == len(plan) == 33
    assert plan.steps == 17


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    first, second = batches(), batches()
    second.set_epoch(3)
    list(second)
    second.set_epoch(0)
    assert list(first) == list(second)
    second.set_epoch(1)
    assert list(first) != list(second)
    assert list(first) != list(batches(seed=2))


@pytest.mark.parametrize("grouped", [True, False])
def test_the_longest_batch_runs_first(grouped: bool) -> None:
    first = next(iter(batches(grouped=grouped)))
    assert [LENGTHS[row] for row in first] == sorted(LENGTHS, reverse=True)[:4]


def test_another_micro_batch_trains_the_same_steps() -> None:
    def steps(micro: int, accumulation: int) -> list[set[int]]:
        flat = [row for batch in batches(micro=micro, accumulation=accumulation) for row in batch]
        return [set(flat[start : start + 8]) for start in range(0, len(flat), 8)]

    assert steps(8, 1) == steps(4, 2) == steps(2, 4) == steps(1, 8)


def test_grouping_saves_padding() -> None:
    def padding(plan: EpochBatches) -> int:
        plan.set_epoch(1)
        return sum(max(LENGTHS[row] for row in batch) - LENGTHS[row] for batch in plan for row in batch)

    assert padding(batches(grouped=True)) < padding(batches(grouped=False)) / 2


def test_fewer_rows_than_a_batch_are_one_step() -> None:
    plan = EpochBatches([5, 9, 7], micro=2, accumulation=4, seed=1, grouped=True)
    assert list(plan) == [[1, 2], [0]]
    assert plan.steps == 1

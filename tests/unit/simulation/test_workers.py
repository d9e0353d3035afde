"""Workers answer in the stream's order, read ahead a little only, and say so when one dies."""

from __future__ import annotations

import os
import time

import pytest

from n2b_ct.errors import OutputError
from n2b_ct.simulation.workers import Workers


def slow_square(number: int) -> int:
    time.sleep(0.02 * (number % 3 == 0))
    return number**2


def die(number: int) -> int:
    os._exit(number)


def failing(number: int) -> int:
    msg = f"no {number}"
    raise ValueError(msg)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_answers_come_in_the_streams_order_with_what_stayed_here(n_workers):
    with Workers(n_workers) as workers:
        found = list(workers.map(slow_square, ((f"item {k}", (k,)) for k in range(9))))
    assert found == [(f"item {k}", k**2) for k in range(9)]


def test_the_stream_is_read_a_few_items_ahead_only():
    taken: list[int] = []

    def tasks():
        for k in range(50):
            taken.append(k)
            yield None, (k,)

    with Workers(2) as workers:
        next(iter(workers.map(slow_square, tasks())))
        assert len(taken) < 10


@pytest.mark.parametrize("n_workers", [1, 2])
def test_an_error_of_the_work_is_raised_here(n_workers):
    with Workers(n_workers) as workers, pytest.raises(ValueError, match="no 0"):
        list(workers.map(failing, [(None, (0,)), (None, (1,))]))


def test_a_worker_that_dies_is_an_output_error():
    with Workers(2) as workers, pytest.raises(OutputError, match="workers: must stay alive, got one that died"):
        list(workers.map(die, [(None, (3,))]))

"""The pool answers in the stream's order, reads ahead a little only, and says so when a worker dies."""

from __future__ import annotations

import os
import time

import pytest

from n2b_ct.errors import OutputError
from n2b_ct.simulation.ordered_pool import OrderedPool


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
    with OrderedPool(n_workers) as pool:
        found = list(pool.map(slow_square, ((f"item {k}", (k,)) for k in range(9))))
    assert found == [(f"item {k}", k**2) for k in range(9)]


def test_the_stream_is_read_a_few_items_ahead_only():
    taken: list[int] = []

    def tasks():
        for k in range(50):
            taken.append(k)
            yield None, (k,)

    with OrderedPool(2) as pool:
        next(iter(pool.map(slow_square, tasks())))
        assert len(taken) < 10


@pytest.mark.parametrize("n_workers", [1, 2])
def test_an_error_of_the_work_is_raised_here(n_workers):
    with OrderedPool(n_workers) as pool, pytest.raises(ValueError, match="no 0"):
        list(pool.map(failing, [(None, (0,)), (None, (1,))]))


def test_a_worker_that_dies_is_an_output_error():
    with OrderedPool(2) as pool, pytest.raises(OutputError, match="workers: must stay alive, got one that died"):
        list(pool.map(die, [(None, (3,))]))

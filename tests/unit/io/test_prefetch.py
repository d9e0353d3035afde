"""Stages that overlap give what a plain loop gives: order, results, errors, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from n2b_ct.io.prefetch import prefetch, write_behind

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


class Source:
    """Numbers from 0, and what became of their generator; it raises at ``breaks_at``."""

    def __init__(self, n: int, breaks_at: int | None = None) -> None:
        self.n, self.breaks_at = n, breaks_at
        self.taken: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.is_closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.n):
                if number == self.breaks_at:
                    msg = f"broken at {number}"
                    raise OSError(msg)
                self.taken.append(number)
                self.threads.add(threading.current_thread())
                yield number
        finally:
            self.is_closed = True


def test_items_come_in_their_order_from_another_thread():
    source = Source(50)
    with prefetch(source, 3) as items:
        assert list(items) == list(range(50))
    assert source.threads.isdisjoint({threading.current_thread()})
    assert len(source.threads) == 1


def test_results_come_in_the_order_of_the_items():
    with write_behind(range(50), lambda number: (number, threading.current_thread()), 3) as results:
        found = list(results)
    assert [number for number, _ in found] == list(range(50))
    assert {thread for _, thread in found}.isdisjoint({threading.current_thread()})


def test_nothing_comes_of_nothing():
    with prefetch([], 2) as items, write_behind(items, str, 2) as results:
        assert list(results) == []


def test_an_item_is_made_while_the_one_before_is_in_hand():
    second_is_made = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        second_is_made.set()
        yield 2

    with prefetch(source(), 1) as items:
        assert next(items) == 1
        assert second_is_made.wait(PATIENCE_S)


def test_an_item_is_worked_on_while_the_next_one_is_made():
    first_is_begun, second_is_made = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        yield 1
        assert first_is_begun.wait(PATIENCE_S)
        second_is_made.set()
        yield 2

    def work(number: int) -> bool:
        first_is_begun.set()
        return second_is_made.wait(PATIENCE_S) and number > 0

    with write_behind(source(), work, 2) as results:
        assert list(results) == [True, True]


@pytest.mark.parametrize("n_ahead", [1, 4])
def test_no_more_is_made_ahead_than_was_allowed(n_ahead):
    source = Source(100)
    with prefetch(source, n_ahead) as items:
        for n_given, _ in enumerate(items, start=1):
            assert len(source.taken) <= n_given + n_ahead


@pytest.mark.parametrize("n_behind", [1, 4])
def test_no_more_waits_for_the_work_than_was_allowed(n_behind):
    source, done = Source(100), []

    def work(number: int) -> None:
        assert len(source.taken) <= number + n_behind + 1
        done.append(number)

    with write_behind(source, work, n_behind) as results:
        assert len(list(results)) == len(done) == 100


def test_an_error_of_reading_comes_in_its_turn():
    with prefetch(Source(9, breaks_at=2), 5) as items:
        assert [next(items), next(items)] == [0, 1]
        with pytest.raises(OSError, match="broken at 2"):
            next(items)


def test_an_error_of_the_work_is_the_very_error_and_ends_all():
    error, source, later = ValueError("of slice 3"), Source(1000), []

    def work(number: int) -> int:
        if number == 3:
            raise error
        later.extend([number] if number > 3 else [])
        return number

    with pytest.raises(ValueError, match="of slice 3") as caught, prefetch(source, 2) as items:  # noqa: SIM117
        with write_behind(items, work, 2) as results:
            list(results)
    assert caught.value is error
    assert source.is_closed
    assert len(source.taken) < 12
    assert len(later) <= 2


def test_an_error_of_the_items_waits_for_the_work_before_it():
    found: list[int] = []
    with pytest.raises(OSError, match="broken at 5"), write_behind(Source(9, breaks_at=5), abs, 3) as results:
        found.extend(results)
    assert found == [0, 1, 2, 3, 4]


def test_of_two_errors_the_one_of_the_earlier_item_counts():
    source_has_failed = threading.Event()

    def source() -> Iterator[int]:
        yield 0
        source_has_failed.set()
        msg = "of item 1"
        raise OSError(msg)

    def work(number: int) -> None:
        assert source_has_failed.wait(PATIENCE_S)
        msg = f"of item {number}"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="of item 0"), write_behind(source(), work, 3) as results:
        list(results)


def test_leaving_early_closes_the_source():
    source = Source(1000)
    with prefetch(source, 2) as items, write_behind(items, abs, 2) as results:
        assert next(results) == 0
    assert source.is_closed
    assert len(source.taken) < 12


@pytest.mark.parametrize("place", ["between the stages", "behind them"])
def test_an_interruption_passes_through_and_ends_all(place):
    source, done = Source(1000), []

    def between(number: int) -> int:
        if number == 4 and place == "between the stages":
            raise KeyboardInterrupt
        return number

    with pytest.raises(KeyboardInterrupt), prefetch(source, 2) as items:  # noqa: PT012, SIM117
        with write_behind(map(between, items), done.append, 2) as results:
            for n_done, _ in enumerate(results):
                if n_done == 4:
                    raise KeyboardInterrupt
    assert source.is_closed
    assert len(done) < 12

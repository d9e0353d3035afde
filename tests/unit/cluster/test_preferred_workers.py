"""Which worker should do which task: neighbours together, the same choice everywhere, little moved by a change."""

from __future__ import annotations

from pathlib import Path

from n2b_ct.cluster.executor import preferred_workers

WORKERS = [f"tcp://10.0.0.{machine}:{port}" for machine in range(1, 6) for port in (4001, 4002)]
FOLDERS = [Path(f"/archive/p{number}") for number in range(300)]


def machine(addresses: list[str]) -> str:
    (host,) = {address.rpartition(":")[0] for address in addresses}
    return host


def test_all_workers_of_one_machine_are_preferred_whatever_the_order():
    chosen = preferred_workers(FOLDERS[0], WORKERS)
    assert len(chosen) == 2
    assert preferred_workers(FOLDERS[0], WORKERS[::-1]) == chosen


def test_every_machine_gets_its_share():
    chosen = [machine(preferred_workers(folder, WORKERS)) for folder in FOLDERS]
    shares = [chosen.count(one) for one in set(chosen)]
    assert len(shares) == 5
    assert min(shares) > 30


def test_only_the_folders_of_a_machine_that_goes_move():
    stay = [one for one in WORKERS if "10.0.0.3:" not in one]
    before = [machine(preferred_workers(folder, WORKERS)) for folder in FOLDERS]
    after = [machine(preferred_workers(folder, stay)) for folder in FOLDERS]
    assert {old for old, new in zip(before, after, strict=True) if old != new} == {"tcp://10.0.0.3"}


def test_where_there_is_no_choice_nobody_is_preferred():
    assert preferred_workers(FOLDERS[0], []) == []
    assert preferred_workers(FOLDERS[0], WORKERS[:2]) == []

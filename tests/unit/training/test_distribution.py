"""Who of several processes does what; how they meet is in tests/integration/test_distributed_training.py."""

from __future__ import annotations

import pytest
import torch
from ignite import distributed as idist

from n2b_ct.config.sections import TrainingSection
from n2b_ct.errors import ConfigError, DataError, TrainingError
from n2b_ct.methods.collectives import all_gather, all_reduce_range
from n2b_ct.training import distribution
from n2b_ct.training.distribution import (
    is_rank_zero,
    process_group,
    require_agreement,
    share_of_batch,
    was_restarted,
)

CPU = torch.device("cpu")


def training(batch_size: int, gradient_accumulation_steps: int = 1) -> TrainingSection:
    return TrainingSection(iterations=1, batch_size=batch_size, gradient_accumulation_steps=gradient_accumulation_steps)


@pytest.fixture
def second_of_four(monkeypatch):
    monkeypatch.setattr(idist, "get_world_size", lambda: 4)
    monkeypatch.setattr(idist, "get_rank", lambda: 1)


def test_a_process_alone_takes_the_whole_batch_and_talks():
    assert share_of_batch(training(5)) == slice(0, 5)
    assert is_rank_zero()
    assert not was_restarted()


def test_every_process_takes_its_part_in_the_order_of_ranks(second_of_four):
    assert share_of_batch(training(12)) == slice(3, 6)


@pytest.mark.parametrize(("gradient_accumulation_steps", "use"), [(1, 12), (2, 16)])
def test_a_batch_that_cannot_be_divided_is_refused(second_of_four, gradient_accumulation_steps, use):
    expected = rf"must be a multiple of 4 processes x {gradient_accumulation_steps} parts .*, got 10; use {use}"
    with pytest.raises(ConfigError, match=expected):
        share_of_batch(training(10, gradient_accumulation_steps))


def test_what_torchrun_says_of_a_process_is_understood(monkeypatch):
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert not is_rank_zero()
    assert was_restarted()


def test_without_torchrun_nothing_is_joined():
    with process_group(CPU) as device:
        assert device is CPU
        assert not torch.distributed.is_initialized()


def test_a_lost_process_is_told_from_any_other_error(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distribution, "_init_process_group", lambda backend: None)
    with (
        pytest.raises(TrainingError, match="training: needs all its processes, got one that has ended"),
        process_group(CPU),
    ):
        raise RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer")
    with pytest.raises(RuntimeError, match="size mismatch"), process_group(CPU):
        raise RuntimeError("size mismatch")


def test_the_whole_batch_of_a_process_alone_is_its_own():
    batch = torch.tensor([3.0, -1.0, 2.0])
    assert all_gather(batch) is batch
    assert tuple(map(float, all_reduce_range(batch))) == (-1.0, 3.0)


def test_processes_that_read_other_images_are_refused_and_others_go_on(monkeypatch):
    require_agreement("ab")
    monkeypatch.setattr(idist, "all_gather", lambda digest: [digest, digest])
    require_agreement("ab")
    monkeypatch.setattr(idist, "all_gather", lambda digest: [digest, "other", "third"])
    expected = (
        r"^training: all processes must read the same images, got 3 sets; give all processes the same folder of data$"
    )
    with pytest.raises(DataError, match=expected):
        require_agreement("ab")


@pytest.mark.parametrize(
    "said", ["Gloo: failed", "NCCL error", "Connection reset", "by peer", "Process group", "Timed out"]
)
def test_every_word_of_a_lost_process_is_understood(monkeypatch, said):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distribution, "_init_process_group", lambda backend: None)
    expected = (
        r"^training: needs all its processes, got one that has ended; "
        r"see its message; torchrun --max-restarts 3 resumes "
        r"from the newest checkpoint by itself$"
    )
    with pytest.raises(TrainingError, match=expected), process_group(CPU):
        raise RuntimeError(said)


def test_processes_on_gpus_take_one_each_and_those_on_processors_share(monkeypatch):
    backends, chosen = [], []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(distribution, "_init_process_group", backends.append)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with process_group(torch.device("cuda")) as device:
        assert device == torch.device("cuda", 1)
    with process_group(CPU) as device:
        assert device == CPU
    assert backends == ["nccl", "gloo"]
    assert chosen == [torch.device("cuda", 1)]


def test_a_process_that_was_not_started_by_torchrun_is_the_first_and_was_not_restarted(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("TORCHELASTIC_RESTART_COUNT", raising=False)
    assert is_rank_zero()
    assert not was_restarted()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert is_rank_zero()
    assert not was_restarted()


def test_the_whole_batch_is_gathered_from_all_processes_without_gradient(second_of_four, monkeypatch):
    monkeypatch.setattr(idist, "all_gather", lambda part: torch.cat([part - 1.0, part]))
    gathered = all_gather(torch.tensor([3.0, -1.0], requires_grad=True))
    assert gathered.tolist() == [2.0, -2.0, 3.0, -1.0]
    assert not gathered.requires_grad


def test_the_range_of_the_whole_batch_is_that_of_all_processes(second_of_four, monkeypatch):
    def all_reduce(ends: torch.Tensor, operation: str) -> torch.Tensor:
        assert operation == "MAX"
        return torch.maximum(ends, torch.tensor([2.0, 5.0]))  # another process holds -2 to 5

    monkeypatch.setattr(idist, "all_reduce", all_reduce)
    assert tuple(map(float, all_reduce_range(torch.tensor([3.0, -1.0])))) == (-2.0, 5.0)
    assert tuple(map(float, all_reduce_range(torch.tensor([30.0, -10.0])))) == (-10.0, 30.0)

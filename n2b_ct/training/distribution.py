"""One training in several processes, as ``torchrun`` starts them: each takes its share of every batch.

The processes draw the same batches and hold the same weights; each cuts its own part of a batch, and the gradients are
averaged (DistributedDataParallel). ``training.batch_size`` is the whole batch, so the number of processes changes the
speed and, but for rounding, not the result. Only the first process writes and logs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from ignite import distributed as idist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from n2b_ct.config.sections import TrainingSection
from n2b_ct.errors import ConfigError, DataError, TrainingError, explain

_LOST_PEER = ("gloo", "nccl", "connection", "peer", "process group", "timed out")


def is_rank_zero() -> bool:
    """Whether this process writes and logs; true where there is only one."""
    return int(os.environ.get("RANK", "0")) == 0


def was_restarted() -> bool:
    """Whether ``torchrun --max-restarts`` has restarted this process after one of them failed."""
    return _n_restarts() > 0


def _n_restarts() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the other processes, if ``torchrun`` has started several; nothing happens where there is one.

    Args:
        device: The requested device; several processes on GPUs take one each.

    Yields:
        This process's device.

    Raises:
        TrainingError: Another process has ended.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or idist.get_world_size() > 1:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    try:
        _init_process_group("nccl" if device.type == "cuda" else "gloo")
        yield device
    except RuntimeError as error:
        if _is_lost_peer(error):
            raise _lost_peer() from error
        raise
    finally:
        idist.finalize()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _init_process_group(backend: str) -> None:
    """Connect to the others through ``torchrun``'s store, which may still hold addresses of an earlier attempt."""
    store, rank, n_processes = next(rendezvous("env://"))
    attempt = PrefixStore(f"attempt {_n_restarts()}", store)
    torch.distributed.init_process_group(backend, store=attempt, rank=rank, world_size=n_processes)
    idist.sync()


def share_of_batch(training: TrainingSection) -> slice:
    """Return which patches of every batch are this process's.

    Raises:
        ConfigError: The batch cannot be divided evenly.
    """
    n_processes, parts = idist.get_world_size(), training.gradient_accumulation_steps
    if training.batch_size % (n_processes * parts):
        requirement = (
            f"must be a multiple of {n_processes} processes x {parts} parts (training.gradient_accumulation_steps)"
        )
        remedy = f"use {-(-training.batch_size // (n_processes * parts)) * n_processes * parts}"
        raise ConfigError(explain("training.batch_size", requirement, training.batch_size, remedy))
    n_own = training.batch_size // n_processes
    return slice(idist.get_rank() * n_own, (idist.get_rank() + 1) * n_own)


def barrier() -> None:
    """Wait until all processes are here."""
    idist.barrier()


def require_agreement(data_digest: str) -> None:
    """Refuse processes that train on different images.

    Raises:
        DataError: In every process.
    """
    found = set(idist.all_gather(data_digest))
    if len(found) > 1:
        remedy = "give all processes the same folder of data"
        raise DataError(explain("training", "all processes must read the same images", f"{len(found)} sets", remedy))


def _is_lost_peer(error: RuntimeError) -> bool:
    text = f"{type(error).__name__} {error}".lower()
    return any(word in text for word in _LOST_PEER)


def _lost_peer() -> TrainingError:
    remedy = "see its message; torchrun --max-restarts 3 resumes from the newest checkpoint by itself"
    return TrainingError(explain("training", "needs all its processes", "one that has ended", remedy))

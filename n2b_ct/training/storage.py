"""Where the images of a training lie: on its GPU, in memory, or in a file where they are too many."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from n2b_ct.data.image_store import Shape, n_bytes
from n2b_ct.methods.method import BatchNeeds

_CPU = torch.device("cpu")
LARGEST_SHARE = 0.5
"""Of a memory that images may take; the rest is the networks', and other people's."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where images go.

    Attributes:
        directory: A folder for a file of them; None: in memory.
        device: Where patches are cut.
    """

    directory: Path | None
    device: torch.device


def choose_storage(
    n_bytes: int, cache: Literal["auto", "memory", "disk"], run_dir: Path, device: torch.device
) -> Storage:
    """Keep images on the GPU while they take half of its free memory at most, then in memory, then in a file.

    Args:
        n_bytes: What they take.
        cache: ``training.cache``.
        run_dir: The run folder; the file lies in it, or beside it while it is not made.
        device: Where training runs.
    """
    if cache == "disk" or (cache == "auto" and n_bytes > LARGEST_SHARE * memory_bytes()):
        directory = next(folder for folder in (run_dir, *run_dir.absolute().parents) if folder.is_dir())
        return Storage(directory, _CPU)
    if device.type == "cuda" and n_bytes <= LARGEST_SHARE * torch.cuda.mem_get_info(device)[0]:
        return Storage(None, device)
    return Storage(None, _CPU)


def needed_bytes(needs: BatchNeeds, noisy: Iterable[Shape], clean: Iterable[Shape]) -> int:
    """Bytes of all images that a method needs, as float32."""
    beside = (needs.blurred, needs.reference, needs.noisy_again, needs.distilled)
    return n_bytes(noisy) * (1 + sum(beside)) + (n_bytes(clean) if needs.clean else 0)


def memory_bytes() -> int:
    """Memory of this machine, whoever uses it."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

"""What a table was made on: processor, cores, memory, accelerator, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

import n2b_ct
from n2b_ct.experiments.results import Machine
from n2b_ct.training.processor import processor_name

_PACKAGES = ("torch", "monai", "numpy", "scipy", "scikit-image", "Pillow", "bm3d")


def this_machine(device: torch.device) -> Machine:
    """Describe the machine; nothing in it names a host or a user."""
    return Machine(
        processor=processor_name(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory_gib=_memory_gib(),
        accelerator=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    )


def installed_versions() -> dict[str, str]:
    """Versions of what takes part; a package that is not installed is left out."""
    found = {"n2b-ct": n2b_ct.__version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _memory_gib() -> float | None:
    try:
        n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    return round(n_bytes / 2**30, 1)

"""Which processor a training ran on."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

_CPU_FACTS = Path("/proc/cpuinfo")


def device_name(device: torch.device) -> str:
    """Name the accelerator or the processor that a device is."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()


def processor_name(facts: Path = _CPU_FACTS) -> str:
    """The processor's model, where the system tells it."""
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()

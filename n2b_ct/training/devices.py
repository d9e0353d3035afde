"""Choice of device, threads and precision."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from n2b_ct.errors import ConfigError, explain


def choose_device(name: str = "auto") -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into an available device.

    Raises:
        ConfigError: Another word, or no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(explain("device", "must be auto, cpu, cuda or cuda:N", name, "use auto")) from error
    there = device.type == "cpu" or (device.type == "cuda" and (device.index or 0) < torch.cuda.device_count())
    if not there:
        raise ConfigError(explain("device", "must be a device of this machine", name, "use auto or cpu"))
    return device


def use_threads(n_threads: int | None) -> None:
    """Set the number of torch's CPU threads; None keeps its default, one per core.

    Raises:
        ConfigError: The number is below 1.
    """
    if n_threads is None:
        return
    if n_threads < 1:
        raise ConfigError(explain("threads", "must be at least 1", n_threads, "leave it out for one per core"))
    torch.set_num_threads(n_threads)


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Return bf16 where it is asked for, or ``auto`` and the processor multiplies in it; None means fp32."""
    if precision == "fp32":
        return None
    return torch.bfloat16 if precision == "bf16" or _multiplies_bf16(device) else None


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _has_bf16_instructions()


def _has_bf16_instructions() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


_CPU_FACTS = Path("/proc/cpuinfo")


def device_name(device: torch.device) -> str:
    """Name the accelerator or the processor that a device is."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()


def processor_name(facts: Path = _CPU_FACTS) -> str:
    """Return the processor's model, where the system reports it."""
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()

"""The results of ``benchmarks.denoise_job`` as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.denoise_input import SIZE_PX


def _stages_table(found: dict[str, Any]) -> str:
    title = f"One series of {found['n_slices']} slices of {SIZE_PX}x{SIZE_PX}, median of {found['repeats']}"
    heads = [
        "encoding",
        "read s",
        "network s",
        "derive and write s",
        "job s",
        "job : slowest stage",
        "job : sum of stages",
        "slices/s",
    ]
    costs = ", ".join(f"`{one['function']}` {one['share']:.0%}" for one in found["largest_costs"])
    return _table(title, found, heads) + f"\n\nThe largest costs in one thread, uncompressed: {costs}."


def _memory_table(found: dict[str, Any]) -> str:
    title = f"One series of {found['n_slices']} slices of {SIZE_PX}x{SIZE_PX}, peak resident memory"
    return _table(title, found, ["encoding", "job s", "the process MiB", "its reading workers MiB"])


def _leaks_table(found: dict[str, Any]) -> str:
    return _table("One process, many series", found, ["series done", "resident MiB", "open files", "threads"])


def _inspect_table(found: dict[str, Any]) -> str:
    title = f"`n2b-ct inspect` on {found['n_files']} files"
    return _table(title, found, ["headers", "wall s"])


def _help_table(found: dict[str, Any]) -> str:
    return _table(f"The command line alone, median of {found['repeats']}", found, ["command", "wall s"])


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "stages": _stages_table,
    "memory": _memory_table,
    "leaks": _leaks_table,
    "inspect": _inspect_table,
    "help": _help_table,
}


def _table(title: str, found: dict[str, Any], heads: list[str]) -> str:
    machine = "{n_cores} cores ({processor}), {torch_threads} threads of torch, load average {load_average} before it"
    rows = [heads, ["---"] * len(heads), *(list(map(str, row.values())) for row in found["rows"])]
    return "\n".join([f"{title}; {machine.format(**found)}.", "", *(f"| {' | '.join(row)} |" for row in rows)])

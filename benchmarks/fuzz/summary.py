"""A run in numbers: what was done to the files, what became of them, and whether anything broke."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.fuzz.watch import LIMITS, Row

PROBLEMS = {
    "crash": "processes that died",
    "hang": f"files that took more than {LIMITS.seconds:g} s",
    "memory": f"files that took a process over {LIMITS.mib} MiB",
    "exception": "exceptions other than the project's own",
    "traceback": "tracebacks on standard error",
    "noise": "files that made a library write to standard error",
    "records": "files without exactly one record",
    "unknown_reason": "reason codes that are not in the list",
    "unprintable": "messages with line breaks or control characters",
    "leak": "messages with the patient's name, number or birthday",
    "half_written": "series that were not written whole, or written though they failed",
    "leftover": "hidden folders left behind",
    "changed_words": "slices whose unchanged HU came back as other words",
}
_N_SLOWEST = 5


def summarise(rows: Sequence[Row], run: dict[str, Any]) -> dict[str, Any]:
    """Count; ``run`` tells which run it was."""
    problems = Counter(problem for row in rows for problem in row["problems"])
    return {
        **run,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "n_files": len(rows),
        "n_files_with_problems": sum(bool(row["problems"]) for row in rows),
        "problems": {code: problems.get(code, 0) for code in PROBLEMS},
        "peak_mib": max((row["peak_mib"] for row in rows), default=0),
        "slowest": [_shown(row) for row in sorted(rows, key=lambda row: -row["seconds"])[:_N_SLOWEST]],
        "largest": [_shown(row) for row in sorted(rows, key=lambda row: -row["peak_mib"])[:_N_SLOWEST]],
        "by_mutator": dict(sorted(Counter(row["mutator"] for row in rows).items())),
        "by_end": dict(sorted(Counter(map(_end, rows)).items())),
        "with_problems": [{**_shown(row), "problems": row["problems"]} for row in rows if row["problems"]],
    }


def table(summary: dict[str, Any]) -> str:
    """Word a summary as Markdown."""
    n_files, seconds = summary["n_files"], summary["seconds"]
    speed = f", {n_files / seconds:.0f} files/s" if seconds else ""
    lines = [
        f"{n_files} broken files, seed {summary['seed']}, in {seconds:.0f} s{speed}; "
        f"the largest process took {summary['peak_mib']} MiB, the slowest file {_slowest_s(summary):.1f} s.",
        f"`{summary['command']}`",
        "",
        "| what must not happen | n |",
        "|---|---|",
        *(f"| {words} | {summary['problems'][code]} |" for code, words in PROBLEMS.items()),
        "",
        "| what became of the files | n |",
        "|---|---|",
        *(f"| {end} | {n} |" for end, n in sorted(summary["by_end"].items(), key=lambda item: -item[1])),
        "",
        "| what was done to them | n |",
        "|---|---|",
        *(f"| {mutator} | {n} |" for mutator, n in summary["by_mutator"].items()),
    ]
    return "\n".join(lines) + "\n"


def _end(row: Row) -> str:
    """A file's end in a few words: how it was scanned, and for a used one what deriving it gave."""
    if not row["action"]:
        return "no record"
    if row["action"] == "used":
        return (
            f"used, {row['derived']}" if row["derived"] == "done" else f"used, then {row['derived'] or 'not derived'}"
        )
    return f"{row['action']}: {row['reason']}"


def _shown(row: Row) -> Row:
    return {key: row[key] for key in ("index", "mutator", "seconds", "peak_mib")} | {"end": _end(row)}


def _slowest_s(summary: dict[str, Any]) -> float:
    return max((row["seconds"] for row in summary["slowest"]), default=0.0)

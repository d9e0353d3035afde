"""What a run has found so far: one JSON line per file, so that a run can stop at any time and go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Log:
    """An append-only file of rows.

    Args:
        path: The file; one that is there already must be of the same run.
        run: What decides the files of a run; the first line.

    Raises:
        ValueError: The file is of another run.
    """

    def __init__(self, path: Path, run: Row) -> None:
        self._path = path
        self._lines: list[Row] = []
        if path.exists():
            self._lines = [json.loads(line) for line in _whole_lines(path)]
        if not self._lines:
            self._append({"run": run})
        if self._lines[0] != {"run": run}:
            msg = f"{path} is of another run: {self._lines[0]}; choose another --out"
            raise ValueError(msg)

    @property
    def indices(self) -> frozenset[int]:
        """Files that are done."""
        return frozenset(line["index"] for line in self._lines if "index" in line)

    @property
    def seconds(self) -> float:
        """How long all parts of the run took together."""
        return round(sum(float(line["part_seconds"]) for line in self._lines if "part_seconds" in line), 1)

    def rows(self, n_files: int) -> list[Row]:
        """Rows of the first files, by number; the last word on each counts."""
        found = {line["index"]: line for line in self._lines if "index" in line}
        return [found[index] for index in sorted(found) if index < n_files]

    def append(self, row: Row) -> None:
        """Add a file."""
        self._append(row)

    def append_time(self, seconds: float) -> None:
        """Add how long this part of the run took."""
        self._append({"part_seconds": round(seconds, 1)})

    def _append(self, line: Row) -> None:
        self._lines.append(line)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _whole_lines(path: Path) -> list[str]:
    """Lines that were written to their end; a torn last one is cut off."""
    content = path.read_text(encoding="utf-8")
    whole, newline, torn = content.rpartition("\n")
    if torn:
        path.write_text(whole + newline, encoding="utf-8")
    return whole.splitlines()

"""What the rows have measured so far: one JSON file that runs add to, the kept scores of baselines, and the looks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.results_files import RESULTS
from n2b_ct.training.devices import processor_name

NAME = "arrival"
COMMAND = "python -m benchmarks.arrival --data-root DATA"
BASELINES_NAME = "arrival_baselines.json"

Scores = dict[str, Any]


@dataclass
class Store:
    """Results of earlier runs and of this one.

    Attributes:
        folder: Where they are.
        rows: Row to method to its scores.
        looks: Each run of a row on patients: when, which row, which models. They are few on purpose.
        kept: Scores of baselines, which never change, by what they are of.
        models: Name of a model to the beginning of its digest, as it was run last.
    """

    folder: Path = RESULTS
    rows: dict[str, dict[str, Scores]] = field(default_factory=dict)
    looks: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[str, Scores] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path = RESULTS) -> Store:
        """Read what there is."""
        document, kept = (_json(folder / name) for name in (f"{NAME}.json", BASELINES_NAME))
        return cls(folder, document.get("rows", {}), document.get("looks", []), kept, document.get("models", {}))

    def look(self, row: str, models: Mapping[str, str]) -> None:
        """Note that a row on patients was run; models by name with their digests."""
        now = datetime.now(UTC).isoformat(timespec="minutes")
        self.looks.append({"row": row, "when": now, "models": {name: digest[:12] for name, digest in models.items()}})

    def n_looks(self, row: str) -> int:
        """How often a row was run."""
        return sum(one["row"] == row for one in self.looks)

    def once(self, key: str, measure: Callable[[], Scores]) -> Scores:
        """Return the kept scores of a baseline, measured now if never before."""
        if key not in self.kept:
            self.kept[key] = measure()
        return self.kept[key]

    def put(self, row: str, method: str, scores: Scores) -> None:
        """Replace a method's scores in a row."""
        self.rows.setdefault(row, {})[method] = scores

    def document(self) -> dict[str, Any]:
        """What the result file holds."""
        about = {"command": COMMAND, "processor": processor_name(), "models": self.models}
        return {**about, "looks": self.looks, "rows": self.rows}

    def write(self) -> None:
        """Write the kept scores; the document goes with its table."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dict(sorted(self.kept.items())), indent=0)
        (self.folder / BASELINES_NAME).write_text(text + "\n", encoding="utf-8")


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

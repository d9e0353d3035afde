"""Where a benchmark's results go: JSON for machines, a table for people, both committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write_results(name: str, document: dict[str, Any], table: str, folder: Path = RESULTS) -> None:
    """Save the results, and show the table."""
    save_results(name, document, table, folder)
    print(table)


def save_results(name: str, document: dict[str, Any], table: str, folder: Path = RESULTS) -> None:
    """Write ``NAME.json`` and ``NAME.md`` to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(table, encoding="utf-8")

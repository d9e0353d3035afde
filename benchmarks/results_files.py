"""Where a benchmark's results go: JSON for machines, a table for people, both committed, and pages that show them."""

from __future__ import annotations

import json
import re
import sys
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


def between_marks(page: str, mark: str, content: str) -> str:
    """The page with the content between ``<!-- MARK -->`` and the next ``<!-- end -->``."""
    marks = re.compile(rf"(<!-- {mark} -->).*?(<!-- end -->)", re.DOTALL)
    if not marks.search(page):
        sys.exit(f"the page has no marks <!-- {mark} --> and <!-- end -->")
    return marks.sub(lambda found: f"{found[1]}\n{content}\n{found[2]}", page)

"""Put finished tables of ``n2b-ct validate`` into the repository.

    python -m benchmarks.validation_tables tables/bsd68_gaussian25 [tables/table1_gaussian ...]

Copies ``table.json`` and ``table.md`` to ``benchmarks/results/validate/<experiment>/``, the plot of its scores to
``docs/images/`` (not its gallery: those pictures are others'), and writes the table into ``docs/methods.md``, between
the experiment's two marks.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from benchmarks.results_files import RESULTS, between_marks

REPOSITORY = Path(__file__).resolve().parents[1]
TABLES = RESULTS / "validate"
IMAGES = REPOSITORY / "docs" / "images"
PAGE = REPOSITORY / "docs" / "methods.md"
PICTURES = ("scores",)
"""The gallery of a table shows test pictures, which are not ours to publish: see ``validation_gallery.py``."""
WANTED = ("|", "- Not run", "**Papers**", "**Notes**")


def main(folders: list[Path]) -> None:
    for folder in folders:
        name = json.loads((folder / "table.json").read_text(encoding="utf-8"))["experiment"]
        (TABLES / name).mkdir(parents=True, exist_ok=True)
        for file in ("table.json", "table.md"):
            shutil.copy(folder / file, TABLES / name / file)
        shown = [picture for picture in PICTURES if (folder / f"{picture}.png").is_file()]
        for picture in shown:
            shutil.copy(folder / f"{picture}.png", IMAGES / f"{name}_{picture}.png")
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(
            between_marks(page, f"table {name}", shown_table(folder / "table.md", name, shown)), encoding="utf-8"
        )
        print(f"{name}: in {TABLES.relative_to(REPOSITORY)}/{name} and {PAGE.relative_to(REPOSITORY)}")


def shown_table(table: Path, name: str, pictures: list[str]) -> str:
    """What of a table stands on the page: numbers, papers, notes, pictures and where the rest is."""
    blocks = table.read_text(encoding="utf-8").strip().split("\n\n")
    starts = [k for k, block in enumerate(blocks) if block.startswith(WANTED)]
    parts = []
    for k in starts:
        parts.append(blocks[k])
        if blocks[k].startswith("**"):
            parts.append(blocks[k + 1])
    parts += [f"![{name}: {picture}](images/{name}_{picture}.png)" for picture in pictures]
    where = f"benchmarks/results/validate/{name}/table.md"
    parts.append(f"Definitions, command, seed and machine: [{where}](../{where}).")
    return "\n\n".join(parts)


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]] or sys.exit(__doc__))

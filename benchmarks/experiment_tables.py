"""Put finished tables of ``n2b-ct benchmark`` into the repository.

    python -m benchmarks.experiment_tables tables/bsd68_gaussian25 [tables/table1_gaussian ...]

Copies ``table.json`` and ``table.md`` to ``benchmarks/results/benchmark/<experiment>/``, the plot of its scores to
``docs/images/`` (not its gallery: those images are others'), and writes the table into ``docs/methods.md``, between
the experiment's two marks.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from benchmarks.results_files import RESULTS, between_marks

REPOSITORY = Path(__file__).resolve().parents[1]
TABLES = RESULTS / "benchmark"
IMAGES = REPOSITORY / "docs" / "images"
PAGE = REPOSITORY / "docs" / "methods.md"
NATURAL_IMAGES = ("scores",)
"""The gallery of a table shows test images, which are not ours to publish: see ``experiment_gallery.py``."""
WANTED = ("|", "- Not run", "**Papers**", "**Notes**")


def main(folders: list[Path]) -> None:
    for folder in folders:
        name = json.loads((folder / "table.json").read_text(encoding="utf-8"))["experiment"]
        (TABLES / name).mkdir(parents=True, exist_ok=True)
        for file in ("table.json", "table.md"):
            shutil.copy(folder / file, TABLES / name / file)
        shown = [image for image in NATURAL_IMAGES if (folder / f"{image}.png").is_file()]
        for image in shown:
            shutil.copy(folder / f"{image}.png", IMAGES / f"{name}_{image}.png")
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(
            between_marks(page, f"table {name}", shown_table(folder / "table.md", name, shown)), encoding="utf-8"
        )
        print(f"{name}: in {TABLES.relative_to(REPOSITORY)}/{name} and {PAGE.relative_to(REPOSITORY)}")


def shown_table(table: Path, name: str, images: list[str]) -> str:
    """What of a table stands on the page: numbers, papers, notes, images and where the rest is."""
    blocks = table.read_text(encoding="utf-8").strip().split("\n\n")
    starts = [k for k, block in enumerate(blocks) if block.startswith(WANTED)]
    parts = []
    for k in starts:
        parts.append(blocks[k])
        if blocks[k].startswith("**"):
            parts.append(blocks[k + 1])
    parts += [f"![{name}: {image}](images/{name}_{image}.png)" for image in images]
    where = f"benchmarks/results/benchmark/{name}/table.md"
    parts.append(f"Definitions, command, seed and machine: [{where}](../{where}).")
    return "\n\n".join(parts)


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]] or sys.exit(__doc__))

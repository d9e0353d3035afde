"""Put finished tables of ``n2b-ct benchmark`` into the repository, and write all pages that show them.

    python -m benchmarks.experiment_tables [tables/bsd68_gaussian25 tables/table1_gaussian ...]

A folder's ``table.json`` goes to ``benchmarks/results/benchmark/<experiment>/`` (not its gallery: those images are
others'). Rows that it lacks stay as they were committed, where settings and test images are the same; a note names
them. Then, also without any folder, it draws the plots of scores in ``docs/images/`` from the committed tables, and
writes, between marks: each experiment's page in ``docs/experiments/``, which is made where there is none, and the
summary in ``docs/methods.md``. What stands outside of the marks is written by hand and stays.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.earlier_rows import with_earlier_rows
from benchmarks.experiment_gallery import PHOTOGRAPHS
from benchmarks.experiment_summary import ablations, summary
from benchmarks.results_files import RESULTS, between_marks
from n2b_ct.experiments.benchmark import JSON_NAME, SCORES_NAME
from n2b_ct.experiments.markdown import table_markdown
from n2b_ct.experiments.plots import draw_scores
from n2b_ct.experiments.results import Table, table_json

REPOSITORY = Path(__file__).resolve().parents[1]
TABLES = RESULTS / "benchmark"
DOCS = REPOSITORY / "docs"
IMAGES = DOCS / "images"
METHODS_PAGE = DOCS / "methods.md"
PAGES = DOCS / "experiments"
PICTURES = {
    "gallery": "Such noise on scikit-image's `{photograph}` (CC0), and what each row makes of it: "
    "`python -m benchmarks.experiment_gallery tables/{name}`.",
    "losses": "The two losses of Noise2Blur over the training, the initial stage shaded: "
    "`python -m benchmarks.experiment_losses tables/{name}`.",
    "scores": "",
}
"""Images of ``docs/images/`` that a page shows where they are there, and what stands under each."""
EXTRACTOR = RESULTS / "noise_extractor.md"
_DETAILS = "**Columns**"


def main(folders: list[Path]) -> None:
    for folder in folders:
        print(f"{adopt(folder)}: adopted")
    for table in committed_tables():
        (IMAGES / f"{table.experiment}_{SCORES_NAME}").write_bytes(draw_scores(table))
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(REPOSITORY))


def adopt(folder: Path) -> str:
    """Commit a finished table; return the experiment's name."""
    table = read_table(folder / JSON_NAME)
    place = TABLES / table.experiment / JSON_NAME
    if place.is_file():
        table = with_earlier_rows(table, read_table(place))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(table_json(table), encoding="utf-8")
    return table.experiment


def read_table(path: Path) -> Table:
    """Read a ``table.json``."""
    return TypeAdapter(Table).validate_json(path.read_bytes())


def committed_tables() -> list[Table]:
    """All committed tables, by name."""
    return [read_table(path) for path in sorted(TABLES.glob(f"*/{JSON_NAME}"))]


def pages() -> dict[Path, str]:
    """What every page has to say, from the committed tables and the pages as they are."""
    tables = committed_tables()
    methods = METHODS_PAGE.read_text(encoding="utf-8")
    methods = between_marks(methods, "summary", summary(tables))
    methods = between_marks(methods, "noise extractor", extractor_results())
    found = {METHODS_PAGE: between_marks(methods, "ablations", ablations(tables))}
    for table in tables:
        path = PAGES / f"{table.experiment}.md"
        page = path.read_text(encoding="utf-8") if path.is_file() else new_page(table)
        found[path] = between_marks(page, "table", shown_table(table))
    return found


def extractor_results() -> str:
    """The table of :mod:`benchmarks.noise_extractor`."""
    return EXTRACTOR.read_text(encoding="utf-8").strip() if EXTRACTOR.is_file() else "Not measured yet."


def new_page(table: Table) -> str:
    """A page without any words by hand."""
    return f"# {table.description or table.experiment}\n\n<!-- table -->\n<!-- end -->\n"


def shown_table(table: Table) -> str:
    """A table's numbers, its pictures, then definitions, papers, notes and how it was made."""
    text = table_markdown(table)
    numbers, details = text[text.index("| method |") :].rstrip().split(f"\n\n{_DETAILS}")
    return "\n\n".join([numbers, *_pictures(table), f"{_DETAILS}{details}"])


def _pictures(table: Table) -> list[str]:
    blocks, name = [], table.experiment
    for kind, caption in PICTURES.items():
        file = f"{name}_{kind}.png"
        if (IMAGES / file).is_file():
            blocks.append(f"![{name}: {kind}](../images/{file})")
            text = caption.format(name=name, photograph=PHOTOGRAPHS[table.colour][0])
            blocks += [f"*{text}*"] if text else []
    return blocks


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])

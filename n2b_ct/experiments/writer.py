"""Writes a table's files, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from n2b_ct.config.experiment import INPUT_ROW, ExperimentSection, GallerySection
from n2b_ct.experiments.chart import draw_scores
from n2b_ct.experiments.columns import Column
from n2b_ct.experiments.documents import per_image_csv, table_json
from n2b_ct.experiments.gallery import Panel, draw_gallery
from n2b_ct.experiments.markdown import table_markdown
from n2b_ct.experiments.results import ImageScore, Table
from n2b_ct.experiments.rows import Job, Made
from n2b_ct.experiments.scoring import shown_image
from n2b_ct.io.atomic import write_atomically

JSON_NAME, MARKDOWN_NAME, CSV_NAME = "table.json", "table.md", "per_image.csv"
GALLERY_NAME, CHART_NAME = "gallery.png", "scores.png"
TRUTH, NOISY = "truth", "noisy"

_Scores = Mapping[str, Sequence[ImageScore]]


def write_numbers(out: Path, table: Table, inputs: _Scores, made: Sequence[Made]) -> None:
    """Write ``table.json``, ``table.md`` and ``per_image.csv``.

    Raises:
        OutputError: The place cannot be written.
    """
    scores = {(INPUT_ROW, test): found for test, found in inputs.items()}
    scores |= {(one.row.name, test): found for one in made for test, found in one.scores.items()}
    _write(out / MARKDOWN_NAME, table_markdown(table).encode())
    _write(out / CSV_NAME, per_image_csv(scores).encode())
    _write(out / JSON_NAME, table_json(table).encode())


def write_natural_images(job: Job, section: ExperimentSection, table: Table, made: Sequence[Made]) -> None:
    """Write ``scores.png`` and, where the experiment has a gallery, ``gallery.png``.

    Raises:
        OutputError: The place cannot be written.
    """
    _write(job.out / CHART_NAME, draw_scores(table))
    gallery = section.gallery
    if gallery is not None:
        column = next(column for column in job.columns if column.name == gallery.test)
        panels = [_panel(job, column, gallery, name, made) for name in gallery.images]
        _write(job.out / GALLERY_NAME, draw_gallery(panels, f"{section.name}: {gallery.test}"))


def _panel(job: Job, column: Column, gallery: GallerySection, name: str, made: Sequence[Made]) -> Panel:
    pair = column.read(column.natural_image_names.index(name))
    return Panel(name, {**dict(_tiles(job, column, name, made)), TRUTH: pair.truth}, gallery.images[name])


def _tiles(job: Job, column: Column, name: str, made: Sequence[Made]) -> Iterator[tuple[str, np.ndarray]]:
    """Heading and whole image of the noisy input and of every row that was kept."""
    for heading, cache in job.caches(made):
        found = shown_image(column, name, cache)
        if found is not None:
            score, image = found
            psnr = "identical" if score.psnr_db is None else f"{score.psnr_db:.2f} dB"
            yield f"{NOISY if heading == INPUT_ROW else heading}  {psnr}", image


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda file: file.write(content))

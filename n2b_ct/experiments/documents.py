"""``table.json`` and ``per_image.csv``: the numbers for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from n2b_ct.evaluation.report.csv_files import csv_field
from n2b_ct.evaluation.report.schema import object_schema, schema_of
from n2b_ct.experiments.results import ImageScore, Table

SCHEMA = "n2b-ct/validation"
SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).with_name("table.schema.json")

ImageScores = Mapping[tuple[str, str], Sequence[ImageScore]]
"""Row and column to the scores of its images."""


def table_json(table: Table) -> str:
    """The table with every number at full precision."""
    document = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **asdict(table)}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def table_schema() -> dict[str, Any]:
    """The form of ``table.json`` as a JSON Schema, made from the classes that are written."""
    fields = schema_of(Table)["properties"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "n2b-ct validation table"}
    return head | object_schema({"schema": {"const": SCHEMA}, "schema_version": {"const": SCHEMA_VERSION}, **fields})


def schema_text() -> str:
    """The committed file's text; a test holds ``table.schema.json`` to it."""
    return json.dumps(table_schema(), indent=1, ensure_ascii=False) + "\n"


def per_image_csv(scores: ImageScores) -> str:
    """One line per row, column and image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "test", "image", "psnr_db", "ssim", "seconds"])
    for (row, test), images in scores.items():
        for one in images:
            psnr_db = "" if one.psnr_db is None else f"{one.psnr_db:.4f}"
            names = map(csv_field, (row, test, one.image))
            writer.writerow([*names, psnr_db, f"{one.ssim:.5f}", f"{one.seconds:.3f}"])
    return text.getvalue()

"""A table's numbers as plain values, field by field as in ``table.json``, and the files that programs read."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch

from n2b_ct.evaluation.report.csv_files import csv_field
from n2b_ct.evaluation.report.schema import object_schema, schema_of
from n2b_ct.training.devices import processor_name
from n2b_ct.version import __version__

RowKind = Literal["input", "trained", "baseline", "published"]
RowStatus = Literal["done", "failed", "not run", "published"]
Plain = str | int | float | bool | None
_PACKAGES = ("torch", "monai", "numpy", "scipy", "scikit-image", "Pillow", "bm3d")
SCHEMA = "n2b-ct/benchmark"
SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).with_name("table.schema.json")


@dataclass(frozen=True, slots=True)
class ImageScore:
    """One test image, denoised by one row."""

    image: str
    psnr_db: float | None
    ssim: float
    seconds: float
    """Wall time of denoising."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over images with its 95 % interval; None where there is nothing to resample."""

    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """One cell: a row on a column's images.

    Attributes:
        test: The column.
        psnr_db: dB.
        ssim: SSIM.
        psnr_gain_db: Row minus compare_with, image by image, dB; None for the reference row and without one.
        p_value: Of that gain, Wilcoxon signed-rank, two-sided.
        n_images: Images in the means.
        n_identical: Images identical to their truth, which have no PSNR.
        seconds_per_image: Mean wall time of denoising.
    """

    test: str
    psnr_db: Interval
    ssim: Interval
    psnr_gain_db: Interval | None
    p_value: float | None
    n_images: int
    n_identical: int
    seconds_per_image: float


@dataclass(frozen=True, slots=True)
class Published:
    """A paper's value for a cell.

    Attributes:
        test: The column.
        psnr_db: dB.
        ssim: SSIM.
        source: Key of the table's sources.
        differs: How the paper's test differs from ours; the difference is then None, as only the order of methods is
            comparable.
        difference_db: Our PSNR minus the paper's.
    """

    test: str
    psnr_db: float | None
    ssim: float | None
    source: str
    differs: str
    difference_db: float | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a training cost.

    Attributes:
        iterations: Optimiser steps.
        seconds: Wall time.
        batch_size: Noisy patches a step.
        patch_px: Side of the patches.
        seed: Seed of all random numbers.
        n_images: Images by role.
        device: Where it ran.
        processor: Name of the accelerator or the processor.
        precision: ``bf16`` or ``fp32``.
        threads: Threads of the processor.
    """

    iterations: int
    seconds: float
    batch_size: int
    patch_px: int
    seed: int
    n_images: Mapping[str, int]
    device: str
    processor: str
    precision: str
    threads: int


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        name: Heads the row.
        kind: Where its numbers come from.
        status: ``published`` rows are the papers' alone.
        problem: One line where it failed.
        method: Name of the method or the baseline denoiser.
        settings: Every key of its pipeline, or of its ``baseline`` section.
        n_parameters: Of the denoiser; None without one.
        budget: None for what is not trained.
        scores: By column.
        published: The papers' values.
        note: A sentence for the foot.
    """

    name: str
    kind: RowKind
    status: RowStatus
    problem: str = ""
    method: str = ""
    settings: Mapping[str, Plain] = field(default_factory=dict)
    n_parameters: int | None = None
    budget: Budget | None = None
    scores: tuple[Score, ...] = ()
    published: tuple[Published, ...] = ()
    note: str = ""

    def score(self, test: str) -> Score | None:
        """The cell of a column, if the row has one."""
        return next((score for score in self.scores if score.test == test), None)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column."""

    name: str
    folder: str
    n_images: int
    noise: Mapping[str, Plain]
    seed: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What the rows were measured on."""

    processor: str
    cores: int
    threads: int
    memory_gib: float | None
    accelerator: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """A complete table."""

    experiment: str
    description: str
    command: str
    created: str
    machine: Machine
    versions: Mapping[str, str]
    colour: str
    tests: tuple[TableColumn, ...]
    compare_with: str | None
    rows: tuple[Row, ...]
    sources: Mapping[str, str]
    notes: tuple[str, ...]
    definitions: Mapping[str, str]

    @property
    def failed(self) -> tuple[Row, ...]:
        """Rows that could not be made."""
        return tuple(row for row in self.rows if row.status == "failed")

    @property
    def measured(self) -> tuple[Row, ...]:
        """Rows with numbers of ours."""
        return tuple(row for row in self.rows if row.status == "done")


def this_machine(device: torch.device) -> Machine:
    """Describe the machine, without host or user names."""
    return Machine(
        processor=processor_name(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory_gib=_memory_gib(),
        accelerator=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    )


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages used; those not installed are left out."""
    found = {"n2b-ct": __version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _memory_gib() -> float | None:
    try:
        n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    return round(n_bytes / 2**30, 1)


ImageScores = Mapping[tuple[str, str], Sequence[ImageScore]]
"""Row and column to the scores of its images."""


def table_json(table: Table) -> str:
    """The table with every number at full precision."""
    document = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **asdict(table)}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def table_schema() -> dict[str, Any]:
    """The form of ``table.json`` as a JSON Schema, made from the classes that are written."""
    fields = schema_of(Table)["properties"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "n2b-ct benchmark table"}
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

"""A table's numbers as plain values: what lies in ``table.json``, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RowKind = Literal["input", "trained", "baseline", "published"]
RowStatus = Literal["done", "failed", "not run", "published"]
Plain = str | int | float | bool | None


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
        psnr_gain_db: Row minus compare_with, image by image, dB; None for the compare_with and without one.
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
    """What a paper says about a cell.

    Attributes:
        test: The column.
        psnr_db: dB.
        ssim: SSIM.
        source: Key of the table's sources.
        differs: What was not as in our test; the difference is then None, for only the order of methods compares.
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
        seed: Everything random follows from it.
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
        published: What the papers say.
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
    """A table, whole."""

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

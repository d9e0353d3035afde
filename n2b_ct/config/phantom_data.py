"""The data section of digital phantoms: how many slices, of whom, and how strong the noise is that is inserted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from n2b_ct.config.section import Section
from n2b_ct.config.windows import NamedWindow, WindowSection


def _ascending(interval: tuple[float, float]) -> tuple[float, float]:
    if not interval[0] <= interval[1]:
        msg = f"must be the lowest and the highest, got {interval[0]:g} and {interval[1]:g}"
        raise ValueError(msg)
    return interval


class _SlicesSection(Section):
    """Slices of digital patients, made once and kept in a folder."""

    root: Path | None = None
    """Folder that keeps the slices, for this and other trainings; null: ``n2b-ct`` in the user's cache."""
    n_slices: int = Field(1000, ge=1, le=1_000_000)
    """Slices to learn from; more of them add to those that are kept."""
    regions: tuple[str, ...] | None = None
    """Parts of the body, ``piglet`` among them; null: all."""
    size_px: int = Field(512, ge=64, le=1024, multiple_of=16)
    """Rows and columns."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Names the patients and their scans."""
    n_workers: int | None = Field(None, ge=1, le=256)
    """Processes that make the slices; null: one per core."""


class CleanPhantomSection(_SlicesSection):
    """Noise-free slices of digital patients in place of a scan's clean ones."""

    n_slices: int = Field(160, ge=1, le=1_000_000)
    """Slices to learn from; more of them add to those that are kept."""


def _clean_by_name(value: object) -> object:
    if isinstance(value, str):
        if value != CLEAN_PHANTOM:
            msg = f"must be {CLEAN_PHANTOM}, or n_slices, regions and the like"
            raise ValueError(msg)
        return {}
    return value


CLEAN_PHANTOM = "phantom"
Clean = Annotated[CleanPhantomSection, BeforeValidator(_clean_by_name)]


class PhantomSection(_SlicesSection):
    """Slices of digital patients, with noise that is drawn anew for every patch; ``--data-root`` wins over ``root``."""

    kind: Literal["phantom"]
    n_validation_slices: int = Field(8, ge=0, le=10_000)
    """Slices of other patients, with noise of their own, for validation."""
    n_noise_fields: int = Field(2, ge=1, le=16)
    """Noise fields of every slice, each of another dose."""
    noise_hu: Annotated[
        tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0, le=1000)]], AfterValidator(_ascending)
    ] = (3.0, 90.0)
    """Lowest and highest noise in the body, HU; with sharp kernels up to twice as strong."""
    window: NamedWindow = WindowSection(lower_hu=-1024.0, upper_hu=3072.0)
    """HU window of the network; pixels outside it are never changed."""

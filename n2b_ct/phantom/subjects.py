"""Whom a phantom scan can show: patients and the piglet, by one face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.phantom import patients
from n2b_ct.phantom.anatomy import LENGTH_MM, Animal, grow_animal, slice_hu

PIGLET = "piglet"
REGIONS = (*patients.REGIONS, PIGLET)
_MARGIN_MM = 10.0
_SUB_SLICE_MM = 1.5


class Subject(Protocol):
    """Somebody of whom slices can be drawn."""

    @property
    def z_range_mm(self) -> tuple[float, float]:
        """First and last place of a slice, mm."""

    def slice_hu(
        self, z_mm: float, *, size_px: int, pixel_mm: float, thickness_mm: float = 0.0, table: bool = True
    ) -> np.ndarray:
        """Draw a noise-free slice, HU, float32 ``[rows, cols]``."""


def draw_subject(seed: int, region: str, age_group: str) -> Subject:
    """Draw a patient, or a piglet, whose age does not matter.

    Raises:
        DataError: There is no such region or age group.
    """
    if region not in REGIONS:
        raise DataError(explain("region", f"must be one of {', '.join(REGIONS)}", region, "choose one of them"))
    return Piglet(grow_animal(seed)) if region == PIGLET else patients.draw_patient(seed, region, age_group)


@dataclass(frozen=True, slots=True)
class Piglet:
    """The digital piglet as a subject; it lies on its table always.

    Attributes:
        animal: Which.
    """

    animal: Animal

    @property
    def z_range_mm(self) -> tuple[float, float]:
        """From the snout to the thighs."""
        return _MARGIN_MM, LENGTH_MM - _MARGIN_MM

    def slice_hu(
        self,
        z_mm: float,
        *,
        size_px: int,
        pixel_mm: float,
        thickness_mm: float = 0.0,
        table: bool = True,  # noqa: ARG002 (a subject's argument)
    ) -> np.ndarray:
        """Draw a slice; a thick one is the mean of thin ones."""
        n_planes = max(1, round(thickness_mm / _SUB_SLICE_MM))
        offsets = ((np.arange(n_planes) + 0.5) / n_planes - 0.5) * thickness_mm
        planes = (slice_hu(self.animal, z_mm + offset, size_px, size_px * pixel_mm) for offset in offsets)
        return sum(planes, np.zeros((size_px, size_px), np.float32)) / np.float32(n_planes)

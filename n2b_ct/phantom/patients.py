"""Digital patients: noise-free HU of any slice of a person who never lived, at any resolution, from a seed.

A patient is drawn once (:func:`draw_patient`) and then gives any slice. The image is sharp: pixels are anti-aliased,
and thick slices are the mean of thin ones, but no kernel and no detector has blurred it.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import partial

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.phantom.human.extremities import Extremities
from n2b_ct.phantom.human.head import Head
from n2b_ct.phantom.human.lesion_sites import place_lesions
from n2b_ct.phantom.human.neck import Neck
from n2b_ct.phantom.human.region import Region, straight_plane
from n2b_ct.phantom.human.table import Table, draw_table
from n2b_ct.phantom.human.torso import Abdomen, Pelvis, Thorax
from n2b_ct.phantom.lesions import Lesion, add_lesions
from n2b_ct.phantom.random_fields import fractal_field
from n2b_ct.phantom.shapes import Canvas, Tissue

__all__ = ["AGE_GROUPS", "REGIONS", "Patient", "draw_patient"]

_REGION_CLASSES: dict[str, type[Region]] = {
    "head": Head,
    "neck": Neck,
    "thorax": Thorax,
    "abdomen": Abdomen,
    "pelvis": Pelvis,
    "extremities": Extremities,
}
REGIONS = tuple(_REGION_CLASSES)
AGE_GROUPS = ("adult", "child", "infant")

AIR = Tissue(-1000.0)
TEXTURE_LATTICES_MM = (14.0, 7.0, 3.5, 1.75)
GRAIN_LATTICES_MM = (1.3, 0.8)
SUB_SLICE_MM = 1.7
"""Thick slices are means of planes at most this far apart."""


@dataclass(frozen=True)
class Patient:
    """One patient on a scanner's table.

    Attributes:
        seed: Names the patient.
        region: The part of the body, one of :data:`REGIONS`.
        age_group: One of :data:`AGE_GROUPS`.
        anatomy: Paints a slice.
        table: What the patient lies on.
        lesions: Where they are, how large and how different from what surrounds them.
    """

    seed: int
    region: str
    age_group: str
    anatomy: Region
    table: Table
    lesions: tuple[Lesion, ...]

    @property
    def z_range_mm(self) -> tuple[float, float]:
        """First and last height that a slice may have, towards the feet."""
        return self.anatomy.z_range_mm

    def slice_hu(
        self, z_mm: float, *, size_px: int, pixel_mm: float, thickness_mm: float = 0.0, table: bool = True
    ) -> np.ndarray:
        """Draw one slice without noise.

        Args:
            z_mm: Height of the slice's middle.
            size_px: Rows and columns.
            pixel_mm: Their distance.
            thickness_mm: Slice thickness; 0 is a plane.
            table: Draw the table below the patient.

        Returns:
            HU, float32 ``[size_px, size_px]``; air is -1000, metal has the HU that it would have unclipped.
        """
        axis = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
        heights = sub_slices_mm(z_mm, thickness_mm)
        lain_on = self.table if table else None
        total = np.zeros((size_px, size_px), np.float32)
        for height in heights:
            canvas = _healthy_canvas(self.anatomy, lain_on, height, axis, axis)
            add_lesions(canvas, self.lesions)
            total += np.maximum(canvas.hu, np.float32(AIR.hu))
        return total / np.float32(len(heights))


def draw_patient(seed: int, region: str, age_group: str = "adult") -> Patient:
    """Draw a patient; equal arguments, equal patients.

    Raises:
        DataError: There is no such region or age group.
    """
    if region not in REGIONS:
        raise DataError(explain("region", "must be one of the phantom's", region, f"choose {', '.join(REGIONS)}"))
    if age_group not in AGE_GROUPS:
        raise DataError(explain("age group", "must be one of three", age_group, f"choose {', '.join(AGE_GROUPS)}"))
    anatomy = _REGION_CLASSES[region].draw(seed, age_group)
    streams = np.random.SeedSequence([seed, zlib.crc32(f"{region} {age_group}".encode())]).spawn(2)
    table_rng, lesion_rng = (np.random.default_rng(stream) for stream in streams)
    table = draw_table(table_rng)
    lesions = place_lesions(lesion_rng, anatomy.z_range_mm, partial(_healthy_hu, anatomy))
    return Patient(seed, region, age_group, anatomy, table, lesions)


def sub_slices_mm(z_mm: float, thickness_mm: float) -> list[float]:
    """Return the heights of the planes whose mean is a thick slice."""
    number = max(1, math.ceil(thickness_mm / SUB_SLICE_MM))
    return [z_mm + thickness_mm * ((k + 0.5) / number - 0.5) for k in range(number)]


def _healthy_canvas(
    anatomy: Region, table: Table | None, z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray
) -> Canvas:
    """Paint table and body, and fill them with texture; lesions come later."""
    plane = straight_plane(z_mm, row_mm, column_mm)
    canvas, seed = Canvas(plane, AIR), anatomy.seed
    if table is not None:
        table.paint(canvas, anatomy.back_mm)
    anatomy.paint(canvas)
    canvas.plane = plane
    canvas.hu += canvas.texture_hu * fractal_field((seed, 10), z_mm, row_mm, column_mm, TEXTURE_LATTICES_MM)
    canvas.hu += canvas.grain_hu * fractal_field((seed, 13), z_mm, row_mm, column_mm, GRAIN_LATTICES_MM)
    return canvas


def _healthy_hu(anatomy: Region, z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray) -> np.ndarray:
    """HU without lesions on any grid, float32 ``[rows, cols]``."""
    return _healthy_canvas(anatomy, None, z_mm, row_mm, column_mm).hu

"""Digital patients: noise-free HU of any slice of a person who never lived, at any resolution, from a seed.

A patient is drawn once (:func:`draw_patient`) and then gives any slice. The image is sharp: pixels are anti-aliased,
and thick slices are the mean of thin ones, but no kernel and no detector has blurred it.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.phantom.human.covers import Covers, draw_covers
from n2b_ct.phantom.human.extremities import Extremities
from n2b_ct.phantom.human.head import Head
from n2b_ct.phantom.human.implants import Part, draw_foreign_parts, paint_parts
from n2b_ct.phantom.human.lesion_sites import place_lesions
from n2b_ct.phantom.human.neck import Neck
from n2b_ct.phantom.human.region import Region, straight_plane
from n2b_ct.phantom.human.section import Pose, Section
from n2b_ct.phantom.human.table import Table, draw_table
from n2b_ct.phantom.human.torso import Abdomen, Pelvis, Thorax
from n2b_ct.phantom.human.trunk_implants import trunk_implants
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
IMPLANT_CHANCE = {"adult": 0.3, "child": 0.12, "infant": 0.12}
"""How often there is something foreign anywhere in the body."""
SUB_SLICE_MM = 1.7
"""Thick slices are means of planes at most this far apart."""
_SPREAD_HU = {-1000.0: 0.0, -850.0: 12.0, -100.0: 7.0, 0.0: 3.0, 50.0: 4.0, 200.0: 14.0, 1000.0: 60.0}
"""Standard deviation between patients and scanners of what has a given HU on average."""


@dataclass(frozen=True)
class Patient:
    """One patient on a scanner's table.

    Attributes:
        seed: Names the patient.
        region: The part of the body, one of :data:`REGIONS`.
        age_group: One of :data:`AGE_GROUPS`.
        anatomy: Paints a slice.
        table: What the patient lies on.
        shift_hu: Added to what has -1000, -850, -100, 0, 50, 200 and 1000 HU in an average patient.
        texture: How strong the texture of tissues is, 1 on average.
        covers: Clothing, blankets, a head's holder.
        trunk_implants: Metal and plastic at their usual places in a trunk, in the trunk's own coordinates.
        implants: Metal and plastic anywhere, apart from what the anatomy brings with it.
        lesions: Where they are, how large and how different from what surrounds them.
    """

    seed: int
    region: str
    age_group: str
    anatomy: Region
    table: Table
    shift_hu: tuple[float, ...]
    texture: float
    covers: Covers
    trunk_implants: tuple[Part, ...]
    implants: tuple[Part, ...]
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
            table: Draw the table below the patient and the covers above.

        Returns:
            HU, float32 ``[size_px, size_px]``; air is -1000, metal has the HU that it would have unclipped.
        """
        axis = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
        heights = sub_slices_mm(z_mm, thickness_mm)
        total = np.zeros((size_px, size_px), np.float32)
        for height in heights:
            canvas = self._healthy_canvas(height, axis, axis, table=table)
            add_lesions(canvas, self.lesions)
            total += np.maximum(canvas.hu, np.float32(AIR.hu))
        return total / np.float32(len(heights))

    def healthy_hu(self, z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray) -> np.ndarray:
        """Draw HU without lesions and table on any grid, float32 ``[rows, cols]``."""
        return self._healthy_canvas(z_mm, row_mm, column_mm, table=False).hu

    def _healthy_canvas(self, z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray, *, table: bool) -> Canvas:
        """Paint table and body, shift tissues to the patient's HU and fill them with texture; lesions come later."""
        plane = straight_plane(z_mm, row_mm, column_mm)
        canvas, seed = Canvas(plane, AIR), self.anatomy.seed
        if table:
            self.table.paint(canvas, self.anatomy.back_mm)
        self.anatomy.paint(canvas)
        self._paint_parts(canvas, self.trunk_implants)
        canvas.plane = plane
        self._paint_parts(canvas, self.implants)
        if table:
            self.covers.paint(canvas, self.anatomy.back_mm)
        canvas.hu += np.interp(canvas.hu, list(_SPREAD_HU), self.shift_hu).astype(np.float32)
        layers = ((canvas.texture_hu, 10, TEXTURE_LATTICES_MM), (canvas.grain_hu, 13, GRAIN_LATTICES_MM))
        for amplitude_hu, number, lattices_mm in layers:
            field = fractal_field((seed, number), z_mm, row_mm, column_mm, lattices_mm)
            canvas.hu += np.float32(self.texture) * amplitude_hu * field
        return canvas

    def _paint_parts(self, canvas: Canvas, parts: tuple[Part, ...]) -> None:
        """Paint implants in the coordinates that the canvas' plane has now."""
        if parts:
            paint_parts(Section(canvas, Pose(), (self.anatomy.seed, 5), (0.0, 0.0)), parts)


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
    streams = np.random.SeedSequence([seed, zlib.crc32(f"{region} {age_group}".encode())]).spawn(6)
    table_rng, lesion_rng, hu_rng, cover_rng, trunk_rng, implant_rng = (
        np.random.default_rng(stream) for stream in streams
    )
    healthy = Patient(
        seed,
        region,
        age_group,
        anatomy,
        table=draw_table(table_rng),
        shift_hu=tuple(float(hu) for hu in np.clip(hu_rng.normal(size=7), -2.0, 2.0) * list(_SPREAD_HU.values())),
        texture=float(hu_rng.uniform(0.5, 1.5)),
        covers=draw_covers(cover_rng, seed, region),
        trunk_implants=trunk_implants(trunk_rng, region, age_group),
        implants=(),
        lesions=(),
    )
    z_range_mm, chance = anatomy.z_range_mm, IMPLANT_CHANCE[age_group]
    operated = replace(healthy, implants=draw_foreign_parts(implant_rng, z_range_mm, healthy.healthy_hu, chance))
    return replace(operated, lesions=place_lesions(lesion_rng, z_range_mm, operated.healthy_hu))


def sub_slices_mm(z_mm: float, thickness_mm: float) -> list[float]:
    """Return the heights of the planes whose mean is a thick slice."""
    number = max(1, math.ceil(thickness_mm / SUB_SLICE_MM))
    return [z_mm + thickness_mm * ((k + 0.5) / number - 0.5) for k in range(number)]

"""Bone: a cortex around trabeculae, whose struts are finer than a pixel or just seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.tissues import CARTILAGE, CORTEX, FATTY_MARROW, SPONGIOSA, THIN_CORTEX
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Tissue, Tubes

Solid = Ellipsoid | Tubes
_FAR_MM = 30.0


@dataclass(frozen=True, slots=True)
class BonePainter:
    """Paints bones of one patient's density.

    Attributes:
        build: The patient.
        seed: Names the fields of the trabeculae.
    """

    build: Build
    seed: int

    def paint(
        self,
        canvas: Canvas,
        solid: Solid,
        cortex_mm: float,
        *,
        is_long: bool = False,
        within: np.ndarray | None = None,
    ) -> None:
        """Paint a solid as a bone: a cortex, trabeculae within, and fatty marrow in the middle of a long one.

        A bone that would leave the coverage ``within`` ends there, cortex and all.
        """
        cut = solid.cut(canvas.plane)
        if cut is not None:
            distance = cut.distance_mm
            if within is not None:
                distance = distance + np.float32(_FAR_MM) * (1.0 - within[cut.where])
            self.paint_distance(canvas, distance, cut.where, cortex_mm, is_long=is_long)

    def paint_distance(
        self,
        canvas: Canvas,
        distance_mm: np.ndarray,
        where: tuple[slice, slice],
        cortex_mm: float,
        *,
        is_long: bool = False,
    ) -> None:
        """Paint a bone of any signed distance; see :meth:`paint`."""
        plane = canvas.plane
        thick_mm = np.float32(self.build.thin_mm(cortex_mm))
        cortex = CORTEX if cortex_mm > 1.4 else THIN_CORTEX
        canvas.paint(plane.cover(distance_mm), self._dense(cortex), where)
        within = plane.cover(distance_mm + thick_mm)
        canvas.paint(within, self._dense(SPONGIOSA), where)
        self._paint_trabeculae(canvas, within, where)
        if is_long:
            hollow = np.float32(2.2) * thick_mm + np.float32(1.0)
            canvas.paint(plane.cover((distance_mm + hollow) / np.float32(2.5)), FATTY_MARROW, where)

    def paint_epiphysis(self, canvas: Canvas, solid: Solid, cortex_mm: float) -> None:
        """Paint the end of a long bone: cartilage around a small core of bone in an infant."""
        if self.build.scale > 0.5:
            self.paint(canvas, solid, cortex_mm)
            return
        canvas.draw(solid, CARTILAGE)
        cut = solid.cut(canvas.plane)
        if cut is not None:
            radius_mm = min(solid.radii_mm) if isinstance(solid, Ellipsoid) else float(solid.start_radius_mm.max())
            self.paint_distance(canvas, cut.distance_mm + np.float32(0.5 * radius_mm), cut.where, cortex_mm)

    def _dense(self, bone: Tissue) -> Tissue:
        """Scale a bone's HU by the patient's density of bone."""
        return replace(bone, hu=40.0 + (bone.hu - 40.0) * self.build.bone)

    def _paint_trabeculae(self, canvas: Canvas, within: np.ndarray, where: tuple[slice, slice]) -> None:
        """Paint struts, the zero lines of a fine field, denser where a coarser field says so."""
        plane = canvas.plane
        if not within.any():
            return
        rows, columns = plane.row_mm[where[0]], plane.column_mm[where[1]]
        fine = smooth_field((self.seed, 20), plane.z_mm, rows, columns, 0.9)
        coarse = smooth_field((self.seed, 21), plane.z_mm, rows, columns, 5.0)
        struts = np.exp(-((fine / np.float32(0.35)) ** 2)) * np.clip(0.45 + 0.3 * coarse, 0.0, 1.0)
        canvas.paint(within * np.float32(0.26) * struts, self._dense(THIN_CORTEX), where)

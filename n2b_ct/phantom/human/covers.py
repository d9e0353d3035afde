"""What lies on a patient: clothing, blankets, cushions, straps, a head's holder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import (
    binary_erosion,
    binary_fill_holes,
    distance_transform_edt,
    gaussian_filter1d,
    minimum_filter1d,
    uniform_filter,
)

from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Tissue

SKIN_HU = -400.0


@dataclass(frozen=True, slots=True)
class Covers:
    """What one patient has on.

    Attributes:
        seed: Names the patient.
        cloth: Layers of clothing: (distance from the skin, thickness, HU), mm.
        blanket: Layers of a blanket over the patient: (clearance, thickness, HU), mm.
        holder_mm: Thickness of a shell of plastic under a head, 0 for none.
        cushion_hu: HU of the cushion within that shell; that of air for none.
    """

    seed: int
    cloth: tuple[tuple[float, float, float], ...]
    blanket: tuple[tuple[float, float, float], ...]
    holder_mm: float
    cushion_hu: float

    def paint(self, canvas: Canvas, back_mm: float) -> None:
        """Paint on the air around a body that has been painted and lies on ``back_mm``."""
        if self.cloth or self.blanket or self.cushion_hu > -1000.0:
            body = canvas.hu > SKIN_HU
            body[canvas.plane.row_mm > back_mm] = False
            if body.any():
                body |= _enclosed(body)
                self._paint_holder(canvas, body, back_mm)
                self._paint_cloth(canvas, body)
                self._paint_blanket(canvas, body)

    def _paint_cloth(self, canvas: Canvas, body: np.ndarray) -> None:
        """Paint cloth that follows the skin, with folds."""
        plane = canvas.plane
        if not self.cloth:
            return
        away = _distance_mm(body, plane.pixel_mm)
        folds = self._waves(canvas, 1, 16.0)
        for clearance, thickness, hu in self.cloth:
            middle = np.maximum(clearance + 0.5 * clearance * folds, 0.5) + 0.5 * thickness
            _lay(canvas, body, np.abs(away - middle) - 0.5 * thickness, self._weave(hu))

    def _paint_blanket(self, canvas: Canvas, body: np.ndarray) -> None:
        """Paint blankets that hang from the patient's highest points down to the sides."""
        plane = canvas.plane
        first = np.where(body.any(axis=0), body.argmax(axis=0), len(plane.row_mm) - 1)
        top = plane.row_mm[first]
        reach = max(3, round(60.0 / plane.pixel_mm))
        hung = gaussian_filter1d(minimum_filter1d(top, reach), 0.4 * reach)
        hung = np.minimum(hung, minimum_filter1d(top, max(3, round(6.0 / plane.pixel_mm))))
        hung = gaussian_filter1d(hung, 3.0 / plane.pixel_mm)
        folds = self._waves(canvas, 2, 22.0)
        for clearance, thickness, hu in self.blanket:
            height = hung[None] - clearance - 0.4 * clearance * folds - plane.row_mm[:, None]
            _lay(canvas, body, np.abs(height - 0.5 * thickness) - 0.5 * thickness, self._weave(hu))

    def _paint_holder(self, canvas: Canvas, body: np.ndarray, back_mm: float) -> None:
        """Paint a trough of plastic with a cushion under a head."""
        if self.cushion_hu <= -1000.0:
            return
        plane, radius, gap = canvas.plane, 116.0, 14.0
        bottom = back_mm - 1.0 - self.holder_mm
        x, y = plane.column_mm[None], plane.row_mm[:, None]
        ring = np.hypot(x, y - (bottom - radius)) - radius
        lower = (bottom - 105.0) - y
        cushion = np.maximum(np.maximum(ring, -(ring + gap + 4.0)), lower)
        _lay(canvas, body, cushion, Tissue(self.cushion_hu, 4.0, 4.0))
        if self.holder_mm <= 0.0:
            return
        shell = np.maximum(np.abs(ring - 0.5 * self.holder_mm) - 0.5 * self.holder_mm, lower)
        _lay(canvas, body, shell, Tissue(80.0))

    def _waves(self, canvas: Canvas, number: int, lattice_mm: float) -> np.ndarray:
        plane = canvas.plane
        return smooth_field((self.seed, 420 + number), plane.z_mm, plane.row_mm, plane.column_mm, lattice_mm)

    @staticmethod
    def _weave(hu: float) -> Tissue:
        """Give a cloth its HU, uneven as knitted air is."""
        return Tissue(hu, 0.08 * (hu + 1000.0), 0.12 * (hu + 1000.0))


def draw_covers(rng: np.random.Generator, seed: int, region: str) -> Covers:
    """Draw what a patient has on; a third has nothing that CT would show."""
    is_head = region == "head"
    n_cloth = int(rng.choice([0, 1, 2], p=[0.55, 0.3, 0.15])) if not is_head else 0
    n_blanket = int(rng.choice([0, 1, 3], p=[0.6, 0.25, 0.15]))
    cloth = tuple(
        (float(rng.uniform(0.5, 4.0)) + 3.0 * k, float(rng.uniform(0.4, 1.6)), float(rng.uniform(-920.0, -600.0)))
        for k in range(n_cloth)
    )
    blanket = tuple(
        (float(rng.uniform(1.0, 6.0)) + 6.0 * k, float(rng.uniform(0.5, 3.5)), float(rng.uniform(-960.0, -750.0)))
        for k in range(n_blanket)
    )
    holder = float(rng.uniform(1.5, 5.0)) if is_head and rng.random() < 0.75 else 0.0
    cushion = float(rng.uniform(-980.0, -900.0)) if is_head else -1000.0
    return Covers(seed, cloth, blanket, holder, cushion)


def _distance_mm(body: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Measure how far outside the body a pixel lies, smoothed over a pixel."""
    return np.asarray(uniform_filter(distance_transform_edt(~body) * pixel_mm, 3), np.float32)


def _enclosed(body: np.ndarray) -> np.ndarray:
    """Mark what a body encloses, lungs above all, on every other pixel for speed."""
    coarse = binary_erosion(binary_fill_holes(body[::2, ::2]))
    whole = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
    return np.asarray(whole[: body.shape[0], : body.shape[1]])


def _lay(canvas: Canvas, body: np.ndarray, distance_mm: np.ndarray, tissue: Tissue) -> None:
    """Paint only where there was air around the body."""
    air = np.clip((np.float32(-850.0) - canvas.hu) / np.float32(100.0), 0.0, 1.0)
    canvas.paint(canvas.plane.cover(np.asarray(distance_mm, np.float32)) * air * ~body, tissue)

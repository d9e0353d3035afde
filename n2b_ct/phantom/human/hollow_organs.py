"""Stomach and bowel: wall, folds, and what they hold: fluid, food, stool, gas, oral contrast agent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.tissues import GAS, GUT_WALL, VISCERAL_FAT, enhanced
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Cut, Tissue, Tubes

Point = tuple[float, float, float]
CONTENTS = ("fluid", "food", "stool", "gas", "oral", "collapsed")


@dataclass(frozen=True, slots=True)
class HollowOrgan:
    """A stretch of gut.

    Attributes:
        tube: Its outside.
        wall_mm: Thickness of the wall.
        folds_mm: How far folds rise from the wall.
        fold_mm: Distance of the folds.
        content: One of :data:`CONTENTS`.
        content_hu: HU of the content.
        gas_level: How high the gas stands: the part of the lumen's radius below its axis that gas reaches, -1 to 1.
        key: Names its fields.
    """

    tube: Tubes
    wall_mm: float
    folds_mm: float
    fold_mm: float
    content: str
    content_hu: float
    gas_level: float
    key: int

    def paint(self, canvas: Canvas, within: np.ndarray, enhancement: Enhancement, seed: int) -> None:
        """Paint wall, lumen, content and gas within a coverage."""
        cut = self.tube.cut(canvas.plane)
        if cut is None:
            return
        plane, inside = canvas.plane, within[cut.where]
        film_mm = np.clip(0.4 + 1.3 * self._field(canvas, cut, seed, 4, 12.0), 0.0, 3.0)
        canvas.paint(inside * plane.cover(cut.distance_mm - film_mm), VISCERAL_FAT, cut.where)
        wall = enhanced(GUT_WALL, enhancement.wall_hu)
        canvas.paint(inside * plane.cover(cut.distance_mm), wall, cut.where)
        lumen = inside * plane.cover(cut.distance_mm + self._wall_mm(canvas, cut, seed))
        canvas.paint(lumen, self._tissue(), cut.where)
        if self.content in ("food", "stool"):
            self._paint_lumps(canvas, cut, lumen, seed)
        if self.content != "collapsed":
            radius = float(np.median(self.tube.start_radius_mm))
            gas = plane.cover(cut.below_axis_mm - np.float32(self.gas_level * radius))
            canvas.paint(lumen * gas, GAS, cut.where)

    def _wall_mm(self, canvas: Canvas, cut: Cut, seed: int) -> np.ndarray:
        """Thicken the wall by its folds, ``[window rows, window cols]``."""
        fold = np.maximum(0.0, self._field(canvas, cut, seed, 0, self.fold_mm))
        return np.float32(self.wall_mm) + np.float32(self.folds_mm) * np.minimum(fold, 1.6)

    def _tissue(self) -> Tissue:
        """Return the content's material."""
        if self.content == "stool":
            return Tissue(self.content_hu, 32.0, 26.0)
        if self.content == "food":
            return Tissue(self.content_hu, 18.0, 14.0)
        return Tissue(self.content_hu, 3.0 + 0.03 * abs(self.content_hu), 2.0)

    def _paint_lumps(self, canvas: Canvas, cut: Cut, lumen: np.ndarray, seed: int) -> None:
        """Paint bubbles and crumbs into stool or food."""
        bubbles = self._field(canvas, cut, seed, 1, 2.4) + np.float32(0.8) * self._field(canvas, cut, seed, 2, 9.0)
        least = 1.15 if self.content == "stool" else 1.7
        canvas.paint(lumen * np.clip(np.float32(1.6) * (bubbles - np.float32(least)), 0.0, 1.0), GAS, cut.where)
        crumbs = self._field(canvas, cut, seed, 3, 4.5)
        canvas.paint(lumen * np.clip(crumbs - np.float32(1.1), 0.0, 0.8), Tissue(95.0, 20.0, 10.0), cut.where)

    def _field(self, canvas: Canvas, cut: Cut, seed: int, number: int, lattice_mm: float) -> np.ndarray:
        """Draw one of the organ's fields on its window."""
        rows, columns = canvas.plane.row_mm[cut.where[0]], canvas.plane.column_mm[cut.where[1]]
        return smooth_field((seed, 30, self.key, number), canvas.plane.z_mm, rows, columns, lattice_mm)


def draw_content(rng: np.random.Generator, oral_hu: float, chances: dict[str, float]) -> tuple[str, float]:
    """Draw what a stretch holds, and its HU."""
    if oral_hu > 0.0 and rng.random() < 0.6:
        return "oral", float(oral_hu * rng.uniform(0.5, 1.4))
    names = list(chances)
    content = str(rng.choice(names, p=[chances[name] for name in names]))
    ranges = {
        "fluid": (2.0, 28.0),
        "food": (5.0, 70.0),
        "stool": (-40.0, 70.0),
        "gas": (8.0, 30.0),
        "collapsed": (12.0, 45.0),
    }
    return content, float(rng.uniform(*ranges[content]))

"""Regions of a phantom: an insert's inside, its surroundings, the flat background, and squares for observers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from n2b_ct.config.quality_phantom import InsertSection, QualityPhantom
from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.disks import Disk, disk_hu, distance_mm
from n2b_ct.evaluation.quality_phantom.placement import Placement

CORE_OF_RADIUS = 0.75
RING_FROM_PX = 1.5
RING_OF_RADIUS = 1.6
LEAST_RING_PX = 4.0
RIM_MM = 8.0
LEAST_CORE_PX = 3
N_ANGLES = 360


@dataclass(frozen=True, slots=True)
class Square:
    """A square region, and where the insert's centre lies in it."""

    corner: tuple[int, int]
    size_px: int
    centre_px: tuple[float, float]

    def cut(self, images_hu: np.ndarray) -> np.ndarray:
        """The region of every image, ``[images, size_px, size_px]``."""
        row, col = self.corner
        return images_hu[:, row : row + self.size_px, col : col + self.size_px]


class Regions:
    """The regions of a phantom that lies at a place in images of one size."""

    def __init__(self, phantom: QualityPhantom, placement: Placement, shape: tuple[int, int]) -> None:
        self.phantom, self.placement, self.shape = phantom, placement, shape
        self.pixel_mm = placement.pixel_mm
        self._from_centre_mm = distance_mm(shape, placement.centre_px, self.pixel_mm)

    def outside_problem(self, insert: InsertSection) -> str:
        """A line where an insert with its surroundings is not in the image whole; else empty."""
        row, col = self.placement.insert_px(insert)
        reach = [self.ring_mm(insert)[1] / side for side in self.pixel_mm]
        if all(r >= 0.0 and c <= n - 1.0 for r, c, n in self._spans((row, col), reach)):
            return ""
        got = f"its centre at row {row:.0f}, column {col:.0f} of {self.shape[0]}x{self.shape[1]}"
        return explain(f"insert {insert.name}", "must lie in the image with its surroundings", got, "left out")

    def _spans(self, centre: tuple[float, float], reach: list[float]) -> list[tuple[float, float, int]]:
        return [(at - far, at + far, n) for at, far, n in zip(centre, reach, self.shape, strict=True)]

    def ring_mm(self, insert: InsertSection) -> tuple[float, float]:
        """From where to where its surroundings reach, from its centre."""
        pixel = max(self.pixel_mm)
        inner = insert.radius_mm + RING_FROM_PX * pixel
        return inner, max(RING_OF_RADIUS * insert.radius_mm, inner + LEAST_RING_PX * pixel)

    def core(self, insert: InsertSection) -> np.ndarray:
        """Its inside, away from its edge, bool ``[rows, cols]``.

        Raises:
            DataError: It is smaller than three pixels.
        """
        mask = self._away_mm(insert) <= CORE_OF_RADIUS * insert.radius_mm
        n = int(np.count_nonzero(mask))
        if n < LEAST_CORE_PX:
            need = f"needs {LEAST_CORE_PX} pixels inside it"
            raise DataError(explain(f"insert {insert.name}", need, n, "reconstruct a smaller field of view"))
        return np.asarray(mask)

    def ring(self, insert: InsertSection) -> np.ndarray:
        """Its surroundings: background, without other inserts and the phantom's rim."""
        inner, outer = self.ring_mm(insert)
        away = self._away_mm(insert)
        return np.asarray((away >= inner) & (away <= outer) & self.background)

    @cached_property
    def background(self) -> np.ndarray:
        """The phantom without inserts and rim, bool ``[rows, cols]``."""
        mask = self._from_centre_mm <= self.phantom.radius_mm - RIM_MM
        for insert in self.phantom.inserts:
            mask &= self._away_mm(insert) >= insert.radius_mm + RING_FROM_PX * max(self.pixel_mm)
        return np.asarray(mask)

    def zone(self, name: str) -> np.ndarray:
        """Background of the ``centre`` (inner third of the radius) or the ``rim`` (outer quarter)."""
        share = self._from_centre_mm / self.phantom.radius_mm
        return np.asarray(self.background & ((share <= 1.0 / 3.0) if name == "centre" else (share >= 0.75)))

    def square(self, insert: InsertSection) -> Square:
        """The observers' square around an insert; it reaches neither another insert nor the rim where it can."""
        row, col = self.placement.insert_px(insert)
        return self._square((row, col), self._half_px(insert))

    def empty_squares(self, insert: InsertSection) -> list[Square]:
        """Squares of background as far from the phantom's centre as the insert, which do not overlap."""
        row, col = self.placement.insert_px(insert)
        middle, half = self.placement.centre_px, self._half_px(insert)
        offset = np.array([(row - middle[0]) * self.pixel_mm[0], (col - middle[1]) * self.pixel_mm[1]])
        taken: list[np.ndarray] = []
        found: list[Square] = []
        for angle in np.arange(N_ANGLES) * (2.0 * math.pi / N_ANGLES):
            turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            place = turn @ offset
            centre = (middle[0] + place[0] / self.pixel_mm[0], middle[1] + place[1] / self.pixel_mm[1])
            square = self._square(centre, half)
            corner = np.array(square.corner)
            apart = all(np.abs(corner - one).max() >= square.size_px for one in taken)
            if apart and square.cut(self.background[None]).all():
                taken.append(corner)
                found.append(square)
        return found

    def template(self, insert: InsertSection, square: Square) -> np.ndarray:
        """The insert with its nominal contrast, sharp, without its mean, ``[size_px, size_px]``."""
        disk = Disk(square.centre_px, insert.radius_mm, self.phantom.contrast_hu(insert))
        signal = disk_hu((square.size_px, square.size_px), disk, self.pixel_mm)
        return np.asarray(signal - signal.mean())

    def _half_px(self, insert: InsertSection) -> int:
        """Half the side of its square: twice the largest insert's radius, less where corners would leave background."""
        wanted = 2.0 * max(one.radius_mm for one in self.phantom.inserts)
        gaps = [self.phantom.radius_mm - RIM_MM - insert.distance_mm]
        for other in self.phantom.inserts:
            if other is not insert:
                gaps.append(math.dist(insert.centre_mm, other.centre_mm) - other.radius_mm)
        room_px = math.floor(max(min(gaps) / math.sqrt(2.0), insert.radius_mm) / max(self.pixel_mm))
        return max(min(math.ceil(wanted / max(self.pixel_mm)), room_px), 2)

    def _square(self, centre_px: tuple[float, float], half_px: int) -> Square:
        nearest = [round(at) for at in centre_px]
        corner = tuple(
            min(max(at - half_px, 0), n - 2 * half_px - 1) for at, n in zip(nearest, self.shape, strict=True)
        )
        inside = tuple(at - begin for at, begin in zip(centre_px, corner, strict=True))
        return Square((corner[0], corner[1]), 2 * half_px + 1, (inside[0], inside[1]))

    def _away_mm(self, insert: InsertSection) -> np.ndarray:
        return distance_mm(self.shape, self.placement.insert_px(insert), self.pixel_mm)

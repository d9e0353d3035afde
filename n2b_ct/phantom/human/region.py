"""What every region of a digital patient can do.

Coordinates are those of the patient lying on its back (DICOM PS3.3 C.7.6.2.1.1: x towards the left, y towards the
back), z towards the feet, millimetres; where z begins is the region's affair.
"""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import numpy as np

from n2b_ct.phantom.shapes import Canvas, Plane


@runtime_checkable
class Region(Protocol):
    """A part of one patient, between two heights."""

    @property
    def seed(self) -> int:
        """Name of the patient: the first number of all its fields' keys."""
        ...

    @property
    def z_range_mm(self) -> tuple[float, float]:
        """First and last height that can be painted."""
        ...

    @property
    def back_mm(self) -> float:
        """Place (y) of the table's top, which the patient lies on."""
        ...

    @classmethod
    def draw(cls, seed: int, age_group: str) -> Self:
        """Draw one patient's region; equal seeds, equal patients."""
        ...

    def paint(self, canvas: Canvas) -> None:
        """Paint on a canvas of air and table whose plane is straight.

        A region may exchange ``canvas.plane`` for one that is scaled and warped, and leaves texture and grain
        amplitudes in the canvas: the fields themselves and the lesions are added later.
        """
        ...


def straight_plane(z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray) -> Plane:
    """Lay a grid that nothing bends."""
    shape = (len(row_mm), len(column_mm))
    x_mm = np.broadcast_to(column_mm.astype(np.float32)[None], shape)
    y_mm = np.broadcast_to(row_mm.astype(np.float32)[:, None], shape)
    return Plane(z_mm, row_mm, column_mm, x_mm, y_mm)

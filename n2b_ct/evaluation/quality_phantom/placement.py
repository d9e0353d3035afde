"""Where the inserts of a phantom lie in an image: its centre, how it is turned, and whether it is that phantom.

::

    C_r(x)   = mean in a disk of radius r around x − mean in a ring around that disk
    z(θ)     = Σ w_k c_k C_k(x_k(θ)) / √(Σ w_k c_k²),   w_k = 1/σ_k²

with c_k the nominal contrast of insert k, x_k(θ) its place on a phantom turned by θ and σ_k what C_k scatters by. z is
the matched filter of the whole pattern, in standard deviations: strong inserts and a sum of faint ones are found alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize, signal

from n2b_ct.config.quality_phantom import InsertSection, QualityPhantom
from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.disks import distance_mm
from n2b_ct.evaluation.quality_phantom.outline import Outline, find_outline

STRONG_HU = 60.0
"""From this largest contrast on, a single image must show the pattern."""
RING_OF_RADIUS = 1.6
LEAST_RING_PX = 2.5
ROTATION_STEP_DEGREES = 0.5
LEAST_Z = 5.0
LEAST_UNTURNED_Z = 3.0
"""Faint inserts at the places of an unturned phantom must stand out by this much less: no other place is tried."""
LEAST_REVERSED_Z, LEAST_LOG_ODDS = 1.9, 7.0
TURNED_Z = 3.0
"""A turned phantom of faint inserts must fit this much better than an unturned one."""
MIRROR_Z = 3.0
"""A mirrored phantom must fit this much better than an unmirrored one."""
LEAST_CORRELATION = 0.9
CENTRE_SD_MM = 0.7
"""How far the ring of inserts may lie off the outline's centre, as a prior: faint inserts say little about it."""
DIAMETER_TOLERANCE = 0.05
SCALE_TOLERANCE = 0.02
_FOREIGN = 10.0
_LEAST_SD_OF_CONTRAST = 0.01


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a phantom lies.

    Attributes:
        centre_px: (row, col) of its centre.
        rotation_degrees: Clockwise, as the image is shown.
        is_mirrored: Left and right are exchanged before the rotation.
        pixel_mm: (row spacing, column spacing), of the phantom's diameter where the file states none.
        z: How many standard deviations of noise the pattern stands out by; None where it was given.
        remarks: What a reader must know of it.
    """

    centre_px: tuple[float, float]
    rotation_degrees: float
    is_mirrored: bool
    pixel_mm: tuple[float, float]
    z: float | None = None
    remarks: tuple[str, ...] = ()

    def insert_px(self, insert: InsertSection) -> tuple[float, float]:
        """(row, col) of an insert's centre."""
        row, col = _places_px(self, [insert])
        return float(row[0]), float(col[0])


def place_phantom(
    phantom: QualityPhantom, body_hu: np.ndarray, pattern_hu: np.ndarray, pixel_mm: tuple[float, float], states_mm: bool
) -> Placement:
    """Find a phantom and its inserts.

    Args:
        phantom: What to find.
        body_hu: Mean of all images, ``[rows, cols]``.
        pattern_hu: Where the inserts are looked for: the same, or the mean with inserts minus the mean without.
        pixel_mm: (row spacing, column spacing).
        states_mm: The pixel size is known; else it is taken from the phantom's diameter where it disagrees.

    Raises:
        DataError: There is no phantom, or it is another one.
    """
    if phantom.placement is not None:
        given = phantom.placement
        return Placement(given.centre_px, given.rotation_degrees, given.is_mirrored, pixel_mm)
    outline = find_outline(body_hu, pixel_mm, phantom.background_hu)
    start = _scaled(phantom, outline, pixel_mm, states_mm)
    field = _Field(phantom, pattern_hu, start)
    placed = field.best()
    if phantom.largest_contrast_hu >= STRONG_HU:
        _require_pattern(phantom, field.at(placed))
        return placed
    _require_faint(phantom, field, start)
    z = field.unturned_z()
    if (placed.z or 0.0) >= max(LEAST_Z, z + TURNED_Z):
        return placed
    remarks = start.remarks
    if z < LEAST_UNTURNED_Z:
        remarks += (
            f"the inserts are too faint to be found (their pattern stands out by {z:.1f} standard deviations, "
            f"{LEAST_UNTURNED_Z:g} are needed): the phantom is taken for unturned",
        )
    return Placement(start.centre_px, 0.0, False, start.pixel_mm, z, remarks)


def is_reversed(phantom: QualityPhantom, pattern_hu: np.ndarray, placement: Placement) -> bool:
    """Whether the pattern stands out with its sign changed: present and absent are swapped.

    Where the nominal pattern would stand out by Z, z is normal around Z or, swapped, around −Z: log odds of 2·Z·z.
    """
    start = Placement(placement.centre_px, 0.0, False, placement.pixel_mm)
    field, turned = _Field(phantom, pattern_hu, start), _Field(phantom, -pattern_hu, start)
    z = field.unturned_z()
    if z <= -LEAST_REVERSED_Z and -2.0 * z * field.nominal_z >= LEAST_LOG_ODDS:
        return True
    return (turned.best().z or 0.0) >= max(LEAST_Z, (field.best().z or 0.0) + TURNED_Z)


class _Field:
    """The contrast that a disk would have anywhere in the image, for each insert of a phantom."""

    def __init__(self, phantom: QualityPhantom, pattern_hu: np.ndarray, start: Placement) -> None:
        self.inserts, self.start = phantom.inserts, start
        self.nominal = np.array([phantom.contrast_hu(insert) for insert in self.inserts])
        radii = {insert.radius_mm for insert in self.inserts}
        self.maps = {radius: contrast_map(pattern_hu, radius, start.pixel_mm) for radius in radii}
        self.splines = {radius: ndimage.spline_filter(own) for radius, own in self.maps.items()}
        self.degrees = np.arange(-180.0, 180.0, ROTATION_STEP_DEGREES)
        self.angles = np.deg2rad(self.degrees)
        least = _LEAST_SD_OF_CONTRAST * phantom.largest_contrast_hu
        self.sd = np.array([max(least, _spread(self._ring(k))) for k in range(len(self.inserts))])

    def at(self, placement: Placement) -> np.ndarray:
        """Contrast of every insert of a phantom that lies there, ``[inserts]``."""
        row, col = _places_px(placement, self.inserts)
        return np.array(
            [
                ndimage.map_coordinates(self.splines[one.radius_mm], [[r], [c]], prefilter=False, mode="nearest")[0]
                for one, r, c in zip(self.inserts, row, col, strict=True)
            ]
        )

    def z(self, contrasts: np.ndarray) -> np.ndarray:
        """Matched filter of contrasts ``[inserts, …]``."""
        weights = self.nominal / self.sd**2
        return np.asarray(np.tensordot(weights, contrasts, 1) / math.sqrt(float(weights @ self.nominal)))

    def best(self) -> Placement:
        """The rotation that stands out most, refined with the centre."""
        plain, mirrored = self._turned(False), self._turned(True)
        turned = mirrored if (mirrored.z or 0.0) > (plain.z or 0.0) + MIRROR_Z else plain
        return self._refined(turned)

    @property
    def nominal_z(self) -> float:
        """How much a phantom with its nominal contrasts would stand out."""
        return math.sqrt(float(np.sum((self.nominal / self.sd) ** 2)))

    def unturned_z(self) -> float:
        """How much the pattern of the unturned phantom stands out."""
        return float(self.z(self.at(Placement(self.start.centre_px, 0.0, False, self.start.pixel_mm))))

    def _ring(self, k: int, is_mirrored: bool = False) -> np.ndarray:
        """Contrast of one insert by rotation, ``[rotations]``."""
        one = self.inserts[k]
        right, down = one.centre_mm
        right = -right if is_mirrored else right
        col_mm = right * np.cos(self.angles) - down * np.sin(self.angles)
        row_mm = right * np.sin(self.angles) + down * np.cos(self.angles)
        (row, col), (high, wide) = self.start.centre_px, self.start.pixel_mm
        places = [row + row_mm / high, col + col_mm / wide]
        return np.asarray(ndimage.map_coordinates(self.maps[one.radius_mm], places, order=1, mode="nearest"))

    def _turned(self, is_mirrored: bool) -> Placement:
        z = self.z(np.stack([self._ring(k, is_mirrored) for k in range(len(self.inserts))]))
        k = int(np.argmax(z))
        start = self.start
        return Placement(
            start.centre_px, float(self.degrees[k]), is_mirrored, start.pixel_mm, float(z[k]), start.remarks
        )

    def _refined(self, placement: Placement) -> Placement:
        """Follow z to its top in rotation and centre; how far the centre may go is a prior."""
        pixel_mm = placement.pixel_mm

        def moved(p: np.ndarray) -> Placement:
            centre = (placement.centre_px[0] + p[1] / pixel_mm[0], placement.centre_px[1] + p[2] / pixel_mm[1])
            turned = placement.rotation_degrees + p[0]
            return Placement(centre, turned, placement.is_mirrored, pixel_mm, remarks=placement.remarks)

        def cost(p: np.ndarray) -> float:
            z = float(self.z(self.at(moved(p))))
            return -0.5 * z * abs(z) + float(p[1] ** 2 + p[2] ** 2) / (2.0 * CENTRE_SD_MM**2)

        steps = np.array([[0, 0, 0], [1, 0, 0], [0, 0.5, 0], [0, 0, 0.5]], dtype=np.float64)
        options = {"initial_simplex": steps, "xatol": 0.01, "fatol": 1e-3, "maxiter": 400}
        top = moved(optimize.minimize(cost, steps[0], method="Nelder-Mead", options=options).x)
        degrees = (top.rotation_degrees + 180.0) % 360.0 - 180.0
        return Placement(
            top.centre_px, degrees, top.is_mirrored, pixel_mm, float(self.z(self.at(top))), placement.remarks
        )


def contrast_map(image_hu: np.ndarray, radius_mm: float, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Mean in a disk around every pixel minus the mean in a ring around that disk, ``[rows, cols]``."""
    ring_mm = max(RING_OF_RADIUS * radius_mm, radius_mm + LEAST_RING_PX * max(pixel_mm))
    half = [math.ceil(ring_mm / side) + 1 for side in pixel_mm]
    away_mm = distance_mm((2 * half[0] + 1, 2 * half[1] + 1), (half[0], half[1]), pixel_mm)
    soft = 0.5 * max(pixel_mm)
    disk = np.clip((radius_mm - away_mm) / (2.0 * soft) + 0.5, 0.0, 1.0)
    outer = np.clip((ring_mm - away_mm) / (2.0 * soft) + 0.5, 0.0, 1.0) - disk
    kernel = disk / disk.sum() - outer / outer.sum()
    return np.asarray(signal.fftconvolve(image_hu - np.median(image_hu), kernel, mode="same"))


def _places_px(placement: Placement, inserts: Sequence[InsertSection]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the inserts' centres."""
    right, down = np.array([insert.centre_mm for insert in inserts], dtype=np.float64).T
    right = -right if placement.is_mirrored else right
    angle = math.radians(placement.rotation_degrees)
    col_mm = right * math.cos(angle) - down * math.sin(angle)
    row_mm = right * math.sin(angle) + down * math.cos(angle)
    pixel_mm = placement.pixel_mm
    return placement.centre_px[0] + row_mm / pixel_mm[0], placement.centre_px[1] + col_mm / pixel_mm[1]


def _scaled(phantom: QualityPhantom, outline: Outline, pixel_mm: tuple[float, float], states_mm: bool) -> Placement:
    """The outline's centre, with pixels of a size that fits the phantom."""
    scale = phantom.radius_mm / outline.radius_mm
    if not states_mm and abs(scale - 1.0) > SCALE_TOLERANCE:
        sides = (pixel_mm[0] * scale, pixel_mm[1] * scale)
        remark = (
            f"the file states no pixel size: {sides[0]:.3f} mm, by which the phantom is {phantom.diameter_mm:g} mm wide"
        )
        return Placement(outline.centre_px, 0.0, False, sides, remarks=(remark,))
    if abs(scale - 1.0) > DIAMETER_TOLERANCE:
        need = f"{phantom.name} is {phantom.diameter_mm:g} mm wide"
        raise DataError(explain("phantom", need, f"{2 * outline.radius_mm:.0f} mm", "give the file of this phantom"))
    return Placement(outline.centre_px, 0.0, False, pixel_mm)


def _require_pattern(phantom: QualityPhantom, contrasts: np.ndarray) -> None:
    """Strong inserts must be there, with about their contrasts."""
    nominal = np.array([phantom.contrast_hu(insert) for insert in phantom.inserts])
    norms = math.sqrt(float(nominal @ nominal) * float(contrasts @ contrasts))
    correlation = float(nominal @ contrasts) / norms if norms > 0.0 else 0.0
    if correlation < LEAST_CORRELATION:
        need = f"must show the inserts of {phantom.name}"
        got = f"contrasts that agree with theirs by {correlation:.2f} of 1"
        raise DataError(explain("phantom", need, got, "give the file of this phantom, or placement in it"))


def _require_faint(phantom: QualityPhantom, field: _Field, start: Placement) -> None:
    """Faint inserts, but something strong inside: another phantom."""
    limit_hu = max(_FOREIGN * phantom.largest_contrast_hu, STRONG_HU)
    for radius_mm, contrasts in field.maps.items():
        away_mm = distance_mm(contrasts.shape, start.centre_px, start.pixel_mm)
        own = contrasts[away_mm <= phantom.radius_mm - 2.0 * RING_OF_RADIUS * radius_mm]
        strongest = float(np.abs(own - np.median(own)).max()) if own.size else 0.0
        if strongest > limit_hu + _FOREIGN * _spread(own):
            need = f"{phantom.name} holds at most {phantom.largest_contrast_hu:g} HU of contrast"
            got = f"{strongest:.0f} HU"
            raise DataError(explain("phantom", need, got, "give the file of this phantom"))


def _spread(values: np.ndarray) -> float:
    """Standard deviation, from the median of the deviations."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if values.size else 0.0

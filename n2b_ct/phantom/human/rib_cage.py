"""Ribs with their cartilages, breastbone, collar bones, shoulder blades and the bones of the arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.body import Profile
from n2b_ct.phantom.human.bones import BonePainter
from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.frame import CAVITY, SPINE
from n2b_ct.phantom.human.spine import DISC_STARTS_MM
from n2b_ct.phantom.human.tissues import CALCIFICATION, CARTILAGE
from n2b_ct.phantom.human.wall import Body, arm_path
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Tubes

_FIRST_THORACIC = 3
"""Number of the first thoracic vertebra among the discs' starts."""

# z, then x, y, radius of three points of the shoulder blade's section
_BLADE = Profile(
    [
        (-26.0, 140.0, 24.0, 2.0, 128.0, 44.0, 1.5, 112.0, 62.0, 1.0),
        (-12.0, 142.0, 24.0, 9.0, 125.0, 48.0, 4.0, 105.0, 66.0, 2.0),
        (20.0, 143.0, 26.0, 9.0, 118.0, 62.0, 2.2, 88.0, 84.0, 3.0),
        (60.0, 134.0, 50.0, 5.5, 112.0, 73.0, 1.8, 84.0, 88.0, 3.0),
        (100.0, 120.0, 72.0, 5.0, 105.0, 82.0, 1.8, 86.0, 89.0, 3.0),
        (130.0, 108.0, 84.0, 2.5, 102.0, 86.0, 2.0, 98.0, 88.0, 2.0),
    ]
)


@dataclass(frozen=True)
class RibCage:
    """One patient's bones of chest, shoulders and arms.

    Attributes:
        ribs: Bony parts, both sides.
        cartilages: Of the upper ten ribs.
        sternum: The breastbone.
        girdle: Collar bones and ridges of the shoulder blades.
        arms: Long bones.
    """

    ribs: tuple[Tubes, ...]
    cartilages: tuple[Tubes, ...]
    sternum: Tubes
    girdle: tuple[Tubes, ...]
    arms: tuple[Tubes, ...]


def draw_rib_cage(rng: np.random.Generator, build: Build) -> RibCage:
    """Bend the ribs around the chest, each slanting towards the feet."""
    slant_mm = float(rng.uniform(60.0, 105.0)) * (0.6 if build.scale < 0.5 else 1.0)
    ribs, cartilages = [], []
    for number in range(12):
        for side in (-1.0, 1.0):
            bone, cartilage = _rib(number, side, slant_mm)
            ribs.append(bone)
            if cartilage is not None:
                cartilages.append(cartilage)
    girdle = [part for side in (-1.0, 1.0) for part in _girdle(side)]
    arms = [part for side in (-1.0, 1.0) for part in _arm_bones(build, side)]
    return RibCage(tuple(ribs), tuple(cartilages), _sternum(), tuple(girdle), tuple(arms))


def paint_rib_cage(canvas: Canvas, body: Body, cage: RibCage, build: Build, bones: BonePainter, seed: int) -> None:
    """Paint every bone of the cage that the slice cuts."""
    for cartilage in cage.cartilages:
        canvas.draw(cartilage, CARTILAGE)
        _calcify(canvas, cartilage, build, seed)
    for rib in cage.ribs:
        bones.paint(canvas, rib, 1.1)
    _paint_blades(canvas, body, bones)
    for bone in (cage.sternum, *cage.girdle):
        bones.paint(canvas, bone, 1.0, within=body.muscle)
    for bone in cage.arms:
        bones.paint(canvas, bone, 3.2, is_long=True)


def _calcify(canvas: Canvas, cartilage: Tubes, build: Build, seed: int) -> None:
    """Paint the calcified rims and flecks of an old patient's cartilages."""
    cut = cartilage.cut(canvas.plane) if build.calcification > 0.05 else None
    if cut is None:
        return
    plane = canvas.plane
    flecks = smooth_field((seed, 22), plane.z_mm, plane.row_mm[cut.where[0]], plane.column_mm[cut.where[1]], 4.0)
    rim = plane.cover(np.abs(cut.distance_mm + np.float32(1.2)) - np.float32(0.7))
    share = np.clip(flecks - np.float32(1.6 - 2.0 * build.calcification), 0.0, 1.0)
    canvas.paint(rim * share, CALCIFICATION, cut.where)


def _rib(number: int, side: float, slant_mm: float) -> tuple[Tubes, Tubes | None]:
    """Bend one rib from its vertebra around the chest towards the breastbone."""
    start_mm = float(DISC_STARTS_MM[_FIRST_THORACIC + number])
    end = 0.93 if number < 7 else 0.86 - 0.03 * (number - 7)
    turn = np.linspace(0.07, min(end, 0.5 if number > 10 else end), 36)
    fall = slant_mm * (0.45 + 0.55 * min(number, 5) / 5.0)
    z = start_mm + fall * np.sin(np.clip(turn * 1.15, 0.0, 1.0) * np.pi / 2) * turn**0.5
    half_width, half_depth, centre_y = CAVITY.along(z)
    angle = np.pi * turn
    x = side * (half_width + 6.5) * np.abs(np.sin(angle)) ** 0.9
    y = centre_y + (half_depth + 6.5) * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.9
    spine_y = float(SPINE.at(start_mm)[0])
    near = np.clip(1.0 - (turn - 0.07) / 0.12, 0.0, 1.0)
    x = x * (1.0 - near) + side * 19.0 * near
    y = y * (1.0 - near) + (spine_y + 10.0) * near
    points, radii = np.stack([x, y, z], axis=1), np.linspace(5.2, 4.6, len(turn))
    if number > 9:
        return Tubes.along(points, radii), None
    bony = 27
    return Tubes.along(points[: bony + 1], radii[: bony + 1]), Tubes.along(points[bony:], radii[bony:] + 0.6)


def _sternum() -> Tubes:
    """Lay the breastbone along the front of the chest, of strands side by side."""
    heights = np.arange(20.0, 178.0, 8.0)
    fronts = [float(c - d - 7.0) for _, d, c in (CAVITY.at(float(z)) for z in heights)]
    strands = [
        Tubes.along([(shift * (1.5 if z < 50.0 else 1.0), y, z) for y, z in zip(fronts, heights, strict=True)], 6.4)
        for shift in (-9.0, -4.5, 0.0, 4.5, 9.0)
    ]
    return _joined(strands)


def _girdle(side: float) -> list[Tubes]:
    """Lay collar bone and the ridge of the shoulder blade."""
    collar = _mirrored(side, (14, -58, 16), (60, -50, -2), (110, -18, -22), (150, 2, -30))
    ridge = _mirrored(side, (86, 82, 22), (122, 66, -4), (158, 28, -32))
    return [Tubes.along(collar, (7.0, 5.5, 5.0, 6.0)), Tubes.along(ridge, (3.0, 4.0, 6.0))]


def _paint_blades(canvas: Canvas, body: Body, bones: BonePainter) -> None:
    """Paint the shoulder blades' section: a thick outer edge with the socket above, a thin blade, an inner edge."""
    z_mm = canvas.plane.z_mm
    if not _BLADE.z_range[0] < z_mm < _BLADE.z_range[1]:
        return
    section = _BLADE.at(z_mm).reshape(3, 3)
    for side in (-1.0, 1.0):
        points = [(side * float(x), float(y), z_mm) for x, y, _ in section]
        bones.paint(canvas, Tubes.along(points, section[:, 2]), 1.0, within=body.muscle)


def _mirrored(side: float, *points: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """Lay a path of the left side on either side."""
    return [(side * x, y, z) for x, y, z in points]


def _arm_bones(build: Build, side: float) -> list[Tubes]:
    """Lay the long bones into the muscles of the arm; those of the forearm side by side."""
    paths = arm_path(build, side)[1:]
    (first, _), rest = paths[0], paths[1:]
    humerus = [(side * 164.0, 8.0, -10.0), *first[1:]]
    bones = [Tubes.along(humerus, (23.0, *([11.5] * (len(humerus) - 2)), 12.5))]
    for path, _ in rest:
        for shift in (-11.0, 11.0):
            bones.append(Tubes.along([(x + shift, y, z) for x, y, z in path], 6.5))
    return bones


def _joined(parts: list[Tubes]) -> Tubes:
    """Join strands to one solid."""
    return Tubes(
        np.concatenate([p.start_mm for p in parts]),
        np.concatenate([p.end_mm for p in parts]),
        np.concatenate([p.start_radius_mm for p in parts]),
        np.concatenate([p.end_radius_mm for p in parts]),
    )

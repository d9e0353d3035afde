"""The spine from neck to coccyx: bodies with end plates, discs, arches with processes, canal and cord."""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.human.bones import BonePainter
from n2b_ct.phantom.human.frame import SPINE
from n2b_ct.phantom.human.tissues import CORD, DISC, EPIDURAL_FAT, NUCLEUS, SPINAL_FLUID
from n2b_ct.phantom.human.wall import Body
from n2b_ct.phantom.shapes import Canvas, Tubes, ellipse_distance, smooth_union

DISC_STARTS_MM = tuple(
    np.concatenate([np.arange(-69.0, -30.0, 17.0), np.linspace(-18.0, 250.0, 13), 250.0 + 38.0 * np.arange(1, 6)])
)
"""Where the disc above each vertebra begins, neck to sacrum."""
CORD_END_MM = 290.0
SACRUM_START_MM = 440.0


def paint_spine(canvas: Canvas, body: Body, bones: BonePainter) -> None:
    """Paint what the slice cuts of the spine."""
    plane = canvas.plane
    if not SPINE.z_range[0] <= plane.z_mm <= SPINE.z_range[1]:
        return
    centre_y, half_width, half_depth = (float(v) for v in SPINE.at(plane.z_mm))
    where = plane.window((-4.0 * half_width, 4.0 * half_width), (centre_y - 30.0, centre_y + 75.0))
    x, y = plane.x_mm[where], plane.y_mm[where] - np.float32(centre_y)
    height_mm, length_mm = _place(plane.z_mm)
    share = height_mm / length_mm
    waist = 1.05 - 0.1 * float(np.clip(4.0 * abs(share) - 0.5, 0.0, 1.0))
    block = ellipse_distance(x, y, half_width * waist, half_depth * waist)
    canal = ellipse_distance(x, y - np.float32(half_depth + 8.5), 11.0, 7.5)
    block = np.maximum(block, -(canal + np.float32(1.0)))
    _paint_arch(canvas, body, bones, (centre_y, half_width, half_depth, (share + 0.1) % 1.0))
    canvas.paint(plane.cover(block), DISC, where)
    canvas.paint(plane.cover((block + np.float32(6.0)) / np.float32(3.0)), NUCLEUS, where)
    disc_mm = (0.2 * length_mm + 0.5) * float(np.clip((SACRUM_START_MM - plane.z_mm) / 4.0, 0.0, 1.0))
    bulge = np.clip(1.35 - 0.6 * ((x / half_width) ** 2 + (y / half_depth) ** 2), 0.4, 1.35)
    between = np.abs(np.float32(height_mm) + np.float32(_slope(plane.z_mm)) * y) - np.float32(0.5 * disc_mm) * bulge
    bones.paint_distance(canvas, np.maximum(block, -between).astype(np.float32), where, 1.0)
    if plane.z_mm < 520.0:
        _paint_canal(canvas, canal, where)


def _place(z_mm: float) -> tuple[float, float]:
    """Find how far below the middle of the nearest disc a height lies, and the length of a vertebra with its disc."""
    starts = np.asarray(DISC_STARTS_MM)
    k = int(np.clip(np.searchsorted(starts, z_mm) - 1, 0, len(starts) - 2))
    length = float(starts[k + 1] - starts[k])
    below = float(np.clip((z_mm - starts[k]) / length, 0.0, 1.0)) * length - 0.1 * length
    return below if below <= 0.5 * length else below - length, length


def _slope(z_mm: float) -> float:
    """Return how far the spine leans backwards per millimetre; discs stand across it."""
    return float(SPINE.at(z_mm + 4.0)[0] - SPINE.at(z_mm - 4.0)[0]) / 8.0


def _paint_canal(canvas: Canvas, canal: np.ndarray, where: tuple[slice, slice]) -> None:
    """Paint fat, the sac with its fluid, and the cord, below whose end roots float in the fluid."""
    plane = canvas.plane
    canvas.paint(plane.cover(canal), EPIDURAL_FAT, where)
    canvas.paint(plane.cover(canal + np.float32(2.0)), SPINAL_FLUID, where)
    if plane.z_mm < CORD_END_MM:
        canvas.paint(plane.cover(canal + np.float32(4.0)), CORD, where)
    else:
        canvas.paint(np.float32(0.6) * plane.cover(canal + np.float32(3.6)), CORD, where)


def _paint_arch(canvas: Canvas, body: Body, bones: BonePainter, place: tuple[float, float, float, float]) -> None:
    """Paint pedicles, laminae, joints, spinous and transverse processes, each at its share of the vertebra."""
    centre_y, half_width, half_depth, phase = place
    z, plane = canvas.plane.z_mm, canvas.plane
    back = centre_y + half_depth
    pedicle = max(0.0, 1.0 - ((phase - 0.42) / 0.26) ** 2)
    away = min(abs(phase - 0.75), 1.0 - abs(phase - 0.75))
    reach = max(0.0, 1.0 - (away / 0.4) ** 2)
    paths: list[tuple[list[tuple[float, float, float]], float]] = []
    for side in (-1.0, 1.0):
        paths.append(([(side * 13.0, back + 6.0, z), (side * 11.0, back + 16.0, z), (0.0, back + 21.0, z)], 2.6))
        if pedicle > 0.05:
            paths.append(([(side * 0.62 * half_width, back - 5.0, z), (side * 13.5, back + 9.0, z)], 4.2 * pedicle))
            tip = (side * (half_width + 16.0 * pedicle + 4.0), back + 10.0, z)
            paths.append(([(side * 14.0, back + 9.0, z), tip], 3.6 * pedicle))
        paths.append(([(side * 16.5, back + 11.0, z), (side * 18.0, back + 17.0, z)], 4.6 + 1.8 * reach))
    if reach > 0.05:
        paths.append(([(0.0, back + 22.0, z), (0.0, back + 24.0 + 16.0 * reach, z)], 2.4 + 1.4 * reach))
    cuts = [(cut, path) for path in paths if (cut := Tubes.along(*path).cut(plane)) is not None]
    rows, columns = ([cut.where[axis] for cut, _ in cuts] for axis in (0, 1))
    whole = (
        slice(min(r.start for r in rows), max(r.stop for r in rows)),
        slice(min(c.start for c in columns), max(c.stop for c in columns)),
    )
    joined = np.full((whole[0].stop - whole[0].start, whole[1].stop - whole[1].start), np.float32(1e3))
    for cut, _ in cuts:
        local = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(cut.where, whole, strict=True))
        joined[local] = smooth_union([joined[local], cut.distance_mm], 3.0)
    if plane.z_mm < SACRUM_START_MM + 60.0:
        joined = joined + np.float32(30.0) * (1.0 - body.muscle[whole])
        bones.paint_distance(canvas, joined, whole, 1.1)

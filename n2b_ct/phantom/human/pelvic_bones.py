"""Bones of the pelvis and of the hips: wings, sockets, sacrum, pubis, ischium, femora."""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.body import Profile
from n2b_ct.phantom.human.bones import BonePainter
from n2b_ct.phantom.human.frame import SPINE
from n2b_ct.phantom.human.tissues import CARTILAGE, EPIDURAL_FAT
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Tubes

# z, then x, y, radius of four points of the hip bone's section
_HIP_BONE = Profile(
    [
        (390.0, 78.0, 44.0, 2.0, 92.0, 30.0, 2.0, 104.0, 16.0, 2.0, 112.0, 4.0, 2.0),
        (400.0, 64.0, 58.0, 5.0, 88.0, 38.0, 3.5, 110.0, 12.0, 4.0, 120.0, -6.0, 5.0),
        (425.0, 48.0, 70.0, 8.0, 78.0, 44.0, 4.0, 108.0, 8.0, 4.0, 128.0, -24.0, 6.0),
        (455.0, 44.0, 74.0, 10.0, 76.0, 44.0, 4.5, 102.0, 6.0, 4.0, 128.0, -40.0, 6.5),
        (480.0, 52.0, 72.0, 10.0, 76.0, 42.0, 6.0, 94.0, 6.0, 6.0, 116.0, -42.0, 7.5),
        (500.0, 66.0, 58.0, 9.0, 80.0, 34.0, 9.0, 90.0, 2.0, 13.0, 104.0, -36.0, 8.0),
        (512.0, 74.0, 48.0, 8.0, 84.0, 28.0, 11.0, 88.0, -2.0, 13.0, 92.0, -28.0, 8.0),
        (524.0, 84.0, 38.0, 9.0, 72.0, 20.0, 5.0, 66.0, -4.0, 4.0, 78.0, -30.0, 9.0),
        (545.0, 82.0, 36.0, 10.0, 68.0, 22.0, 5.0, 60.0, -4.0, 5.0, 62.0, -34.0, 9.0),
        (552.0, 78.0, 36.0, 11.0, 70.0, 28.0, 6.0, 66.0, 20.0, 3.0, 62.0, 14.0, 1.5),
        (575.0, 66.0, 38.0, 14.0, 62.0, 34.0, 11.0, 58.0, 30.0, 8.0, 52.0, 22.0, 4.0),
        (600.0, 60.0, 42.0, 13.0, 56.0, 38.0, 11.0, 50.0, 32.0, 8.0, 42.0, 22.0, 5.0),
        (615.0, 56.0, 42.0, 4.0, 54.0, 40.0, 3.0, 50.0, 36.0, 2.0, 46.0, 32.0, 1.0),
    ]
)
HIP_JOINT = (91.0, 2.0, 532.0)
HEAD_RADIUS_MM = 23.5


def paint_pelvic_bones(canvas: Canvas, bones: BonePainter) -> None:
    """Paint what the slice cuts of pelvis and femora."""
    z_mm = canvas.plane.z_mm
    if z_mm < _HIP_BONE.z_range[0] - 20.0:
        return
    _paint_sacrum(canvas, bones)
    for side in (-1.0, 1.0):
        if _HIP_BONE.z_range[0] < z_mm < _HIP_BONE.z_range[1]:
            section = _HIP_BONE.at(z_mm).reshape(4, 3)
            points = [(side * float(x), float(y), z_mm) for x, y, _ in section]
            bones.paint(canvas, Tubes.along(points, section[:, 2]), 1.5)
        for points, radii in _pubis(side):
            bones.paint(canvas, Tubes.along(points, radii), 1.3)
        _paint_hip(canvas, bones, side)
    canvas.draw(Ellipsoid((0.0, -43.0, 562.0), (3.5, 9.0, 20.0)), CARTILAGE)


def _pubis(side: float) -> list[tuple[list[tuple[float, float, float]], tuple[float, ...]]]:
    """Return the branches of the pubis, which meet in the symphysis."""
    upper = [(side * 66.0, -26.0, 536.0), (side * 38.0, -42.0, 548.0), (side * 11.0, -44.0, 558.0)]
    lower = [(side * 9.0, -42.0, 560.0), (side * 16.0, -34.0, 578.0), (side * 44.0, 18.0, 604.0)]
    return [(upper, (9.0, 8.0, 9.5)), (lower, (8.0, 6.0, 7.0))]


def _paint_hip(canvas: Canvas, bones: BonePainter, side: float) -> None:
    """Paint the joint's gap and the upper femur."""
    x, y, z = HIP_JOINT
    head = Ellipsoid((side * x, y, z), (HEAD_RADIUS_MM,) * 3)
    canvas.draw(head, CARTILAGE, grow_mm=2.2)
    neck = Tubes.along([(side * x, y, z), (side * 112.0, 8.0, 548.0), (side * 128.0, 16.0, 566.0)], (17.0, 15.0, 18.0))
    shaft = Tubes.along(
        [(side * 128.0, 16.0, 562.0), (side * 124.0, 8.0, 600.0), (side * 118.0, 0.0, 720.0)], (18, 15, 14)
    )
    trochanter = Tubes.along([(side * 136.0, 22.0, 542.0), (side * 132.0, 18.0, 570.0)], (9.0, 14.0))
    bones.paint(canvas, shaft, 4.0, is_long=True)
    bones.paint_epiphysis(canvas, trochanter, 1.4)
    bones.paint(canvas, neck, 1.6)
    bones.paint_epiphysis(canvas, head, 1.2)


def _paint_sacrum(canvas: Canvas, bones: BonePainter) -> None:
    """Paint the wings of the sacrum, with the holes that the nerves leave by, and the sacroiliac gap."""
    z_mm = canvas.plane.z_mm
    share = float(np.clip((z_mm - 428.0) / 16.0, 0.0, 1.0) * np.clip((545.0 - z_mm) / 80.0, 0.0, 1.0))
    if share <= 0.02:
        return
    y, half_width, half_depth = (float(v) for v in SPINE.at(z_mm))
    reach, thick = 42.0 * share**0.6, max(3.0, 0.95 * half_depth) * min(1.0, 0.4 + share)
    wings = Tubes.along(
        [(-reach, y + 9.0, z_mm), (0.0, y, z_mm), (reach, y + 9.0, z_mm)], (0.9 * thick, thick, 0.9 * thick)
    )
    bones.paint(canvas, wings, 1.0)
    open_mm = 4.5 * float(np.sin(2.0 * np.pi * z_mm / 26.0)) - 0.6
    if open_mm > 0.0 and z_mm < 530.0:
        for side in (-1.0, 1.0):
            hole = Tubes.along(
                [(side * 0.9 * half_width, y - 14.0, z_mm), (side * 0.8 * half_width, y + 4.0, z_mm)], open_mm
            )
            canvas.draw(hole, EPIDURAL_FAT)

"""Bones: spine, ribs, skull, shoulder, pelvis and legs, each a dense shell around marrow.

Coordinates as in :mod:`n2b_ct.phantom.body`; the spine runs along x = 0 behind the body cavity.
"""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.body import CAVITY, FORELEG, HINDLEG, Body, Profile, mirrored
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Plane, Tissue, Tubes, ellipse_distance

CORTEX = Tissue(960.0, 60.0, 40.0)
THIN_CORTEX = Tissue(640.0, 50.0, 50.0)
SPONGIOSA = Tissue(260.0, 50.0, 85.0)
MARROW = Tissue(-20.0, 15.0, 10.0)
DISC = Tissue(95.0, 8.0)
CARTILAGE = Tissue(150.0, 15.0)
CORD = Tissue(34.0, 4.0)
EPIDURAL_FAT = Tissue(-70.0, 8.0)
ENAMEL = Tissue(2100.0, 40.0)
GREY_MATTER = Tissue(38.0, 2.0, 1.5)
WHITE_MATTER = Tissue(29.0, 2.0, 1.5)
BRAIN_FLUID = Tissue(6.0, 1.5)
TURBINATE = Tissue(160.0, 60.0)
NASAL_AIR = Tissue(-970.0)
EYE = Tissue(12.0, 2.0)
LENS = Tissue(75.0, 3.0)
PERIORBITAL_FAT = Tissue(-80.0, 10.0)

N_RIBS = 14
VERTEBRA_MM = 19.0

# z, y of the vertebral body, its radius
SPINE = Profile(
    [
        (166.0, 36.0, 7.0),
        (200.0, 42.0, 8.0),
        (245.0, 46.0, 9.0),
        (300.0, 50.0, 10.0),
        (420.0, 51.0, 11.5),
        (480.0, 53.0, 12.0),
        (520.0, 56.0, 9.0),
        (552.0, 55.0, 5.0),
    ]
)

_LIMBS = (
    (FORELEG[:2], (8.5, 7.0), 2.4),
    (FORELEG[1:], (7.0, 6.0, 5.0, 4.5), 2.0),
    (HINDLEG[:2], (9.0, 8.0), 2.6),
    (HINDLEG[1:], (8.0, 6.5, 5.5, 5.0), 2.2),
    (((50.0, -6.0, 250.0), (57.0, 26.0, 262.0), (46.0, 60.0, 284.0)), (6.0, 3.0, 2.2), 1.1),
    (((50.0, -6.0, 250.0), (60.0, 22.0, 274.0), (54.0, 48.0, 304.0)), (5.0, 2.6, 2.0), 1.0),
    (((17.0, 46.0, 478.0), (30.0, 40.0, 492.0), (42.0, 12.0, 512.0)), (7.0, 6.0, 9.0), 1.6),
    (((42.0, 12.0, 512.0), (30.0, 10.0, 535.0), (24.0, 16.0, 552.0)), (8.0, 5.5, 5.0), 1.6),
    (((42.0, 12.0, 512.0), (20.0, -12.0, 514.0), (3.0, -17.0, 522.0)), (7.0, 4.5, 5.0), 1.5),
)
"""Path, radii, thickness of the cortex: humerus, lower foreleg, femur, lower hind leg, the scapula's two
edges, ilium, ischium, pubis."""


def paint_skeleton(canvas: Canvas, body: Body, seed: int) -> None:
    """Paint every bone that the slice cuts."""
    _paint_spine(canvas, body)
    _paint_ribs(canvas)
    for path, radii, cortex_mm in _LIMBS:
        for side in (path, mirrored(path)):
            _paint_bone(canvas, Tubes.along(side, radii), cortex_mm)
    if canvas.plane.z_mm < 185.0:
        _paint_head(canvas, seed)


def _paint_bone(canvas: Canvas, bone: Tubes, cortex_mm: float) -> None:
    """Paint a shell and its filling; ends are spongy because the shell is thin there."""
    canvas.draw(bone, CORTEX)
    canvas.draw(bone, SPONGIOSA, grow_mm=-0.8 * cortex_mm)
    canvas.draw(bone, MARROW, grow_mm=-1.5 * cortex_mm)


def _paint_spine(canvas: Canvas, body: Body) -> None:
    """Paint vertebral body or disc, canal with cord, and the arch with its processes."""
    plane = canvas.plane
    if not SPINE.z_range[0] < plane.z_mm < SPINE.z_range[1]:
        return
    centre_y, radius = (float(v) for v in SPINE.at(plane.z_mm))
    y = plane.y_mm - np.float32(centre_y)
    phase = (plane.z_mm / VERTEBRA_MM) % 1.0
    block = ellipse_distance(plane.x_mm, y, 1.12 * radius, 0.95 * radius)
    canal_y = np.float32(1.62 * radius)
    canal = ellipse_distance(plane.x_mm, y - canal_y, 0.62 * radius, 0.52 * radius)
    _paint_processes(canvas, body, centre_y, radius, phase)
    canvas.paint(plane.cover(canal - np.float32(0.26 * radius)), THIN_CORTEX)
    is_disc = phase < 0.17
    canvas.paint(plane.cover(block), DISC if is_disc else CORTEX)
    if not is_disc:
        canvas.paint(plane.cover(block + np.float32(1.3)), SPONGIOSA)
    canvas.paint(plane.cover(canal), EPIDURAL_FAT)
    canvas.paint(plane.cover(canal + np.float32(0.14 * radius)), CORD)


def _paint_processes(canvas: Canvas, body: Body, centre_y: float, radius: float, phase: float) -> None:
    """Paint spinous and transverse processes within the back's muscle, long at mid-vertebra, absent between two."""
    reach = max(0.0, 1.0 - ((phase - 0.58) / 0.34) ** 2)
    if reach <= 0.05:
        return
    z, thick = canvas.plane.z_mm, 0.19 * radius
    spinous = [(0.0, centre_y + 2.1 * radius, z), (0.0, centre_y + (2.2 + 1.0 * reach) * radius, z)]
    paths = [spinous]
    for side in (-1.0, 1.0):
        root = (side * 0.8 * radius, centre_y + 0.9 * radius, z)
        paths.append([root, (side * (1.0 + 1.3 * reach) * radius, centre_y + 0.95 * radius, z)])
    for path in paths:
        process = Tubes.along(path, thick)
        canvas.draw(process, THIN_CORTEX, within=body.muscle)
        canvas.draw(process, SPONGIOSA, grow_mm=-1.0, within=body.muscle)


def _paint_ribs(canvas: Canvas) -> None:
    """Paint the ribs, their cartilages and the sternum."""
    z = canvas.plane.z_mm
    if not 245.0 < z < 470.0:
        return
    for number in range(N_RIBS):
        if not -12.0 < z - _rib_start(number) < 52.0:
            continue
        for side in (-1.0, 1.0):
            bone, cartilage = _rib(number, side)
            if cartilage is not None:
                canvas.draw(cartilage, CARTILAGE)
            canvas.draw(bone, CORTEX)
            canvas.draw(bone, SPONGIOSA, grow_mm=-0.9)
    _paint_sternum(canvas)


def _paint_sternum(canvas: Canvas) -> None:
    """Paint the breastbone on the cavity's belly side."""
    path = []
    for z in np.arange(266.0, 366.0, 8.0):
        _, half_height, centre_y = CAVITY.at(float(z))
        path.append((0.0, float(centre_y - half_height - 4.2), float(z)))
    sternum = Tubes.along(path, 4.4)
    canvas.draw(sternum, THIN_CORTEX)
    canvas.draw(sternum, SPONGIOSA, grow_mm=-1.1)


def _rib_start(number: int) -> float:
    """Distance of a rib's head from the nose, mm."""
    return 258.0 + 11.6 * number


def _rib(number: int, side: float) -> tuple[Tubes, Tubes | None]:
    """Bend a rib around the cavity, slanting towards the tail; the last four float free."""
    is_floating = number >= N_RIBS - 4
    turn = np.linspace(0.16, 0.62 if is_floating else 0.97, 22)
    z = _rib_start(number) + 34.0 * turn
    half_width, half_height, centre_y = np.array([CAVITY.at(float(v)) for v in z]).T
    angle = np.pi * turn
    x = side * (half_width + 3.4) * np.sin(angle)
    y = centre_y + (half_height + 3.2) * np.cos(angle)
    points, radii = np.stack([x, y, z], axis=1), np.linspace(2.9, 2.4, len(turn))
    if is_floating:
        return Tubes.along(points, radii), None
    return Tubes.along(points[:17], radii[:17]), Tubes.along(points[16:], radii[16:])


def _paint_head(canvas: Canvas, seed: int) -> None:
    """Paint skull with brain, eyes, nose with turbinates, jaw and teeth."""
    skull = Ellipsoid((0.0, 28.0, 132.0), (31.0, 29.0, 40.0))
    canvas.draw(skull, CORTEX)
    canvas.draw(skull, SPONGIOSA, grow_mm=-1.6)
    canvas.draw(skull, THIN_CORTEX, grow_mm=-3.4)
    _paint_brain(canvas, skull, seed)
    for side in (-1.0, 1.0):
        _paint_eye(canvas, side)
        jaw = Tubes.along(
            [(side * 4.5, -5.0, 24.0), (side * 14.0, -11.0, 80.0), (side * 33.0, -9.0, 132.0)], (3.4, 4.6, 4.6)
        )
        _paint_bone(canvas, jaw, 1.5)
        cheek = Tubes.along([(side * 26.0, 6.0, 78.0), (side * 41.0, 8.0, 108.0), (side * 36.0, 12.0, 140.0)], 3.0)
        _paint_bone(canvas, cheek, 1.3)
        for tooth in range(7):
            z, x = 30.0 + 9.0 * tooth, side * (6.5 + 1.4 * tooth)
            canvas.draw(Tubes.along([(x, -5.5 - 0.05 * z, z), (x, 1.0 - 0.05 * z, z)], 2.4), ENAMEL)
    _paint_nose(canvas, seed)


def _paint_brain(canvas: Canvas, skull: Ellipsoid, seed: int) -> None:
    """Paint fluid, grey matter with its folds, white matter and the ventricles."""
    plane, cut = canvas.plane, skull.cut(canvas.plane)
    if cut is None:
        return
    fold = smooth_field((seed, 15), plane.z_mm, plane.row_mm, plane.column_mm, 5.0)[cut.where]
    depth = -(cut.distance_mm + np.float32(4.6))
    outwards = np.clip(1.5 - depth / 8.0, 0.0, 1.0)
    furrow = np.exp(-((fold / 0.22) ** 2)) * outwards
    canvas.paint(plane.cover(-depth), BRAIN_FLUID, cut.where)
    brain = plane.cover(np.float32(0.7) - depth)
    canvas.paint(brain * (1.0 - np.float32(0.75) * furrow), GREY_MATTER, cut.where)
    ribbon = np.maximum(np.float32(2.4) - depth, np.float32(4.0) * (np.float32(0.6) * outwards - np.abs(fold)))
    canvas.paint(brain * plane.cover(ribbon), WHITE_MATTER, cut.where)
    for side in (-1.0, 1.0):
        canvas.draw(Ellipsoid((side * 5.5, 26.0, 130.0), (2.0, 6.5, 15.0), side * 18.0), BRAIN_FLUID)
        canvas.draw(Ellipsoid((side * 7.5, 33.0, 126.0), (4.5, 5.0, 9.0)), GREY_MATTER)


def _paint_eye(canvas: Canvas, side: float) -> None:
    """Paint an eyeball in its fat."""
    globe = Ellipsoid((side * 33.0, 18.0, 90.0), (9.5, 9.5, 10.0))
    canvas.draw(globe, PERIORBITAL_FAT, grow_mm=2.5)
    canvas.draw(globe, EYE)
    canvas.draw(Ellipsoid((side * 38.0, 17.0, 88.0), (3.2, 3.8, 4.0)), LENS)


def _paint_nose(canvas: Canvas, seed: int) -> None:
    """Paint the two nasal passages, full of scrolls, in a bony box."""
    plane = canvas.plane
    if not 2.0 < plane.z_mm < 98.0:
        return
    size = min(1.0, 0.55 + plane.z_mm / 120.0)
    for side in (-1.0, 1.0):
        x, y = plane.x_mm - np.float32(side * 7.2 * size), plane.y_mm - np.float32(13.0)
        passage = ellipse_distance(x, y, 6.6 * size, 11.0 * size)
        canvas.paint(plane.cover(passage - 2.0), THIN_CORTEX if plane.z_mm > 18.0 else CARTILAGE)
        inside = plane.cover(passage)
        canvas.paint(inside, NASAL_AIR)
        canvas.paint(inside * _scrolls(plane, seed), TURBINATE)


def _scrolls(plane: Plane, seed: int) -> np.ndarray:
    """Draw thin curled sheets: the zero lines of a narrow field."""
    field = smooth_field((seed, 6), plane.z_mm, plane.row_mm, plane.column_mm, 5.0)
    return np.asarray(np.exp(-((field / 0.3) ** 2)), np.float32)

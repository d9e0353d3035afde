"""The trunk's outside: skin, subcutaneous fat with septa, layers of muscle, breasts, shoulders, arms, thighs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.frame import CAVITY, WALL, back_skin_mm
from n2b_ct.phantom.human.tissues import FASCIA, FAT, GLAND, MUSCLE, SKIN, VISCERAL_FAT, enhanced
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import (
    Canvas,
    Ellipsoid,
    Plane,
    Tubes,
    smooth_union,
    superellipse_distance,
)
from n2b_ct.phantom.sheets import compartment_borders, thin_sheets

_FAR_MM = np.float32(1e3)


@dataclass(frozen=True, slots=True)
class Body:
    """One slice's regions, float32 ``[rows, cols]``.

    Attributes:
        inside: Coverage of everything under the skin.
        muscle: Coverage of everything under the fascia: muscle, bones, cavity.
        cavity: Coverage of chest, abdomen and pelvis.
        cavity_distance_mm: Signed distance to the cavity's wall.
        wall_distance_mm: Signed distance to the trunk's fascia.
    """

    inside: np.ndarray
    muscle: np.ndarray
    cavity: np.ndarray
    cavity_distance_mm: np.ndarray
    wall_distance_mm: np.ndarray


def paint_wall(canvas: Canvas, build: Build, enhancement: Enhancement, seed: int) -> Body:
    """Paint skin, fat and muscle, and the bare cavity."""
    plane = canvas.plane
    trunk, limbs = _trunk_distance(plane), _limb_distance(plane, build)
    fascia = trunk if limbs is None else smooth_union([trunk, limbs], 14.0)
    skin = _skin_distance(plane, build, fascia, seed)
    inside = plane.cover(skin)
    canvas.paint(inside, SKIN)
    under_skin = plane.cover(skin + np.float32(build.thin_mm(1.7)))
    canvas.paint(under_skin, FAT)
    septa = _septa(plane, build, seed)
    canvas.paint(under_skin * septa, FASCIA)
    _paint_breasts(canvas, build, under_skin, seed)
    muscle = under_skin * plane.cover(fascia)
    _paint_muscle(canvas, build, enhancement, muscle, fascia, septa, seed)
    distance = _cavity_distance(plane)
    cavity = muscle * plane.cover(distance)
    canvas.paint(cavity, VISCERAL_FAT)
    return Body(inside, muscle, cavity, distance, trunk)


def breasts(build: Build) -> tuple[Ellipsoid, ...]:
    """Return the breasts of a woman lying on her back: flat, and fallen to the sides."""
    if not build.is_female or build.scale < 0.85:
        return ()
    size = 0.7 + 0.012 * build.fat_mm
    return tuple(
        Ellipsoid((side * 88.0, -72.0, 118.0), (58.0 * size, 34.0 * size, 62.0 * size), side * 32.0)
        for side in (-1.0, 1.0)
    )


def _trunk_distance(plane: Plane) -> np.ndarray:
    """Measure the signed distance to the trunk's fascia."""
    half_width, half_depth, centre_y = WALL.at(plane.z_mm)
    return superellipse_distance(plane.x_mm, plane.y_mm - np.float32(centre_y), half_width, half_depth, 2.35)


def _limb_distance(plane: Plane, build: Build) -> np.ndarray | None:
    """Measure the signed distance to the muscles of shoulders, arms and thighs."""
    total: np.ndarray | None = None
    fat_mm = 20.0 + 2.2 * build.fat_mm
    for limb in limb_muscles(build):
        wide = replace(
            limb,
            start_radius_mm=limb.start_radius_mm + fat_mm,
            end_radius_mm=limb.end_radius_mm + fat_mm,
        )
        cut = wide.cut(plane)
        if cut is not None:
            total = np.full(plane.x_mm.shape, _FAR_MM) if total is None else total
            np.minimum(total[cut.where], cut.distance_mm + np.float32(fat_mm), out=total[cut.where])
    return total


def limb_muscles(build: Build) -> tuple[Tubes, ...]:
    """Return the muscles' outlines of shoulders, arms and thighs."""
    strength = build.muscle
    limbs = []
    for side in (-1.0, 1.0):
        for path, radii in arm_path(build, side):
            limbs.append(Tubes.along(path, np.asarray(radii) * (0.7 + 0.3 * strength)))
        limbs.append(Tubes.along([(side * 90, 6, 575), (side * 88, 0, 620), (side * 86, -2, 720)], (72.0, 76.0, 72.0)))
    return tuple(limbs)


def arm_path(build: Build, side: float) -> tuple[tuple[list[tuple[float, float, float]], list[float]], ...]:
    """Return paths and radii of shoulder and arm, above the head or beside the trunk."""
    shoulder = (
        [(side * 95.0, 22.0, -42.0), (side * 150.0, 14.0, -18.0), (side * 160.0, 22.0, 30.0)],
        [34.0, 46.0, 34.0],
    )
    if not build.are_arms_down:
        up = (
            [(side * 158.0, 10.0, -8.0), (side * 165.0, -4.0, -60.0), (side * 140.0, -16.0, -220.0)],
            [50.0, 46.0, 40.0],
        )
        return shoulder, up
    out = 160.0 + 1.25 * build.fat_mm
    arm = [(side * 168.0, 8.0, -8.0), (side * (out + 36.0), 18.0, 80.0), (side * (out + 52.0), 32.0, 235.0)]
    forearm = [
        (side * (out + 52.0), 32.0, 235.0),
        (side * (out + 58.0), 20.0, 320.0),
        (side * (out + 52.0), 8.0, 480.0),
    ]
    hand = [(side * (out + 52.0), 8.0, 480.0), (side * (out + 52.0), 6.0, 560.0), (side * (out + 48.0), 4.0, 640.0)]
    return shoulder, (arm, [48.0, 42.0, 34.0]), (forearm, [36.0, 37.0, 23.0]), (hand, [23.0, 29.0, 16.0])


def _skin_distance(plane: Plane, build: Build, fascia: np.ndarray, seed: int) -> np.ndarray:
    """Measure the signed distance to the skin: fascia and fat, breasts, and the back flattened by the table."""
    skin = fascia - _fat_thickness(plane, build, seed)
    for breast in breasts(build):
        cut = breast.cut(plane)
        if cut is not None:
            skin[cut.where] = smooth_union([skin[cut.where], cut.distance_mm], 16.0)
    bottom = plane.row_mm[:, None].astype(np.float32) - np.float32(back_skin_mm(build))
    return np.maximum(skin, bottom)


def _fat_thickness(plane: Plane, build: Build, seed: int) -> np.ndarray:
    """Vary the subcutaneous fat: a belly in front of the abdomen, more at the hips, less on arms and shoulders."""
    waves = smooth_field((seed, 3), plane.z_mm, plane.row_mm, plane.column_mm, 38.0)
    half_width = np.float32(WALL.at(plane.z_mm)[0])
    belly = float(np.exp(-(((plane.z_mm - 400.0) / 110.0) ** 2)))
    hips = float(np.clip((plane.z_mm - 380.0) / 120.0, 0.0, 1.0))
    chest = float(np.clip((170.0 - plane.z_mm) / 160.0, 0.0, 1.0))
    front = np.clip(-plane.y_mm / np.float32(90.0), 0.0, 1.0)
    lateral = np.clip(np.abs(plane.x_mm) / half_width, 0.0, 1.0)
    share = 0.75 - 0.3 * chest + np.float32(0.7 * belly) * front + np.float32(0.35 * hips) * lateral
    arms = np.clip((np.abs(plane.x_mm) - half_width - np.float32(build.fat_mm)) / np.float32(12.0), 0.0, 1.0)
    share = share * (1.0 - np.float32(0.6) * arms) + np.float32(0.18) * waves
    return build.fat_mm * np.clip(share, 0.15, 2.2) + np.float32(build.thin_mm(1.5))


def _septa(plane: Plane, build: Build, seed: int) -> np.ndarray:
    """Lay septa through the subcutaneous fat, more of them in thick fat."""
    strength = 0.35 + 0.15 * min(build.fat_mm / 40.0, 1.0)
    return thin_sheets(plane, (seed, 12), ((15.0, 0.06, strength), (5.5, 0.07, 0.6 * strength)))


def _paint_muscle(
    canvas: Canvas,
    build: Build,
    enhancement: Enhancement,
    muscle: np.ndarray,
    fascia: np.ndarray,
    septa: np.ndarray,
    seed: int,
) -> None:
    """Paint muscle, the fat planes between its layers, and the finer streaks between its bundles."""
    plane = canvas.plane
    canvas.paint(muscle, enhanced(MUSCLE, enhancement.muscle_hu - 8.0 * build.fat_in_muscle))
    waves = smooth_field((seed, 5), plane.z_mm, plane.row_mm, plane.column_mm, 30.0)
    depth = -fascia + np.float32(2.0) * waves
    trunk = float(np.clip((440.0 - plane.z_mm) / 40.0, 0.0, 1.0))
    abdominal = float(np.clip((plane.z_mm - 230.0) / 40.0, 0.0, 1.0))
    layers = np.full(depth.shape, _FAR_MM)
    for layer_mm in (9.0 - 2.5 * abdominal, 16.5 - 3.0 * abdominal):
        layers = np.minimum(layers, np.abs(depth - np.float32(layer_mm)))
    width_mm = np.float32(0.2 + 0.9 * build.fat_in_muscle) + np.float32(0.5) * waves
    is_flat = (
        np.float32(trunk)
        * plane.cover((plane.y_mm - np.float32(58.0)) / np.float32(20.0))
        * plane.cover((np.abs(plane.x_mm) - np.float32(WALL.at(plane.z_mm)[0])) / np.float32(4.0))
    )
    canvas.paint(muscle * is_flat * np.float32(0.85) * plane.cover(layers - width_mm), FAT)
    fat = build.fat_in_muscle
    _paint_axillae(canvas, build, muscle, waves, septa)
    _paint_compartments(canvas, build, muscle * (1.0 - is_flat), seed)
    septa = thin_sheets(
        plane,
        (seed, 4),
        ((26.0, 0.04 + 0.1 * fat, 0.5 + 0.45 * fat), (12.0, 0.05 + 0.09 * fat, 0.6), (3.6, 0.15, 0.08 + 0.3 * fat)),
    )
    canvas.paint(muscle * septa, FAT)


def _paint_axillae(canvas: Canvas, build: Build, muscle: np.ndarray, waves: np.ndarray, septa: np.ndarray) -> None:
    """Paint the fat of the armpits, and between the muscles around them, with strands."""
    plane = canvas.plane
    size = 0.75 + 0.35 * build.visceral_fat
    for side in (-1.0, 1.0):
        armpit = Ellipsoid((side * 136.0, -6.0, 40.0), (17.0 * size, 32.0 * size, 58.0), side * -14.0)
        behind = Ellipsoid((side * 112.0, 70.0, 40.0), (30.0, 4.0 * size, 62.0), side * -38.0)
        before = Ellipsoid((side * 96.0, -76.0, 40.0), (40.0, 3.0 * size, 50.0), side * 32.0)
        for space, bend_mm in ((armpit, 5.0), (behind, 2.0), (before, 2.0)):
            cut = space.cut(plane)
            if cut is not None:
                cover = muscle[cut.where] * plane.cover(cut.distance_mm + np.float32(bend_mm) * waves[cut.where])
                canvas.paint(cover, FAT, cut.where)
                canvas.paint(cover * septa[cut.where], FASCIA, cut.where)


def _paint_compartments(canvas: Canvas, build: Build, muscle: np.ndarray, seed: int) -> None:
    """Paint fat between whole muscles, which run lengthwise."""
    rows, columns = np.flatnonzero(muscle.any(axis=1)), np.flatnonzero(muscle.any(axis=0))
    if len(rows) == 0:
        return
    where = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    plane = canvas.plane
    rows_mm, columns_mm = plane.row_mm[where[0]], plane.column_mm[where[1]]
    bends = [smooth_field((seed, 6, axis), plane.z_mm, rows_mm, columns_mm, 20.0) for axis in (1, 2)]
    border_mm = compartment_borders(plane, (seed, 6), where, 42.0, [np.float32(6.0) * bend for bend in bends])
    waves = smooth_field((seed, 6, 3), plane.z_mm, rows_mm, columns_mm, 26.0)
    width_mm = np.float32(0.1 + 1.1 * build.fat_in_muscle) * (np.float32(0.7) + waves)
    canvas.paint(muscle[where] * canvas.plane.cover(border_mm - width_mm), FAT, where)


def _paint_breasts(canvas: Canvas, build: Build, under_skin: np.ndarray, seed: int) -> None:
    """Paint glandular tissue, in strands, into the breasts' fat."""
    plane = canvas.plane
    for breast in breasts(build):
        cut = breast.cut(plane)
        if cut is None:
            continue
        field = smooth_field((seed, 16), plane.z_mm, plane.row_mm[cut.where[0]], plane.column_mm[cut.where[1]], 6.0)
        depth = np.clip(-cut.distance_mm / np.float32(16.0) - np.float32(0.35), 0.0, 1.0)
        share = np.clip(np.float32(1.4) * (field + np.float32(1.6) * depth - np.float32(0.9)), 0.0, 1.0)
        canvas.paint(share * depth * under_skin[cut.where], GLAND, cut.where)


def _cavity_distance(plane: Plane) -> np.ndarray:
    """Measure the signed distance to the wall of chest and abdomen."""
    low, high = CAVITY.z_range
    if not low < plane.z_mm < high:
        return np.full(plane.x_mm.shape, _FAR_MM)
    half_width, half_depth, centre_y = CAVITY.at(plane.z_mm)
    return superellipse_distance(plane.x_mm, plane.y_mm - np.float32(centre_y), half_width, half_depth, 2.3)

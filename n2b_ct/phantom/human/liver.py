"""Liver with its vessels, gallbladder, spleen and pancreas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.thin_tubes import draw_thin_tubes
from n2b_ct.phantom.human.tissues import BILE, GUT_WALL, LIVER, PANCREAS, SPLEEN, VISCERAL_FAT, blood, enhanced
from n2b_ct.phantom.human.wall import Body
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Canvas, Ellipsoid, Plane, Tubes, smooth_union
from n2b_ct.phantom.vessels import grow_dense_tree

LIVER_END_MM = 345.0


@dataclass(frozen=True)
class UpperOrgans:
    """One patient's solid organs of the upper abdomen.

    Attributes:
        liver_hu: Added to the liver: fat makes it darker, iron brighter.
        liver_shift_mm: Moves its left border and its lower edge.
        portal: Tree of the portal vein.
        hepatic: Tree of the hepatic veins.
        gallbladder: Bile, with a stone in some.
        stone_hu: HU of a stone in the gallbladder, 0 without.
        spleen: Its ellipsoid, which the stomach dents.
        pancreas: Head to tail.
        lobulation_mm: How deep the pancreas' lobes part.
        cysts: Of the liver.
    """

    liver_hu: float
    liver_shift_mm: tuple[float, float]
    portal: Tubes
    hepatic: Tubes
    gallbladder: Ellipsoid
    stone_hu: float
    spleen: Ellipsoid
    pancreas: Tubes
    lobulation_mm: float
    cysts: tuple[Ellipsoid, ...]


def draw_upper_organs(rng: np.random.Generator) -> UpperOrgans:
    """Draw sizes and places, and grow the liver's vessels."""
    points = rng.uniform((-122.0, -88.0, 190.0), (50.0, 62.0, 320.0), (3000, 3))
    size = float(rng.uniform(0.8, 1.35))
    x, y, z = (float(v) for v in rng.normal(0.0, 4.0, 3))
    pancreas = np.array([(-30, -4, 322), (-26, -10, 304), (-4, -18, 298), (26, -14, 288), (52, 2, 274), (68, 10, 266)])
    cysts = [
        Ellipsoid((float(a), float(b), float(c)), (float(r), float(r), float(r)))
        for a, b, c, r in rng.uniform((-110.0, -60.0, 215.0, 2.0), (20.0, 40.0, 300.0, 16.0), (6, 4))
    ]
    return UpperOrgans(
        liver_hu=float(rng.normal(0.0, 6.0)) - (float(rng.uniform(10.0, 45.0)) if rng.random() < 0.2 else 0.0),
        liver_shift_mm=(float(rng.normal(0.0, 12.0)), float(rng.normal(0.0, 12.0))),
        portal=grow_dense_tree(rng, np.array([-22.0, -4.0, 276.0]), points[:1500], 0.42),
        hepatic=grow_dense_tree(rng, np.array([-26.0, 12.0, 208.0]), points[1500:], 0.42),
        gallbladder=Ellipsoid((-50.0 + x, -48.0 + y, 292.0 + z), (14.0 * size, 17.0 * size, 28.0 * size), -25.0),
        stone_hu=float(rng.uniform(60.0, 700.0)) if rng.random() < 0.12 else 0.0,
        spleen=Ellipsoid((94.0 - y, 24.0, 240.0 + z), (34.0 * size, 52.0 * size, 56.0 * size), -22.0),
        pancreas=Tubes.along(pancreas + rng.normal(0.0, 3.0, pancreas.shape), (12.0, 13.0, 9.0, 8.5, 9.5, 8.0)),
        lobulation_mm=float(rng.uniform(0.5, 3.5)),
        cysts=tuple(cysts[: max(0, int(rng.integers(-3, 6)))]),
    )


def paint_liver(
    canvas: Canvas, body: Body, hollow: np.ndarray, organs: UpperOrgans, enhancement: Enhancement, seed: int
) -> None:
    """Paint liver, its vessels, cysts and the gallbladder."""
    plane = canvas.plane
    if plane.z_mm > LIVER_END_MM + 30.0:
        return
    distance = _liver_distance(plane, body, organs, seed)
    liver = hollow * plane.cover(distance)
    canvas.paint(hollow * plane.cover(distance - np.float32(1.0)), VISCERAL_FAT)
    canvas.paint(liver, enhanced(LIVER, organs.liver_hu + enhancement.liver_hu))
    draw_thin_tubes(canvas, _stems(organs.portal, 2.2), VISCERAL_FAT, grow_mm=1.8, within=liver)
    draw_thin_tubes(canvas, organs.portal, blood(enhancement.portal_hu), within=liver)
    draw_thin_tubes(canvas, organs.hepatic, blood(0.9 * enhancement.portal_hu), within=liver)
    for cyst in organs.cysts:
        canvas.draw(cyst, BILE, within=liver)
    canvas.draw(organs.gallbladder, VISCERAL_FAT, grow_mm=2.2, within=hollow)
    canvas.draw(organs.gallbladder, enhanced(GUT_WALL, enhancement.wall_hu), grow_mm=1.2, within=hollow)
    canvas.draw(organs.gallbladder, BILE, within=hollow)
    if organs.stone_hu > 0.0:
        x, y, z = organs.gallbladder.centre_mm
        stone = Ellipsoid((x + 2.0, y + 0.5 * organs.gallbladder.radii_mm[1], z), (5.0, 4.0, 5.0))
        canvas.draw(stone, replace(BILE, hu=organs.stone_hu, grain_hu=20.0), within=hollow)


def paint_spleen_and_pancreas(
    canvas: Canvas, hollow: np.ndarray, organs: UpperOrgans, enhancement: Enhancement, seed: int
) -> None:
    """Paint the lobulated pancreas with the splenic vein behind it, and the spleen."""
    plane = canvas.plane
    vein = Tubes.along(organs.pancreas.start_mm[1:] + np.array([0.0, 9.0, 2.0]), (6.5, 5.0, 4.5, 4.0))
    cut = organs.pancreas.cut(plane)
    if cut is not None:
        rows, columns = plane.row_mm[cut.where[0]], plane.column_mm[cut.where[1]]
        lobes = np.abs(smooth_field((seed, 31), plane.z_mm, rows, columns, 4.5))
        distance = cut.distance_mm + np.float32(organs.lobulation_mm) * (np.float32(1.1) - 2.0 * np.minimum(lobes, 0.8))
        canvas.paint(
            hollow[cut.where] * plane.cover(distance), enhanced(PANCREAS, 0.8 * enhancement.spleen_hu), cut.where
        )
    canvas.draw(vein, blood(enhancement.portal_hu), within=hollow)
    _paint_spleen(canvas, hollow, organs, enhancement, seed)


def _paint_spleen(canvas: Canvas, hollow: np.ndarray, organs: UpperOrgans, enhancement: Enhancement, seed: int) -> None:
    """Paint the spleen, striped when the agent has only just arrived."""
    plane, cut = canvas.plane, organs.spleen.cut(canvas.plane)
    if cut is None:
        return
    rows, columns = plane.row_mm[cut.where[0]], plane.column_mm[cut.where[1]]
    inside = hollow[cut.where]
    x, y, _ = organs.spleen.centre_mm
    hilum = np.hypot(plane.x_mm[cut.where] - np.float32(x - 42.0), plane.y_mm[cut.where] - np.float32(y - 26.0))
    distance = np.maximum(cut.distance_mm, np.float32(38.0) - hilum)
    canvas.paint(inside * plane.cover(distance - np.float32(1.5)), VISCERAL_FAT, cut.where)
    spleen = inside * plane.cover(distance)
    canvas.paint(spleen, enhanced(SPLEEN, enhancement.spleen_hu), cut.where)
    if enhancement.stripes_hu > 1.0:
        stripes = smooth_field((seed, 32), plane.z_mm, rows, columns, 5.0)
        canvas.hu[cut.where] += spleen * np.float32(enhancement.stripes_hu) * np.clip(stripes, -1.5, 1.5)


def _stems(tree: Tubes, least_mm: float) -> Tubes:
    """Keep the segments of a tree that are at least so thick."""
    chosen = tree.end_radius_mm > least_mm
    return Tubes(tree.start_mm[chosen], tree.end_mm[chosen], tree.start_radius_mm[chosen], tree.end_radius_mm[chosen])


def _liver_distance(plane: Plane, body: Body, organs: UpperOrgans, seed: int) -> np.ndarray:
    """Measure the signed distance to the liver: under the diaphragm, right of a slanting plane, above a lower face."""
    left, down = organs.liver_shift_mm
    wave = smooth_field((seed, 33), plane.z_mm, plane.row_mm, plane.column_mm, 30.0)
    x, y, z = plane.x_mm, plane.y_mm, plane.z_mm
    shift = np.float32(left - 0.75 * (z - 240.0))
    face = np.float32(0.80) * (x - np.float32(48.0) - shift) + np.float32(0.58) * (y + np.float32(78.0))
    lower = np.float32(0.75) * (np.float32(z - 300.0 - down) + np.float32(0.28) * (x + np.float32(70.0)))
    parts: list[np.ndarray] = [
        -face - np.float32(6.0) * wave,
        -lower - np.float32(4.0) * wave,
        -body.cavity_distance_mm - np.float32(2.6),
    ]
    return -smooth_union(parts, 9.0)

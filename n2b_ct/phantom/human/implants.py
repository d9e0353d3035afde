"""Metal and plastic in the body: screws, plates, stems, stents, coils, clips, leads, catheters, electrodes.

Parts are drawn in the coordinates of whoever paints them. HU are unclipped: titanium has some thousands, steel and
platinum more than 10,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.human.solids import Blob, Point, Rods, Solid, curved
from n2b_ct.phantom.lesions import HealthyHU
from n2b_ct.phantom.shapes import Tissue

Path = Sequence[Sequence[float]] | np.ndarray

METALS_HU = {"titanium": 5500.0, "cobalt chrome": 11000.0, "steel": 13500.0, "platinum": 22000.0}
PLASTIC = Tissue(150.0)
CONTRAST = Tissue(1800.0)
AIR = Tissue(-1000.0)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of an implant.

    Attributes:
        solid: Its shape.
        tissue: Its material.
        wire_mm: Radius of the wire where the solid is one; 0 for anything thick.
    """

    solid: Solid
    tissue: Tissue
    wire_mm: float = 0.0


def paint_parts(section: Section, parts: Sequence[Part]) -> None:
    """Paint parts in their order."""
    for part in parts:
        if part.wire_mm > 0.0:
            _draw_wire(section, part)
        else:
            section.draw(part.tissue, part.solid)


def _draw_wire(section: Section, part: Part) -> None:
    """Paint a wire that may be thinner than a pixel: it covers the share of a pixel that its section has."""
    pixel, radius = section.canvas.plane.pixel_mm, part.wire_mm * section.pose.size
    cut = section.cut(part.solid, margin_mm=pixel)
    if cut is not None:
        axis = cut.distance_mm + np.float32(radius)
        reach = max(pixel, 2.0 * radius)
        cover = np.clip(np.float32(1.0) - axis / np.float32(reach), 0.0, 1.0)
        section.paint(cover * np.float32(3.0 * (radius / reach) ** 2), part.tissue, cut.where)


def metal(rng: np.random.Generator, *names: str) -> Tissue:
    """Draw one of the named metals, as an alloy scatters."""
    return Tissue(METALS_HU[str(rng.choice(names))] * float(rng.uniform(0.85, 1.15)))


def screw(
    start: Sequence[float] | np.ndarray, end: Sequence[float] | np.ndarray, radius_mm: float, material: Tissue
) -> list[Part]:
    """Make a screw: a threaded core and a head at its start."""
    steps = max(8, round(float(np.linalg.norm(np.subtract(end, start))) / 0.75))
    path = np.linspace(start, end, steps)
    radii = radius_mm * np.where(np.arange(steps) % 2 == 0, 1.0, 0.72)
    head = Rods.along([path[0], path[min(4, steps - 1)]], 1.7 * radius_mm)
    return [Part(Rods.along(path, radii.tolist()), material), Part(head, material)]


def plate(
    points: Path, inwards: Sequence[float] | np.ndarray, material: Tissue, *, screw_mm: float = 32.0
) -> list[Part]:
    """Make a plate along points, held by screws that point inwards."""
    path = np.asarray(points, float)
    direction = np.asarray(inwards, float) / np.linalg.norm(inwards)
    side = np.cross(direction, path[-1] - path[0])
    side = 3.6 * side / np.linalg.norm(side)
    parts = [Part(Rods.along(path + shift * side, 2.0), material) for shift in (-1.0, 0.0, 1.0)]
    for place in path:
        parts += screw(place, place + screw_mm * direction, 1.9, material)
    return parts


def nail(points: Path, radius_mm: float, material: Tissue) -> list[Part]:
    """Make a hollow nail within a shaft, bolted at both ends."""
    path = np.asarray(points, float)
    parts = [Part(Rods.along(path, radius_mm), material), Part(Rods.along(path, 0.45 * radius_mm), Tissue(20.0))]
    for place in (path[0] + 0.08 * (path[-1] - path[0]), path[0] + 0.9 * (path[-1] - path[0])):
        parts += screw(place + np.array([-24.0, 0.0, 0.0]), place + np.array([24.0, 0.0, 0.0]), 2.4, material)
    return parts


def hip_prosthesis(head: Point, stem: Path, material: Tissue, liner: Tissue, *, is_cemented: bool) -> list[Part]:
    """Make a hip's stem, neck, ball, liner and cup."""
    x, y, z = head
    path = curved(stem, 10)
    radii = np.linspace(11.0, 5.0, 10).tolist()
    parts = [Part(Blob(head, (26.0, 26.0, 26.0)), material), Part(Blob(head, (22.5, 22.5, 22.5)), liner)]
    away = float(np.sign(path[0][0] - x))
    capsule = Blob((x + 12.0 * away, y, z + 16.0), (16.0, 24.0, 14.0), (0.0, 40.0 * away, 0.0))
    parts.append(Part(capsule, Tissue(60.0)))
    if is_cemented:
        parts.append(Part(Rods.along(path, [r + 2.5 for r in radii]), Tissue(1300.0, 100.0, 80.0)))
    parts.append(Part(Rods.along([head, tuple(path[0])], (7.0, 8.0)), material))
    return [*parts, Part(Blob(head, (15.0, 15.0, 15.0)), material), Part(Rods.along(path, radii), material)]


def stent(points: Path, radius_mm: float, material: Tissue) -> list[Part]:
    """Make a tube of crossing helical wires."""
    path = curved(points, 40)
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    across = np.cross(path[-1] - path[0], (0.31, 0.87, 0.4))
    across /= np.linalg.norm(across)
    up = np.cross(path[-1] - path[0], across)
    up /= np.linalg.norm(up)
    parts, angle = [], np.linspace(0.0, 2.0 * np.pi * length / (4.0 * radius_mm), 40)
    for turn in (1.0, -1.0):
        for start in np.arange(4) * 0.5 * np.pi:
            ring = np.cos(turn * angle + start)[:, None] * across + np.sin(turn * angle + start)[:, None] * up
            parts.append(Part(Rods.along(path + radius_mm * ring, 0.12), material, 0.12))
    return parts


def coil(rng: np.random.Generator, centre: Point, radius_mm: float) -> list[Part]:
    """Pack a ball with platinum wire."""
    steps = rng.normal(0.0, 1.0, (60, 3))
    walk = np.cumsum(steps, axis=0)
    walk = walk - walk.mean(axis=0)
    walk *= radius_mm / np.maximum(np.linalg.norm(walk, axis=1, keepdims=True), radius_mm)
    return [Part(Rods.along(walk + np.asarray(centre), 0.4), Tissue(METALS_HU["platinum"]), 0.4)]


def tube(points: Path, outer_mm: float, wall: Tissue, lumen: Tissue) -> list[Part]:
    """Make a tube: an endotracheal one, a drain, a catheter that contrast agent runs through."""
    path = curved(points, max(6, 3 * len(points)))
    return [Part(Rods.along(path, outer_mm), wall), Part(Rods.along(path, 0.62 * outer_mm), lumen)]


def lead(points: Path, material: Tissue) -> list[Part]:
    """Make an insulated wire with a bare tip."""
    path = curved(points, max(8, 4 * len(points)))
    tip = Rods.along(path[-2:], 1.1)
    return [Part(Rods.along(path, 1.0), PLASTIC), Part(Rods.along(path, 0.45), material, 0.45), Part(tip, material)]


def electrode(rng: np.random.Generator, place: Sequence[float], outwards: Sequence[float]) -> list[Part]:
    """Make an electrode on the skin: gel, a metal button and the first stretch of its wire."""
    start, direction = np.asarray(place, float), np.asarray(outwards, float)
    gel, button = (
        Rods.along([start - 8 * _across(direction), start + 8 * _across(direction)], 2.0),
        start + 3.0 * direction,
    )
    away = button + np.cumsum(rng.normal(0.0, 6.0, (6, 3)) + 5.0 * direction, axis=0)
    wire = Rods.along(np.concatenate([button[None], away]), 0.6)
    return [
        Part(gel, Tissue(-150.0)),
        Part(Blob(_point(button), (2.4, 2.4, 2.4)), Tissue(3500.0)),
        Part(wire, Tissue(2500.0), 0.5),
    ]


def draw_foreign_parts(
    rng: np.random.Generator, z_range_mm: tuple[float, float], healthy_hu: HealthyHU, chance: float
) -> tuple[Part, ...]:
    """Draw what surgeons and nurses leave in any part of a body: clips, screws in bone, drains, leads, electrodes.

    Args:
        rng: Draws.
        z_range_mm: Heights of the region.
        healthy_hu: The body, without table.
        chance: How likely there is anything.

    Returns:
        Parts in the patient's own coordinates.
    """
    if rng.random() > chance:
        return ()
    axis = np.arange(-220.0, 220.0, 4.0)
    parts: list[Part] = []
    for _ in range(int(rng.integers(1, 4))):
        z_mm = float(rng.uniform(*z_range_mm))
        image = healthy_hu(z_mm, axis, axis)
        kind = str(rng.choice(("clips", "screw", "drain", "lead", "electrodes", "plate")))
        low, high = (350.0, 4000.0) if kind in ("screw", "plate") else (-150.0, 150.0)
        places = np.argwhere((image > low) & (image < high))
        if len(places) == 0:
            continue
        row, column = places[rng.integers(len(places))]
        parts += _foreign(rng, kind, np.array([axis[column], axis[row], z_mm]), image, axis)
    return tuple(parts)


def _foreign(rng: np.random.Generator, kind: str, place: np.ndarray, image: np.ndarray, axis: np.ndarray) -> list[Part]:
    """Make one thing of a kind at a place."""
    direction = rng.normal(0.0, 1.0, 3)
    direction /= np.linalg.norm(direction)
    bone_metal = metal(rng, "titanium", "steel")
    if kind == "clips":
        spots = place + rng.normal(0.0, 9.0, (int(rng.integers(2, 9)), 3))
        ends = spots + rng.normal(0.0, 2.5, spots.shape)
        clip = metal(rng, "titanium", "steel")
        return [Part(Rods.along([a, b], 0.7), clip, 0.7) for a, b in zip(spots, ends, strict=True)]
    if kind == "screw":
        return screw(place, place + rng.uniform(20.0, 60.0) * direction, float(rng.uniform(1.5, 3.2)), bone_metal)
    if kind == "plate":
        path = place + np.linspace(-30.0, 30.0, 6)[:, None] * direction
        return plate(path, np.cross(direction, (0.3, 0.5, 0.8)), bone_metal, screw_mm=float(rng.uniform(8.0, 30.0)))
    walk = place + np.cumsum(rng.normal(0.0, 14.0, (7, 3)) + 12.0 * direction, axis=0)
    if kind == "drain":
        lumen = (AIR, Tissue(20.0), CONTRAST)[int(rng.integers(3))]
        return tube(walk, float(rng.uniform(1.0, 4.0)), Tissue(float(rng.uniform(100.0, 700.0))), lumen)
    if kind == "lead":
        return lead(walk, metal(rng, "cobalt chrome", "platinum"))
    return _electrodes(rng, image, axis, place[2])


def _electrodes(rng: np.random.Generator, image: np.ndarray, axis: np.ndarray, z_mm: float) -> list[Part]:
    """Stick electrodes on the front of the body."""
    parts: list[Part] = []
    columns = np.flatnonzero((image > -300.0).any(axis=0))
    for column in rng.choice(columns, size=min(3, len(columns)), replace=False):
        row = int(np.argmax(image[:, column] > -300.0))
        parts += electrode(rng, (axis[column], axis[row] - 2.0, z_mm), (0.0, -1.0, 0.0))
    return parts


def _across(direction: np.ndarray) -> np.ndarray:
    """Find a unit vector across a direction."""
    across = np.cross(direction, (0.3, 0.2, 1.0))
    return np.asarray(across / np.linalg.norm(across))


def _point(values: np.ndarray) -> Point:
    x, y, z = (float(v) for v in values)
    return x, y, z

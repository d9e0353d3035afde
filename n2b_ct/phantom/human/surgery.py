"""Implants at the places that surgeons put them: head, neck, limbs; each in its part's own coordinates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from n2b_ct.phantom.human.implants import (
    AIR,
    CONTRAST,
    Part,
    coil,
    hip_prosthesis,
    lead,
    metal,
    nail,
    plate,
    screw,
    stent,
    tube,
)
from n2b_ct.phantom.human.solids import Blob, Rods
from n2b_ct.phantom.shapes import Tissue

Drawn = tuple[Part, ...]


def head_implants(rng: np.random.Generator, age_group: str) -> Drawn:
    """Draw what a head may hold: coils or clips, skull plates, drain, electrodes, hearing implant, tubes."""
    parts: list[Part] = []
    if age_group == "adult" and rng.random() < 0.08:
        parts += coil(rng, (float(rng.uniform(-30, 30)), -12.0, 10.0), float(rng.uniform(2.0, 6.0)))
    if rng.random() < 0.08:
        parts += _skull_plates(rng)
    if rng.random() < 0.1:
        side = float(rng.choice([-1.0, 1.0]))
        parts += tube(
            [(side * 30, -40, -70), (side * 18, -32, -40), (side * 7, -26, -12)], 1.4, Tissue(220.0), Tissue(8.0)
        )
    if age_group == "adult" and rng.random() < 0.06:
        for side in (1.0, -1.0):
            target = (side * 11.0, 8.0, 4.0)
            parts += lead([(side * 34, -30, -78), (side * 22, -12, -36), target], metal(rng, "platinum"))
    if rng.random() < 0.05:
        side = float(rng.choice([-1.0, 1.0]))
        spiral = [(side * (27 + 3 * np.cos(a)), 5 + 3 * np.sin(a), 35.0) for a in np.linspace(0, 5, 9)]
        parts += lead([(side * 72, 34, 10), (side * 56, 22, 34), (side * 38, 12, 37), *spiral], metal(rng, "platinum"))
        parts.append(Part(Blob((side * 76.0, 46.0, -6.0), (3.0, 11.0, 11.0)), metal(rng, "titanium")))
    if rng.random() < 0.2:
        parts += tube([(2, -96, 96), (2, -50, 88), (0, -16, 100), (0, -13, 150)], 4.6, Tissue(180.0), AIR)
    return tuple(parts)


def _skull_plates(rng: np.random.Generator) -> list[Part]:
    """Make small plates and clips about a flap of bone."""
    side, material, parts = float(rng.choice([-1.0, 1.0])), metal(rng, "titanium"), []
    for turn in np.linspace(0.0, 2.0 * np.pi, 5)[:-1]:
        y, z = 34.0 * np.cos(turn) - 8.0, 24.0 * np.sin(turn) - 32.0
        x = side * 76.0 * np.sqrt(max(0.05, 1.0 - (y / 93.0) ** 2 - ((z + 10.0) / 75.0) ** 2))
        parts.append(Part(Blob((x, y, z), (2.0, 6.0, 6.0), (0.0, 0.0, -side * 60.0 * y / 93.0)), material))
        parts += screw((x, y, z), (0.93 * x, 0.95 * y, z), 0.9, material)
    return parts


def neck_implants(rng: np.random.Generator, age_group: str) -> Drawn:
    """Draw what a neck may hold: breathing and feeding tubes, a catheter, a plate before the spine, a stent."""
    parts: list[Part] = []
    if rng.random() < 0.18:
        path = [(0, -18, -30), (0, -24, 26), (0, -33, 60), (0, -30, 120), (0, -24, 170)]
        parts += tube(path, 5.2, Tissue(190.0), AIR)
    if rng.random() < 0.15:
        parts += tube([(3, -16, -30), (4, -13, 40), (4, -12, 90), (5, -6, 190)], 2.2, Tissue(320.0), AIR)
    if rng.random() < 0.15:
        side, lumen = float(rng.choice([-1.0, 1.0])), (Tissue(30.0), CONTRAST)[int(rng.integers(2))]
        parts += tube(
            [(side * 52, -22, 52), (side * 35, -11, 62), (side * 30, -15, 100), (side * 24, -18, 180)],
            1.3,
            Tissue(400.0),
            lumen,
        )
    if age_group == "adult" and rng.random() < 0.1:
        first, step = float(rng.uniform(10.0, 60.0)), float(rng.uniform(16.0, 19.0))
        levels = [(0.0, 1.5, first + step * k) for k in range(int(rng.integers(2, 4)))]
        parts += plate(levels, (0.0, 1.0, 0.05), metal(rng, "titanium"), screw_mm=14.0)
    if age_group == "adult" and rng.random() < 0.08:
        side = float(rng.choice([-1.0, 1.0]))
        parts += stent(
            [(side * 25, -17, 48), (side * 26, -13, 28), (side * 28, -8, 12)], 3.4, metal(rng, "cobalt chrome")
        )
    return tuple(parts)


def limb_implants(rng: np.random.Generator, kind: str, age_group: str) -> Drawn:
    """Draw what a stretch of a limb may hold: prosthesis, nail, plate, screws, wires, a stent."""
    if rng.random() > {"adult": 0.3, "child": 0.12, "infant": 0.0}[age_group]:
        return ()
    makers = _MAKERS[kind]
    return tuple(makers[int(rng.integers(len(makers)))](rng))


def _hip(rng: np.random.Generator) -> list[Part]:
    liner = (Tissue(-80.0), metal(rng, "cobalt chrome"), Tissue(6000.0))[int(rng.integers(3))]
    stem = [(-12, 0, 34), (-3, 2, 70), (0, -2, 120), (-1, -5, 180)]
    return hip_prosthesis(
        (-36.0, -6.0, 8.0),
        stem,
        metal(rng, "titanium", "cobalt chrome", "steel"),
        liner,
        is_cemented=rng.random() < 0.4,
    )


def _thigh_nail(rng: np.random.Generator) -> list[Part]:
    material = metal(rng, "titanium", "steel")
    blade = screw((16, 4, 52), (-34, -6, 12), 5.0, material)
    return [*nail([(2, 4, 10), (0, 0, 90), (-1, -6, 200), (-5, -2, 330)], 5.5, material), *blade]


def _thigh_plate(rng: np.random.Generator) -> list[Part]:
    z = np.linspace(60.0, 260.0, 8)
    return plate(
        np.stack([0 * z + 16.5, -4.0 + 0 * z, z], axis=1), (-1, 0, 0), metal(rng, "titanium", "steel"), screw_mm=30.0
    )


def _knee_prosthesis(rng: np.random.Generator) -> list[Part]:
    material = metal(rng, "cobalt chrome", "titanium")
    parts = []
    for side in (1.0, -1.0):
        runner = [(side * 20, -24, 78), (side * 23, -20, 102), (side * 24, 6, 115), (side * 24, 32, 98)]
        parts.append(Part(Rods.along(runner, (6.0, 6.5, 7.0, 6.0)), material))
    parts.append(Part(Rods.along([(-14, -22, 84), (14, -22, 84)], 6.5), material))
    parts.append(Part(Blob((0.0, 6.0, 121.0), (35.0, 24.0, 5.0)), Tissue(-80.0)))
    parts.append(Part(Blob((0.0, 6.0, 127.0), (37.0, 26.0, 3.6)), material))
    return [*parts, Part(Rods.along([(0, 5, 126), (0, 4, 172)], (9.0, 6.0)), material)]


def _shin_nail(rng: np.random.Generator) -> list[Part]:
    return nail([(-8, -12, -50), (-8, -14, 60), (-8, -12, 200), (-8, -6, 320)], 4.6, metal(rng, "titanium", "steel"))


def _shin_plate(rng: np.random.Generator) -> list[Part]:
    z = np.linspace(60.0, 220.0, 7)
    return plate(
        np.stack([0 * z + 32.0, 9.0 + 0 * z, z], axis=1), (-1, 0, 0), metal(rng, "titanium", "steel"), screw_mm=13.0
    )


def _leg_stent(rng: np.random.Generator) -> list[Part]:
    return stent([(-2, 18, 40), (-4, 18, 100), (-6, 19, 150)], 2.2, metal(rng, "cobalt chrome"))


def _ankle_screws(rng: np.random.Generator) -> list[Part]:
    material = metal(rng, "titanium", "steel")
    parts = plate([(27, 9, z) for z in (-30, -10, 10, 30, 48)], (-1, 0, 0), material, screw_mm=18.0)
    return parts + screw((-30, 0, 52), (-4, 2, 18), 2.0, material) + screw((8, 56, 84), (-2, 4, 60), 3.2, material)


def _arm_plate(rng: np.random.Generator) -> list[Part]:
    z = np.linspace(50.0, 190.0, 7)
    return plate(np.stack([0 * z + 13.0, 0 * z, z], axis=1), (-1, 0, 0), metal(rng, "titanium", "steel"), screw_mm=26.0)


def _shoulder_prosthesis(rng: np.random.Generator) -> list[Part]:
    material = metal(rng, "titanium", "cobalt chrome")
    stem = Rods.along([(0, 0, 18), (0, 0, 60), (0, 0, 140)], (10.0, 7.5, 5.0))
    return [Part(Blob((-12.0, 0.0, 12.0), (22.0, 22.0, 22.0)), material), Part(stem, material)]


def _forearm_plate(rng: np.random.Generator) -> list[Part]:
    z = np.linspace(110.0, 210.0, 6)
    material = metal(rng, "titanium", "steel")
    return plate(np.stack([0 * z + 14.0, -11.0 + 0 * z, z], axis=1), (0, 1, 0), material, screw_mm=16.0)


def _wrist_plate(rng: np.random.Generator) -> list[Part]:
    return plate([(12, -15, z) for z in (-30, -18, -6, 8, 22)], (0, 1, 0), metal(rng, "titanium"), screw_mm=18.0)


def _pins(rng: np.random.Generator) -> list[Part]:
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        x, z = float(rng.uniform(-14, 24)), float(rng.uniform(80, 130))
        end = (x + float(rng.normal(0, 8)), float(rng.normal(0, 4)), z - 50.0)
        parts.append(Part(Rods.along([(x, -2, z), end], 0.8), metal(rng, "steel"), 0.8))
    return parts


_MAKERS: dict[str, tuple[Callable[[np.random.Generator], list[Part]], ...]] = {
    "thigh": (_hip, _hip, _thigh_nail, _thigh_plate),
    "knee": (_knee_prosthesis,),
    "lower leg": (_shin_nail, _shin_plate, _leg_stent),
    "foot": (_ankle_screws,),
    "upper arm": (_arm_plate, _shoulder_prosthesis),
    "forearm": (_forearm_plate,),
    "hand": (_wrist_plate, _pins),
}

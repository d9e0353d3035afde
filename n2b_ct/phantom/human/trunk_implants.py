"""Implants and tubes of the trunk, in the adult's millimetres of :mod:`n2b_ct.phantom.human.frame`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from n2b_ct.phantom.human.frame import CAVITY, SPINE, WALL
from n2b_ct.phantom.human.heart import AORTA, GULLET, WINDPIPE
from n2b_ct.phantom.human.implants import (
    AIR,
    CONTRAST,
    Part,
    hip_prosthesis,
    lead,
    metal,
    nail,
    screw,
    stent,
    tube,
)
from n2b_ct.phantom.human.pelvic_bones import HIP_JOINT
from n2b_ct.phantom.human.solids import Blob, Rods
from n2b_ct.phantom.shapes import Tissue

Maker = Callable[[np.random.Generator], list[Part]]


def trunk_implants(rng: np.random.Generator, region: str, age_group: str) -> tuple[Part, ...]:
    """Draw what surgeons put into a trunk; none for other regions.

    Args:
        rng: Draws.
        region: Of the patient.
        age_group: Of the patient; tubes come at any age, the rest with adults.

    Returns:
        Parts in the trunk's own coordinates.
    """
    parts: list[Part] = []
    for maker, chance, is_for_all in _MAKERS.get(region, ()):
        if rng.random() < chance and (is_for_all or age_group == "adult"):
            parts += maker(rng)
    return tuple(parts)


def _pacemaker(rng: np.random.Generator) -> list[Part]:
    """Make a pacemaker's case below the collarbone, with one to three leads into the heart."""
    half_width, half_depth, middle = (float(v) for v in WALL.at(25.0))
    x = 78.0
    y = middle - half_depth * np.sqrt(1.0 - (x / half_width) ** 2)
    case = Part(Blob((x, y, 25.0), (24.0, 4.5, 22.0), (0.0, 0.0, 25.0)), metal(rng, "titanium"))
    inside = Part(Blob((x, y, 25.0), (21.0, 2.8, 19.0), (0.0, 0.0, 25.0)), Tissue(2600.0, 200.0, 300.0))
    way = [(x, y + 4, 22), (60, -18, -2), (34, -26, 22), (0, -30, 50), (-28, -20, 62), (-31, -12, 110)]
    ends = [[(-26, -20, 150), (4, -48, 184)], [(-34, -30, 138)], [(-8, 6, 158), (34, 10, 160)]]
    leads = [lead([*way, *end], metal(rng, "platinum", "cobalt chrome")) for end in ends[: int(rng.integers(1, 4))]]
    return [case, inside, *(part for one in leads for part in one)]


def _sternal_wires(rng: np.random.Generator) -> list[Part]:
    """Make the wires that close a breastbone."""
    material, parts = metal(rng, "steel"), []
    for z in np.arange(45.0, 170.0, float(rng.uniform(18.0, 26.0))):
        _, half_depth, middle = (float(v) for v in CAVITY.at(float(z)))
        angle = np.linspace(0.0, 2.0 * np.pi, 13)
        ring = [(13 * np.cos(a), middle - half_depth - 7.0 + 9 * np.sin(a), z + 2 * np.cos(a)) for a in angle]
        parts.append(Part(Rods.along(ring, 0.5), material, 0.5))
    return parts


def _valve(rng: np.random.Generator) -> list[Part]:
    """Make an artificial aortic valve in its stent."""
    return stent([AORTA[0], (-4, -21, 140), (-8, -22, 132)], 12.0, metal(rng, "cobalt chrome", "steel"))


def _port(rng: np.random.Generator) -> list[Part]:
    """Make a catheter from below the right collarbone to the upper caval vein, agent in it or not."""
    lumen = (Tissue(30.0), CONTRAST)[int(rng.integers(2))]
    way = [(-70, -72, 20), (-52, -26, -4), (-38, -20, 20), (-30, -18, 60), (-31, -14, 118)]
    return [*tube(way, 1.4, Tissue(350.0), lumen), Part(Blob((-70, -76, 22), (11, 5, 11)), metal(rng, "titanium"))]


def _breathing_tube(rng: np.random.Generator) -> list[Part]:
    """Make an endotracheal tube."""
    path = np.asarray(WINDPIPE[0])
    return tube(path[: int(rng.integers(3, 5))], 5.0, Tissue(190.0), AIR)


def _feeding_tube(rng: np.random.Generator) -> list[Part]:
    """Make a tube through the gullet into the stomach."""
    return tube([*GULLET[0], (48, -20, 240)], float(rng.uniform(1.4, 2.6)), Tissue(320.0), AIR)


def _chest_drain(rng: np.random.Generator) -> list[Part]:
    """Make a drain in the pleural space."""
    side = float(rng.choice([-1.0, 1.0]))
    way = [(side * 160, -10, 170), (side * 128, 10, 150), (side * 112, 40, 100), (side * 70, 40, 30)]
    return tube(way, float(rng.uniform(3.0, 5.0)), Tissue(260.0), AIR)


def _spinal_rods(rng: np.random.Generator) -> list[Part]:
    """Make screws in a few vertebrae, joined by two rods."""
    start, material = float(rng.uniform(60.0, 330.0)), metal(rng, "titanium", "cobalt chrome")
    levels = start + float(rng.uniform(28.0, 36.0)) * np.arange(int(rng.integers(2, 6)))
    parts: list[Part] = []
    for side in (1.0, -1.0):
        heads = []
        for z in levels:
            y, _, half_depth = (float(v) for v in SPINE.at(float(z)))
            head = (side * 20.0, y + half_depth + 24.0, float(z))
            parts += screw(head, (side * 7.0, y - 0.3 * half_depth, float(z) + 2.0), 3.0, material)
            heads.append(head)
        parts.append(Part(Rods.along(heads, 2.8), material))
    return parts


def _stent_graft(rng: np.random.Generator) -> list[Part]:
    """Make a stent along a stretch of the aorta."""
    first = int(rng.choice([5, 8, 9]))
    return stent(AORTA[first : first + 3], float(rng.uniform(8.0, 11.0)), metal(rng, "steel", "cobalt chrome"))


def _ureter_stent(rng: np.random.Generator) -> list[Part]:
    """Make a stent from a kidney's pelvis to the bladder."""
    side = float(rng.choice([-1.0, 1.0]))
    way = [
        (side * 50, 24, 290),
        (side * 42, 26, 320),
        (side * 40, 22, 400),
        (side * 44, 30, 480),
        (side * 10, -16, 540),
    ]
    return tube(way, 1.3, Tissue(700.0), Tissue(20.0))


def _hip(rng: np.random.Generator) -> list[Part]:
    """Replace one hip or both."""
    sides = ((1.0,), (-1.0,), (1.0, -1.0))[int(rng.integers(3))]
    liner = (Tissue(-80.0), metal(rng, "cobalt chrome"), Tissue(6000.0))[int(rng.integers(3))]
    material, is_cemented = metal(rng, "titanium", "cobalt chrome", "steel"), bool(rng.random() < 0.4)
    x, y, z = HIP_JOINT
    parts: list[Part] = []
    for side in sides:
        stem = [(side * 116, 10, 552), (side * 126, 14, 572), (side * 124, 8, 610), (side * 119, 1, 690)]
        parts += hip_prosthesis((side * x, y, z), stem, material, liner, is_cemented=is_cemented)
    return parts


def _hip_nail(rng: np.random.Generator) -> list[Part]:
    """Hold a broken neck of femur by a nail and a blade."""
    side, material = float(rng.choice([-1.0, 1.0])), metal(rng, "titanium", "steel")
    x, y, z = HIP_JOINT
    shaft = nail([(side * 130, 18, 536), (side * 126, 12, 580), (side * 121, 4, 700)], 5.5, material)
    return [*shaft, *screw((side * 142, 20, 590), (side * (x + 4), y, z + 2), 4.8, material)]


def _sacral_screws(rng: np.random.Generator) -> list[Part]:
    """Fix a sacroiliac joint."""
    side, z = float(rng.choice([-1.0, 1.0])), float(rng.uniform(445.0, 470.0))
    y = float(SPINE.at(z)[0])
    return screw((side * 92, y + 6, z), (-side * 6, y - 2, z + 6), 3.4, metal(rng, "titanium", "steel"))


def _seeds(rng: np.random.Generator) -> list[Part]:
    """Make the seeds of a brachytherapy."""
    spots = rng.normal(0.0, 1.0, (int(rng.integers(20, 60)), 3)) * (9.0, 7.0, 8.0) + (0.0, -8.0, 568.0)
    material, half = metal(rng, "titanium", "platinum"), np.array([0.0, 0.0, 2.2])
    return [Part(Rods.along(np.stack([s - half, s + half]), 0.4), material, 0.4) for s in spots]


def _urinary_catheter(rng: np.random.Generator) -> list[Part]:
    """Make a catheter with its balloon in the bladder."""
    balloon = Part(Blob((0.0, -28.0, 536.0), (10.0, 10.0, 10.0)), Tissue(float(rng.uniform(-5.0, 15.0))))
    return [balloon, *tube([(0, -30, 600), (0, -24, 575), (0, -28, 524)], 2.6, Tissue(150.0), Tissue(5.0))]


_MAKERS: dict[str, tuple[tuple[Maker, float, bool], ...]] = {
    "thorax": (
        (_pacemaker, 0.08, False),
        (_sternal_wires, 0.09, False),
        (_valve, 0.04, False),
        (_port, 0.14, True),
        (_breathing_tube, 0.12, True),
        (_feeding_tube, 0.12, True),
        (_chest_drain, 0.07, True),
        (_spinal_rods, 0.05, False),
        (_stent_graft, 0.04, False),
    ),
    "abdomen": (
        (_feeding_tube, 0.12, True),
        (_spinal_rods, 0.08, False),
        (_stent_graft, 0.06, False),
        (_ureter_stent, 0.06, True),
    ),
    "pelvis": (
        (_hip, 0.12, False),
        (_hip_nail, 0.05, False),
        (_sacral_screws, 0.04, False),
        (_seeds, 0.05, False),
        (_urinary_catheter, 0.2, True),
        (_ureter_stent, 0.06, True),
    ),
}
"""Maker, chance, and whether it comes at any age, by region."""

"""Teeth: roots in the jaws, dentine, pulp and enamel, fillings and crowns of metal.

Coordinates as in :mod:`n2b_ct.phantom.human.brain`.
"""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.human.face_build import FaceBuild, FaceShape
from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.shapes import Tissue

DENTINE = Tissue(1750.0, 60.0, 40.0)
PULP = Tissue(120.0)


def paint_teeth(section: Section, face: FaceBuild, make: FaceShape) -> None:
    """Paint dentine, pulp, enamel, and what dentists added."""
    if abs(section.z_mm - section.pose.to_world(make.point((0, -70, 95)))[2]) > 75.0:
        return
    for number, kind in enumerate(face.teeth):
        if kind:
            _paint_tooth(section, face, make, number, kind)


def _paint_tooth(section: Section, face: FaceBuild, make: FaceShape, number: int, kind: int) -> None:
    """Paint one tooth; molars are thick, incisors thin."""
    is_upper, place = number < 16, number % 16 - 7.5
    angle = place / 8.0 * 0.5 * np.pi
    x, y = 24.0 * np.sin(angle), -41.0 - 43.0 * np.cos(angle)
    bite = 92.0 if is_upper else 92.6 + face.jaw_open_mm
    towards = -1.0 if is_upper else 1.0
    thick = 2.6 + 1.9 * min(1.0, max(0.0, abs(place) - 2.0) / 3.0)
    root, neck = bite + towards * (19.0 - 0.3 * thick), bite + towards * 7.0
    body = make.rods(
        [(x, y, root), (x, y, neck), (x, y, bite + towards * 1.2)], (0.35 * thick, 0.85 * thick, 0.9 * thick)
    )
    crown = make.rods([(x, y, neck - towards * 1.0), (x, y, bite + towards * 1.5)], (0.95 * thick, 1.05 * thick))
    section.draw(Tissue(60.0), body, grow_mm=0.35)
    section.draw(Tissue(0.92 * face.enamel_hu if kind == 3 else face.enamel_hu, 60.0, 40.0), crown)
    section.draw(DENTINE, body, grow_mm=-0.1 * thick)
    section.draw(PULP, make.rods([(x, y, root), (x, y, neck)], (0.2, 0.22 * thick)))
    metal = Tissue(face.metal_hu)
    if kind == 2:
        offset = 0.4 * thick * np.sin(3.0 * number)
        section.draw(metal, make.blob((x + offset, y, bite + towards * 2.2), (0.6 * thick, 0.5 * thick, 1.8)))
    elif kind == 3:
        section.draw(metal, crown, grow_mm=0.3)
        section.draw(DENTINE, crown, grow_mm=-0.7)

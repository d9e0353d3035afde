"""Diseases of the brain: infarcts, haemorrhages, tumours, lacunes, calcifications, faint small spots.

Coordinates as in :mod:`n2b_ct.phantom.human.brain`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.human.solids import Blob
from n2b_ct.phantom.shapes import Tissue


@dataclass(frozen=True, slots=True)
class Finding:
    """A diseased place in the brain.

    Attributes:
        place: Its core.
        added_hu: What it adds to the tissue, or, where ``hu`` is given, nothing.
        hu: What it replaces the tissue by, or None.
        rim_mm: Width of a swollen rim around it.
        rim_hu: What the rim adds.
        soft_mm: Width of its edge.
    """

    place: Blob
    added_hu: float
    hu: float | None = None
    rim_mm: float = 0.0
    rim_hu: float = 0.0
    soft_mm: float = 1.0


def paint_finding(section: Section, finding: Finding, inside: np.ndarray) -> None:
    """Lay a disease over the tissue, its outline frayed."""
    cut = section.cut(finding.place, margin_mm=finding.rim_mm + 2.0)
    if cut is None:
        return
    size = min(finding.place.radii_mm)
    frayed = cut.distance_mm + np.float32(min(2.5, 0.25 * size)) * section.field(88, max(2.0, 0.5 * size), cut.where)
    within, hu = inside[cut.where], section.canvas.hu
    is_brain = np.clip((hu[cut.where] - np.float32(12.0)) / np.float32(8.0), 0.0, 1.0)
    if finding.rim_mm > 0.0:
        rim = np.clip(1.0 - frayed / np.float32(finding.rim_mm), 0.0, 1.0) * within * is_brain
        hu[cut.where] += np.float32(finding.rim_hu) * rim
    core = section.cover(frayed, finding.soft_mm) * within
    if finding.hu is not None:
        section.paint(core, Tissue(finding.hu, 3.0, 2.0), cut.where)
    else:
        hu[cut.where] += np.float32(finding.added_hu) * core * is_brain


def draw_findings(rng: np.random.Generator) -> tuple[Finding, ...]:
    """Draw none to a few diseases of any kind, anywhere in the hemispheres, and several faint small spots."""
    kinds = (_infarct, _old_infarct, _haemorrhage, _tumour, _lacune, _spot, _calcification)
    chances = (0.4, 0.15, 0.22, 0.25, 0.9, 2.5, 0.8)
    return tuple(kind(rng) for kind, chance in zip(kinds, chances, strict=True) for _ in range(rng.poisson(chance)))


def _somewhere(rng: np.random.Generator, radius_mm: float, stretch: float = 0.35) -> Blob:
    """Place an irregular ellipsoid within the hemispheres."""
    direction = rng.normal(size=3)
    share = rng.uniform(0.2, 0.95) / np.linalg.norm(direction)
    x, y, z = direction * share * np.array([56.0, 72.0, 55.0])
    radii = radius_mm * np.exp(rng.normal(0.0, stretch, 3))
    turn = rng.uniform(-90.0, 90.0, 3)
    return Blob((float(x), float(y), float(min(z, 24.0) - 8.0)), _triple(np.clip(radii, 0.8, 32.0)), _triple(turn))


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _infarct(rng: np.random.Generator) -> Finding:
    return Finding(_somewhere(rng, rng.uniform(6.0, 26.0), 0.4), float(rng.uniform(-9.0, -3.0)), soft_mm=4.0)


def _old_infarct(rng: np.random.Generator) -> Finding:
    return Finding(_somewhere(rng, rng.uniform(4.0, 20.0), 0.4), float(rng.uniform(-24.0, -12.0)), soft_mm=2.0)


def _haemorrhage(rng: np.random.Generator) -> Finding:
    place = _somewhere(rng, rng.uniform(3.0, 18.0))
    return Finding(
        place, 0.0, float(rng.uniform(56.0, 78.0)), float(rng.uniform(1.0, 8.0)), float(rng.uniform(-12.0, -4.0)), 1.0
    )


def _tumour(rng: np.random.Generator) -> Finding:
    place, added = _somewhere(rng, rng.uniform(4.0, 18.0), 0.2), float(rng.choice([-12.0, -5.0, 5.0, 14.0, 45.0]))
    return Finding(place, added, None, float(rng.uniform(0.0, 12.0)), float(rng.uniform(-10.0, -3.0)), 1.2)


def _lacune(rng: np.random.Generator) -> Finding:
    return Finding(_somewhere(rng, rng.uniform(1.0, 3.5), 0.2), float(rng.uniform(-24.0, -6.0)), soft_mm=0.8)


def _spot(rng: np.random.Generator) -> Finding:
    sign = float(rng.choice([-1.0, 1.0]))
    return Finding(_somewhere(rng, rng.uniform(1.2, 6.0), 0.2), sign * float(rng.uniform(3.0, 10.0)), soft_mm=0.8)


def _calcification(rng: np.random.Generator) -> Finding:
    return Finding(_somewhere(rng, rng.uniform(0.8, 2.2), 0.2), float(rng.uniform(40.0, 500.0)), soft_mm=0.6)

"""Muscle compartments with fat between them: the cells of points that run along the body."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from n2b_ct.phantom.human.section import Section, Window
from n2b_ct.phantom.shapes import Tissue

MUSCLE = Tissue(57.0, 4.5, 3.5)
FAT = Tissue(-105.0, 5.0, 4.0)
STRAND = Tissue(20.0, 8.0, 5.0)


@dataclass(frozen=True, slots=True)
class Compartments:
    """Muscles side by side.

    Attributes:
        sites_mm: (x, y) of every muscle's middle at z = 0.
        drift: How far a middle moves, mm a mm of z.
        added_hu: What each muscle's HU differs from the average's.
        gap_mm: Thickness of the fat between them.
        fatty: Share of fat within them, 0 to 1.
        hu: The average muscle.
    """

    sites_mm: tuple[tuple[float, float], ...]
    drift: tuple[tuple[float, float], ...]
    added_hu: tuple[float, ...]
    gap_mm: float
    fatty: float
    hu: float = MUSCLE.hu


def draw_compartments(
    rng: np.random.Generator,
    sites_mm: np.ndarray,
    *,
    jitter_mm: float,
    gap_mm: float | None = None,
    contrast_hu: float = 0.0,
) -> Compartments:
    """Draw muscles about given middles, ``[n, 2]``."""
    sites = np.asarray(sites_mm, float) + rng.normal(0.0, jitter_mm, (len(sites_mm), 2))
    drift, added = rng.normal(0.0, 0.05, (len(sites), 2)), rng.normal(0.0, 2.5, len(sites))
    return Compartments(
        tuple((float(x), float(y)) for x, y in sites),
        tuple((float(x), float(y)) for x, y in drift),
        tuple(float(a) for a in added),
        float(rng.uniform(0.3, 2.4)) if gap_mm is None else gap_mm,
        float(rng.beta(1.1, 4.0)),
        float(rng.normal(56.0, 4.0)) + contrast_hu,
    )


def paint_compartments(
    section: Section, muscles: Compartments, cover: np.ndarray, where: Window, number: int = 0
) -> None:
    """Paint muscles within a coverage of the window ``where``: each with its HU, streaks and a sheath of fat.

    Args:
        section: Where.
        muscles: What.
        cover: Coverage of the window, ``[rows, cols]``.
        where: The window.
        number: Tells its fields from others'.
    """
    own, gap = _cells(section, muscles, cover > 0.0, where, number)
    added = np.asarray(muscles.added_hu, np.float32)[own]
    section.paint(cover, replace(MUSCLE, hu=muscles.hu), where)
    section.canvas.hu[where] += cover * added
    streaks = section.field(300 + number, 3.0, where, (1.6, 1.0))
    patches = section.field(301 + number, 12.0, where)
    amount = np.clip(np.float32(0.4 + 1.6 * muscles.fatty) * (patches + np.float32(1.2)), 0.0, 3.0)
    lines = np.exp(-((streaks / np.float32(0.16)) ** 2)) * np.float32(0.16) * amount
    lobes = np.clip((section.field(302 + number, 4.5, where) - np.float32(2.3 - 2.4 * muscles.fatty)), 0.0, 0.8)
    section.paint(cover * np.clip(lines + lobes * np.float32(muscles.fatty), 0.0, 0.9), FAT, where)
    size = np.float32(section.pose.size)
    wide = np.float32(muscles.gap_mm) * np.clip(np.float32(0.9) + np.float32(0.7) * patches, 0.12, 3.0)
    section.paint(cover * section.sheet(gap * size, wide * size), FAT, where)


def _cells(
    section: Section, muscles: Compartments, is_muscle: np.ndarray, where: Window, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find each pixel's nearest middle, and how far the border to the second nearest is, own millimetres.

    Squared distances are one product of the pixels' monomials with the middles' coefficients, as middles drift with z.
    """
    bend_x, bend_y = section.field(303 + number, 11.0, where), section.field(304 + number, 11.0, where)
    x = (section.x[where] + np.float32(2.0) * bend_x)[is_muscle]
    y, z = (section.y[where] + np.float32(2.0) * bend_y)[is_muscle], section.z[where][is_muscle]
    (sx, sy), (dx, dy) = np.asarray(muscles.sites_mm).T, np.asarray(muscles.drift).T
    columns = [sx**2 + sy**2, -2 * sx, -2 * sy, 2 * (sx * dx + sy * dy), dx**2 + dy**2, -2 * dx, -2 * dy]
    pixels = np.stack([np.ones_like(x), x, y, z, z * z, x * z, y * z])
    squared = np.stack(columns, axis=1).astype(np.float32) @ pixels
    index = np.arange(squared.shape[1])
    nearest = squared.argmin(axis=0)
    best = squared[nearest, index].copy()
    squared[nearest, index] = np.float32(1e9)
    other = squared.argmin(axis=0)
    sites = np.stack([sx, sy], axis=1).astype(np.float32)
    apart = np.hypot(*(sites[nearest] - sites[other]).T)
    own, gap = np.zeros(is_muscle.shape, np.intp), np.full(is_muscle.shape, np.float32(1e3))
    own[is_muscle] = nearest
    gap[is_muscle] = (squared[other, index] - best) / (np.float32(2.0) * np.maximum(apart, np.float32(1.0)))
    return own, gap

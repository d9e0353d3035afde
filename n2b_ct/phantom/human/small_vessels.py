"""Small vessels of skin and muscles: they run lengthwise, a few in every slice."""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.frame import WALL
from n2b_ct.phantom.human.thin_tubes import draw_thin_tubes
from n2b_ct.phantom.human.tissues import blood
from n2b_ct.phantom.human.wall import Body, arm_path
from n2b_ct.phantom.shapes import Canvas, Tubes

N_VESSELS = 90
MUSCLE_DEPTH_MM = 16.0
STEP_MM = 12.0


def draw_small_vessels(rng: np.random.Generator, build: Build) -> Tubes:
    """Lay vessels through subcutaneous fat and the outer muscles, and along the arms."""
    heights = np.arange(-40.0, 610.0, STEP_MM)
    half_width, half_depth, centre_y = WALL.along(heights)
    paths = []
    for _ in range(N_VESSELS):
        angle = rng.uniform(0.0, 2.0 * np.pi) + np.cumsum(rng.normal(0.0, 0.06, len(heights)))
        outwards = rng.uniform(-MUSCLE_DEPTH_MM, 0.9 * build.fat_mm) + np.cumsum(rng.normal(0.0, 0.8, len(heights)))
        x = (half_width + outwards) * np.sin(angle)
        y = centre_y + (half_depth + outwards) * np.cos(angle)
        first, last = sorted(rng.integers(0, len(heights), 2))
        paths.append(np.stack([x, y, heights], axis=1)[first : last + 2])
    for side in (-1.0, 1.0):
        for path, radii in arm_path(build, side)[1:]:
            for _ in range(6):
                aside = rng.normal(0.0, 1.0, 2)
                aside *= 0.75 * radii[1] / np.linalg.norm(aside)
                paths.append(np.asarray(path) + np.array([aside[0], aside[1], 0.0]))
    return _tubes(rng, paths)


def paint_small_vessels(canvas: Canvas, body: Body, vessels: Tubes, enhancement: Enhancement) -> None:
    """Paint the vessels outside chest and abdomen."""
    within = body.inside * (1.0 - body.cavity)
    draw_thin_tubes(canvas, vessels, blood(enhancement.vein_hu), within=within)


def _tubes(rng: np.random.Generator, paths: list[np.ndarray]) -> Tubes:
    """Join paths to one solid, each with its radius of 0.4 to 2 mm."""
    paths = [path for path in paths if len(path) > 1]
    radii = [np.full(len(path) - 1, np.exp(rng.uniform(np.log(0.4), np.log(2.0)))) for path in paths]
    start, end = (np.concatenate([path[part] for path in paths]) for part in (slice(None, -1), slice(1, None)))
    radius = np.concatenate(radii)
    return Tubes(start, end, radius, radius)

"""Stomach, duodenum, loops of small bowel, the colon's frame and the mesentery between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.human.contrast_agent import Enhancement
from n2b_ct.phantom.human.frame import CAVITY
from n2b_ct.phantom.human.hollow_organs import HollowOrgan, Point, draw_content
from n2b_ct.phantom.human.thin_tubes import draw_thin_tubes
from n2b_ct.phantom.human.tissues import FASCIA, MUSCLE, blood
from n2b_ct.phantom.shapes import Canvas, Tissue, Tubes
from n2b_ct.phantom.sheets import thin_sheets
from n2b_ct.phantom.vessels import grow_dense_tree

BOWEL_START_MM = 268.0
_STOMACH: list[Point] = [(52, 12, 206), (66, 2, 232), (58, -28, 262), (30, -46, 282), (-4, -42, 288), (-24, -22, 286)]
_DUODENUM: list[Point] = [(-26, -18, 286), (-42, 2, 296), (-44, 10, 330), (-26, 8, 352), (4, 0, 350), (32, 0, 326)]
_COLON: list[Point] = [
    (-84, -8, 432),
    (-96, -2, 400),
    (-100, 6, 360),
    (-96, 0, 322),
    (-84, -24, 304),
    (-58, -52, 318),
    (-14, -66, 338),
    (34, -66, 326),
    (72, -46, 292),
    (96, 4, 264),
    (104, 22, 290),
    (106, 20, 340),
    (104, 14, 390),
    (92, -6, 432),
    (66, -16, 462),
    (34, -6, 484),
    (8, -14, 466),
    (-14, 4, 474),
    (-6, 32, 490),
    (0, 50, 512),
    (0, 52, 540),
    (0, 50, 566),
    (0, 60, 592),
]
_SMALL_CHANCES = {"collapsed": 0.45, "fluid": 0.4, "gas": 0.15}
_COLON_CHANCES = {"stool": 0.55, "gas": 0.25, "collapsed": 0.12, "fluid": 0.08}


@dataclass(frozen=True)
class Bowel:
    """One patient's gut.

    Attributes:
        stomach: Stomach and duodenum.
        small: Loops of small bowel.
        colon: Stretches from caecum to anus.
        mesentery: Its vessels.
        nodes: Lymph nodes of mesentery and aorta.
        ascites_hu: HU of free fluid instead of fat between the loops, or 0 without.
    """

    stomach: tuple[HollowOrgan, ...]
    small: tuple[HollowOrgan, ...]
    colon: tuple[HollowOrgan, ...]
    mesentery: Tubes
    nodes: Tubes
    ascites_hu: float


def draw_bowel(rng: np.random.Generator, build: Build, enhancement: Enhancement) -> Bowel:
    """Lay the gut and grow the mesentery's vessels."""
    low, high = ((-96.0, -78.0, 300.0), (-84.0, -76.0, 470.0)), ((96.0, 18.0, 490.0), (84.0, 60.0, 600.0))
    points = np.concatenate([rng.uniform(a, b, (n, 3)) for a, b, n in zip(low, high, (2400, 1600), strict=True)])
    points = rng.permutation(points)
    root = np.array([0.0, -2.0, 322.0])
    n_loops = int(rng.integers(20, 28)) - int(12 * build.visceral_fat)
    loops = [_loop(rng, number, enhancement) for number in range(n_loops)]
    loops += _jejunum(rng, n_loops, enhancement)
    return Bowel(
        stomach=_draw_stomach(rng, enhancement),
        small=tuple(piece for loop in loops for piece in loop),
        colon=_draw_colon(rng, enhancement),
        mesentery=grow_dense_tree(rng, root, points, 0.35),
        nodes=_nodes(rng),
        ascites_hu=float(rng.uniform(3.0, 20.0)) if rng.random() < 0.07 else 0.0,
    )


def paint_bowel(canvas: Canvas, bowel: Bowel, hollow: np.ndarray, enhancement: Enhancement, seed: int) -> None:
    """Paint the mesentery's strands and vessels, then the gut."""
    plane = canvas.plane
    if bowel.ascites_hu > 0.0:
        canvas.paint(hollow, Tissue(bowel.ascites_hu, 2.0, 1.0))
    if plane.z_mm > BOWEL_START_MM - 60.0:
        canvas.paint(hollow * thin_sheets(plane, (seed, 13), ((9.0, 0.07, 0.25), (4.0, 0.08, 0.12))), FASCIA)
    blood_hu = 0.5 * (enhancement.portal_hu + enhancement.artery_hu)
    draw_thin_tubes(canvas, bowel.mesentery, blood(blood_hu), within=hollow)
    draw_thin_tubes(canvas, bowel.nodes, MUSCLE, within=hollow)
    for organ in (*bowel.small, *bowel.colon):
        organ.paint(canvas, hollow, enhancement, seed)


def _draw_stomach(rng: np.random.Generator, enhancement: Enhancement) -> tuple[HollowOrgan, ...]:
    """Draw stomach and duodenum, empty to full."""
    size = float(rng.uniform(0.55, 1.25))
    content, hu = draw_content(rng, enhancement.oral_hu, {"food": 0.4, "fluid": 0.35, "gas": 0.25})
    stomach = Tubes.along(_moved(rng, _STOMACH, 5.0), size * np.array([34.0, 37.0, 31.0, 24.0, 16.0, 11.0]))
    level = float(rng.uniform(-1.1, 0.3)) if content != "gas" else float(rng.uniform(-0.2, 0.7))
    wall_mm = 3.0 + 2.5 * max(0.0, 1.0 - size)
    duodenum = Tubes.along(_moved(rng, _DUODENUM, 3.0), rng.uniform(9.0, 13.0, len(_DUODENUM)))
    filled, filled_hu = draw_content(rng, enhancement.oral_hu, {"collapsed": 0.5, "fluid": 0.5})
    return (
        HollowOrgan(duodenum, 2.2, 2.0, 2.2, filled, filled_hu, float(rng.uniform(-1.5, -0.4)), 1),
        HollowOrgan(stomach, wall_mm, 4.0 / size, 5.0, content, hu, level, 2),
    )


def _loop(rng: np.random.Generator, number: int, enhancement: Enhancement) -> list[HollowOrgan]:
    """Wind one stretch of small bowel through the middle of the abdomen."""
    t = np.linspace(0.0, 1.0, 48)
    phase, turns = rng.uniform(0.0, 2.0 * np.pi, 3), rng.uniform(1.0, 3.6, 3)
    waves = np.sin(2.0 * np.pi * turns[:, None] * t + phase[:, None])
    z = rng.uniform(318.0, 525.0) + rng.uniform(8.0, 32.0) * (2.0 * t - 1.0) + 15.0 * waves[2]
    half_width, half_depth, centre_y = CAVITY.along(z)
    along = rng.uniform(-0.55, 0.55) + rng.uniform(0.2, 0.55) * waves[0]
    across = rng.uniform(-0.5, 0.35) + rng.uniform(0.2, 0.55) * waves[1]
    x, y = half_width * np.clip(along, -0.8, 0.8), centre_y - 14.0 + half_depth * np.clip(across, -0.72, 0.6)
    return _small_bowel(rng, np.stack([x, np.minimum(y, 18.0), z], axis=1), 10 + number, enhancement)


def _jejunum(rng: np.random.Generator, n_before: int, enhancement: Enhancement) -> list[list[HollowOrgan]]:
    """Wind the first loops under the stomach, and lay the colon's bend there."""
    loops = []
    for number in range(int(rng.integers(3, 7))):
        t = np.linspace(0.0, 1.0, 24)
        waves = np.sin(2.0 * np.pi * rng.uniform(0.8, 2.5, 3)[:, None] * t + rng.uniform(0.0, 6.3, 3)[:, None])
        middle = rng.uniform((40.0, -55.0, 225.0), (92.0, 15.0, 330.0))
        path = middle + (waves * np.array([[26.0], [22.0], [18.0]])).T
        loops.append(_small_bowel(rng, path, 10 + n_before + number, enhancement))
    return loops


def _small_bowel(rng: np.random.Generator, path: np.ndarray, key: int, enhancement: Enhancement) -> list[HollowOrgan]:
    """Draw width and filling of a stretch of small bowel, in pieces, so that walls part bends that touch."""
    t = np.linspace(0.0, 1.0, len(path))
    radii = rng.uniform(8.0, 12.5) + 1.4 * np.sin(44.0 * t + rng.uniform(0.0, 6.3)) + rng.normal(0.0, 0.4, len(t))
    content, hu = draw_content(rng, enhancement.oral_hu, _SMALL_CHANCES)
    wall_mm, folds_mm = (3.2, 3.0) if content == "collapsed" else (1.6, 1.7)
    level = float(rng.uniform(-0.3, 0.6)) if content == "gas" else float(rng.uniform(-2.2, -0.5))
    return [
        HollowOrgan(Tubes.along(path[k : k + 9], radii[k : k + 9]), wall_mm, folds_mm, 1.9, content, hu, level, key)
        for k in range(0, len(path) - 2, 8)
    ]


def _draw_colon(rng: np.random.Generator, enhancement: Enhancement) -> tuple[HollowOrgan, ...]:
    """Draw the colon in stretches, each with its own filling, with haustra."""
    path = _smoothed(_moved(rng, _COLON, 6.0), 6)
    mean = float(rng.uniform(11.0, 20.0))
    along = np.arange(len(path))
    radii = mean * (1.12 - 0.35 * along / len(path)) * (1.0 + 0.13 * np.sin(along * 1.5 + rng.uniform(0.0, 6.0)))
    ends = np.linspace(0, len(path) - 1, 7).astype(int)
    organs = []
    for number, (first, last) in enumerate(pairwise(ends)):
        content, hu = draw_content(rng, 0.4 * enhancement.oral_hu, _COLON_CHANCES)
        level = {"gas": rng.uniform(-0.2, 0.9), "stool": rng.uniform(-1.6, -0.3)}.get(content, rng.uniform(-1.2, 0.0))
        size = 0.6 if content == "collapsed" else 1.0
        tube = Tubes.along(path[first : last + 1], size * radii[first : last + 1])
        wall_mm = 3.5 if content == "collapsed" else 1.8
        organs.append(HollowOrgan(tube, wall_mm, 1.6, 6.0, content, hu, float(level), 60 + number))
    return tuple(organs)


def _nodes(rng: np.random.Generator) -> Tubes:
    """Scatter lymph nodes in the mesentery and along the aorta, as short thick tubes."""
    centres = np.concatenate(
        [
            rng.uniform((-60.0, -45.0, 320.0), (60.0, 0.0, 450.0), (30, 3)),
            rng.uniform((-30.0, 2.0, 270.0), (32.0, 26.0, 430.0), (18, 3)),
            np.array([1.0, 1.0, 1.0]) * rng.uniform((-75.0, -60.0, 520.0), (75.0, -40.0, 590.0), (14, 3)),
        ]
    )
    half = rng.normal(0.0, 2.0, centres.shape)
    radii = np.exp(rng.normal(np.log(2.2), 0.35, len(centres)))
    return Tubes(centres - half, centres + half, radii, radii)


def _moved(rng: np.random.Generator, path: list[Point], sigma_mm: float) -> np.ndarray:
    """Move every point of a path a little, ``[n, 3]``."""
    return np.asarray(path, float) + rng.normal(0.0, sigma_mm, (len(path), 3)) * (1.0, 0.7, 1.0)


def _smoothed(path: np.ndarray, n_between: int) -> np.ndarray:
    """Put points between those of a path, on a Catmull-Rom spline, ``[n, 3]``."""
    padded = np.concatenate([path[:1], path, path[-1:]])
    t = np.arange(n_between)[:, None] / n_between
    pieces = []
    for a, b, c, d in zip(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], strict=True):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*pieces, path[-1:]])

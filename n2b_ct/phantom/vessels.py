"""Branching trees that fill an organ: vessels and airways."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from n2b_ct.phantom.shapes import Tubes

_STEP_MM = 5.0
_DENSE_STEP_MM = 6.0
_MURRAY_EXPONENT = 2.6
"""Parent and daughter radii: r₀^k = r₁^k + r₂^k; Murray's law has k = 3, large airways and arteries less."""


def grow_tree(rng: np.random.Generator, root_mm: np.ndarray, targets_mm: np.ndarray, tip_radius_mm: float) -> Tubes:
    """Connect a root with every target, each from the nearest point of the tree so far.

    Args:
        rng: Bends the branches.
        root_mm: ``[3]``.
        targets_mm: ``[n, 3]``; nearer targets are connected first.
        tip_radius_mm: Radius of a twig; stems follow from the number of twigs they feed.

    Returns:
        The tree's segments.
    """
    order = np.argsort(np.linalg.norm(targets_mm - root_mm, axis=1), kind="stable")
    points, parents = np.asarray(root_mm, float)[None], np.zeros(1, int)
    for target in targets_mm[order]:
        nearest = int(np.argmin(((points - target) ** 2).sum(axis=1)))
        branch = _branch(rng, points[nearest], target)
        numbers = np.arange(len(points), len(points) + len(branch))
        points = np.concatenate([points, branch])
        parents = np.concatenate([parents, [nearest], numbers[:-1]])
    radii = _murray_radii(parents, tip_radius_mm)
    child, parent = np.arange(1, len(points)), parents[1:]
    start_radius = np.minimum(radii[parent], 1.35 * radii[child])
    return Tubes(points[parent], points[child], start_radius, radii[child])


def grow_dense_tree(
    rng: np.random.Generator,
    root_mm: np.ndarray,
    targets_mm: np.ndarray,
    tip_radius_mm: float,
    exponent: float = _MURRAY_EXPONENT,
) -> Tubes:
    """Connect a root with thousands of targets, in generations, each twice as many as the one before.

    A twig springs from the generation before the last one at the latest, so that twigs are long.

    Args:
        rng: Bends the branches.
        root_mm: ``[3]``.
        targets_mm: ``[n, 3]``, in random order.
        tip_radius_mm: Radius of a twig; see :func:`grow_tree`.
        exponent: Of Murray's law; the larger, the thicker the middle generations beside the stem.

    Returns:
        The tree's segments.
    """
    points, parents = np.asarray(root_mm, float)[None], np.zeros(1, int)
    first, number, n_stems = 0, 12, 1
    while first < len(targets_mm):
        targets = targets_mm[first : first + number]
        nearest = cKDTree(points[:n_stems]).query(targets)[1]
        n_stems = len(points)
        steps = np.maximum(1, np.round(np.linalg.norm(targets - points[nearest], axis=1) / _DENSE_STEP_MM).astype(int))
        owner = np.repeat(np.arange(len(targets)), steps)
        step = np.arange(len(owner)) - np.repeat(np.cumsum(steps) - steps, steps)
        share = ((step + 1) / steps[owner])[:, None]
        start = points[nearest[owner]]
        bends = rng.normal(0.0, 1.0, (len(owner), 3)) * (share < 1.0)
        parent = np.where(step == 0, nearest[owner], len(points) + np.arange(len(owner)) - 1)
        points = np.concatenate([points, start + (targets[owner] - start) * share + bends])
        parents = np.concatenate([parents, parent])
        first, number = first + number, 2 * number
    radii = _murray_radii(parents, tip_radius_mm, exponent)
    child, parent = np.arange(1, len(points)), parents[1:]
    return Tubes(points[parent], points[child], np.minimum(radii[parent], 1.35 * radii[child]), radii[child])


def _branch(rng: np.random.Generator, start_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Walk from a point to a target, slightly bent on the way, ``[steps, 3]``."""
    n_steps = max(1, round(float(np.linalg.norm(target_mm - start_mm)) / _STEP_MM))
    shares = np.arange(1, n_steps + 1)[:, None] / n_steps
    bends = rng.normal(0.0, 0.9, (n_steps, 3)) * (shares < 1.0)
    return np.asarray(start_mm + (target_mm - start_mm) * shares + bends)


def _murray_radii(parents: np.ndarray, tip_radius_mm: float, exponent: float = _MURRAY_EXPONENT) -> np.ndarray:
    """Give every node the radius that its twigs add up to, ``[nodes]``."""
    has_child = np.zeros(len(parents), bool)
    has_child[parents[1:]] = True
    twigs = np.where(has_child, 0.0, 1.0)
    for node in range(len(parents) - 1, 0, -1):
        twigs[parents[node]] += twigs[node]
    return np.asarray(tip_radius_mm * twigs ** (1.0 / exponent))

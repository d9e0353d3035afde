"""Trees: every target is fed, and stems are as thick as their twigs demand."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.phantom.vessels import grow_dense_tree, grow_tree


def tree(n_targets: int = 40) -> tuple[object, np.ndarray]:
    rng = np.random.default_rng(5)
    targets = rng.uniform(-40.0, 40.0, (n_targets, 3))
    return grow_tree(rng, np.zeros(3), targets, 0.6), targets


def test_every_target_is_the_end_of_a_segment() -> None:
    grown, targets = tree()
    gaps = np.linalg.norm(grown.end_mm[None] - targets[:, None], axis=2).min(axis=1)
    assert gaps.max() < 1e-9


def test_segments_hang_together() -> None:
    grown, _ = tree()
    places = {tuple(point) for point in grown.end_mm} | {(0.0, 0.0, 0.0)}
    assert all(tuple(point) in places for point in grown.start_mm)


def test_twigs_have_the_tip_radius_and_the_stem_feeds_them_all() -> None:
    rng = np.random.default_rng(5)
    line = np.array([[0.0, 0.0, 40.0], [1.0, 0.0, 80.0]])
    grown = grow_tree(rng, np.zeros(3), line, 0.6)
    assert grown.end_radius_mm.min() == pytest.approx(0.6)
    grown, _ = tree()
    assert grown.end_radius_mm.max() <= 0.6 * 40 ** (1 / 2.6) + 1e-9


def test_a_dense_tree_feeds_every_target_and_hangs_together() -> None:
    rng = np.random.default_rng(6)
    targets = rng.uniform(-40.0, 40.0, (500, 3))
    grown = grow_dense_tree(rng, np.zeros(3), targets, 0.4)
    gaps = np.linalg.norm(grown.end_mm[None] - targets[:, None], axis=2).min(axis=1)
    assert gaps.max() < 1e-9
    places = {tuple(point) for point in grown.end_mm} | {(0.0, 0.0, 0.0)}
    assert all(tuple(point) in places for point in grown.start_mm)
    assert grown.end_radius_mm.min() == pytest.approx(0.4)
    assert 3.0 * 0.4 < grown.end_radius_mm.max() <= 0.4 * 500 ** (1 / 2.6) + 1e-9

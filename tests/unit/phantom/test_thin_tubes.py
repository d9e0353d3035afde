"""Thin tubes drawn at once cover what tubes drawn one by one cover, wherever the warp takes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.phantom.human.region import straight_plane
from n2b_ct.phantom.human.thin_tubes import draw_thin_tubes
from n2b_ct.phantom.shapes import Canvas, Tissue, Tubes

AXIS = np.arange(-40.0, 40.0, 0.5)


def tubes(radius_mm: float = 2.0) -> Tubes:
    rng = np.random.default_rng(1)
    start = rng.uniform(-30.0, 30.0, (60, 3)) * (1.0, 1.0, 0.3)
    radii = np.full(60, radius_mm)
    return Tubes(start, start + rng.normal(0.0, 4.0, (60, 3)), radii, 0.8 * radii)


def canvas(*, is_bent: bool = False) -> Canvas:
    plane = straight_plane(0.0, AXIS, AXIS)
    if is_bent:
        bend = (3.0 * np.sin(plane.y_mm / 30.0)).astype(np.float32)
        plane = replace(plane, x_mm=plane.x_mm + bend, y_mm=plane.y_mm - bend, warp_limit_mm=4.0)
    return Canvas(plane, Tissue(0.0))


@pytest.mark.parametrize("is_bent", [False, True])
def test_they_cover_what_tubes_drawn_one_by_one_cover(is_bent: bool) -> None:
    at_once, one_by_one = canvas(is_bent=is_bent), canvas(is_bent=is_bent)
    draw_thin_tubes(at_once, tubes(), Tissue(1.0))
    one_by_one.draw(tubes(), Tissue(1.0))
    assert one_by_one.hu.sum() > 500.0
    np.testing.assert_allclose(at_once.hu, one_by_one.hu, atol=1e-3)


def test_they_are_painted_only_within() -> None:
    half = canvas()
    left = np.broadcast_to((AXIS < 0.0).astype(np.float32)[None], half.hu.shape)
    draw_thin_tubes(half, tubes(), Tissue(1.0), within=left)
    assert half.hu[:, AXIS < 0.0].max() == 1.0
    assert half.hu[:, AXIS >= 0.0].max() == 0.0


def test_a_tube_thinner_than_a_pixel_is_fainter() -> None:
    thick, thin = canvas(), canvas()
    draw_thin_tubes(thick, tubes(0.5), Tissue(1.0))
    draw_thin_tubes(thin, tubes(0.1), Tissue(1.0))
    assert 0.0 < thin.hu.max() < 0.4 < thick.hu.max()


def test_tubes_beside_the_slice_leave_no_trace() -> None:
    empty = canvas()
    draw_thin_tubes(empty, Tubes.along([(0, 0, 50), (0, 0, 60)], 2.0), Tissue(1.0))
    assert empty.hu.max() == 0.0

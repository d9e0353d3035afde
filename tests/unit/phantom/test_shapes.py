"""Solids: their area on a slice is what geometry says, whatever the pixel grid."""

from __future__ import annotations

import math

import numpy as np
import pytest

from n2b_ct.phantom.shapes import (
    Canvas,
    Ellipsoid,
    Plane,
    Tissue,
    Tubes,
    ellipse_distance,
    smooth_union,
    superellipse_distance,
)


def plane(z_mm: float, pixel_mm: float = 0.8) -> Plane:
    axis = np.arange(-60.0, 60.0, pixel_mm)
    x, y = np.meshgrid(axis.astype(np.float32), axis.astype(np.float32))
    return Plane(z_mm, axis, axis, x, y)


def area_mm2(solid: Ellipsoid | Tubes, z_mm: float, pixel_mm: float = 0.8) -> float:
    canvas = Canvas(plane(z_mm, pixel_mm), Tissue(0.0))
    canvas.draw(solid, Tissue(1.0))
    return float(canvas.hu.sum()) * pixel_mm**2


@pytest.mark.parametrize("pixel_mm", [0.5, 0.8, 2.0])
@pytest.mark.parametrize("tilt_deg", [0.0, 35.0])
def test_an_ellipsoids_section_has_its_area(pixel_mm: float, tilt_deg: float) -> None:
    ellipsoid = Ellipsoid((5.0, -3.0, 100.0), (24.0, 12.0, 40.0), tilt_deg)
    expected = math.pi * 24.0 * 12.0 * (1.0 - (20.0 / 40.0) ** 2)
    assert area_mm2(ellipsoid, 120.0, pixel_mm) == pytest.approx(expected, rel=0.02)


def test_a_tube_across_the_slice_leaves_a_disc_and_along_it_a_stadium() -> None:
    assert area_mm2(Tubes.along([(0, 0, 80), (0, 0, 120)], 6.0), 100.0) == pytest.approx(36.0 * math.pi, rel=0.01)
    lying = Tubes.along([(-20, 0, 100), (20, 0, 100)], 6.0)
    assert area_mm2(lying, 100.0) == pytest.approx(36.0 * math.pi + 480.0, rel=0.01)


def test_a_tube_may_taper() -> None:
    tube = Tubes.along([(0, 0, 0), (0, 0, 100)], (4.0, 8.0))
    assert area_mm2(tube, 50.0) == pytest.approx(36.0 * math.pi, rel=0.02)


def test_a_slice_beside_a_solid_does_not_see_it() -> None:
    assert Ellipsoid((0.0, 0.0, 0.0), (5.0, 5.0, 5.0)).cut(plane(6.0)) is None
    assert Tubes.along([(0, 0, 0), (9, 0, 0)], 2.0).cut(plane(3.0)) is None


def test_the_pixels_above_a_tubes_axis_are_known() -> None:
    cut = Tubes.along([(0, 10, 80), (0, 10, 120)], 6.0).cut(plane(100.0))
    assert cut is not None
    rows = plane(100.0).row_mm[cut.where[0]]
    column = cut.below_axis_mm.shape[1] // 2
    np.testing.assert_allclose(cut.below_axis_mm[:, column], rows - 10.0, atol=1e-3)


def test_paint_covers_by_share_and_only_within() -> None:
    canvas = Canvas(plane(0.0), Tissue(-100.0, 4.0))
    canvas.paint(np.full(canvas.hu.shape, 0.25, np.float32), Tissue(100.0, 8.0))
    assert np.unique(canvas.hu) == pytest.approx([-50.0])
    assert np.unique(canvas.texture_hu) == pytest.approx([5.0])
    canvas.draw(Ellipsoid((0.0, 0.0, 0.0), (9.0, 9.0, 9.0)), Tissue(500.0), within=np.zeros_like(canvas.hu))
    assert np.unique(canvas.hu) == pytest.approx([-50.0])


def test_a_smooth_union_holds_both_solids_and_a_fillet() -> None:
    grid = plane(0.0)
    parts = [ellipse_distance(grid.x_mm - shift, grid.y_mm, 15.0, 15.0) for shift in (-14.0, 14.0)]
    joined = smooth_union(parts, 6.0)
    assert (joined <= np.minimum(*parts) + 1e-4).all()
    assert joined.min() > np.minimum(*parts).min() - 2.0


def test_a_superellipse_of_power_2_is_an_ellipse_and_of_a_higher_one_boxier() -> None:
    grid = plane(0.0)
    ellipse = ellipse_distance(grid.x_mm, grid.y_mm, 30.0, 20.0)
    off_centre = np.hypot(grid.x_mm, grid.y_mm) > 12.0
    same = superellipse_distance(grid.x_mm, grid.y_mm, 30.0, 20.0, 2.0)
    np.testing.assert_allclose(same[off_centre], ellipse[off_centre], atol=1e-2)
    assert same.min() >= -20.0
    area = [float((superellipse_distance(grid.x_mm, grid.y_mm, 30.0, 20.0, power) < 0).mean()) for power in (2.0, 3.0)]
    assert area[1] > 1.05 * area[0]

"""Disks of known size, contrast and blur against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, special

from n2b_ct.errors import DataError
from n2b_ct.evaluation.disks import SUBPIXELS, Disk, disk_hu, distance_mm, insert_disk, roi_centre_px

PIXEL_MM = (0.6, 0.8)


def test_a_sharp_disk_covers_its_area() -> None:
    disk = Disk((30.3, 29.6), 9.0, 50.0)
    area_mm2 = disk_hu((64, 64), disk, PIXEL_MM).sum() / 50.0 * PIXEL_MM[0] * PIXEL_MM[1]
    rim_px = 2.0 * np.pi * 9.0 / 0.6
    assert area_mm2 == pytest.approx(np.pi * 81.0, abs=np.sqrt(rim_px) * PIXEL_MM[0] * PIXEL_MM[1] / SUBPIXELS)


def test_blur_keeps_the_mass_of_a_disk() -> None:
    area_mm2 = disk_hu((96, 96), Disk((47.0, 48.0), 9.0, 1.0, 1.2), PIXEL_MM).sum() * PIXEL_MM[0] * PIXEL_MM[1]
    assert area_mm2 == pytest.approx(np.pi * 81.0, rel=1e-6)


def test_a_blurred_disk_is_the_numerical_blur_of_a_finely_drawn_one() -> None:
    fine, sigma_mm, radius_mm = 16, 1.0, 6.0
    centre = (24 * fine + fine / 2 - 0.5,) * 2
    sharp = disk_hu((49 * fine, 49 * fine), Disk(centre, radius_mm, 10.0), (0.5 / fine, 0.5 / fine))
    blurred = ndimage.gaussian_filter(sharp, sigma_mm / 0.5 * fine, truncate=6)
    middle = fine // 2
    by_hand = 0.25 * sum(blurred[a::fine, b::fine] for a in (middle - 1, middle) for b in (middle - 1, middle))
    ours = disk_hu((49, 49), Disk((24.0, 24.0), radius_mm, 10.0, sigma_mm), (0.5, 0.5))
    np.testing.assert_allclose(ours, by_hand, atol=10.0 * 2e-3)


def test_the_centre_of_a_blurred_disk_has_the_rayleigh_closed_form() -> None:
    value = disk_hu((11, 11), Disk((5.0, 5.0), 2.0, 1.0, 1.5), (1.0, 1.0))[5, 5]
    assert value == pytest.approx(1.0 - np.exp(-(2.0**2) / (2.0 * 1.5**2)), rel=1e-9)


def test_a_large_disks_rim_is_the_error_function() -> None:
    hu = disk_hu((3, 4001), Disk((1.0, 0.0), 1500.0, 1.0, 2.0), (1.0, 1.0))[1]
    r = np.arange(1490, 1511)
    np.testing.assert_allclose(hu[r], 0.5 * special.erfc((r - 1500.0) / (2.0 * np.sqrt(2.0))), atol=2e-3)


def test_a_disk_is_added_to_every_slice_of_a_stack() -> None:
    stack = np.random.default_rng(0).normal(size=(3, 32, 32)).astype(np.float32)
    disk = Disk((15.0, 16.0), 4.0, -20.0)
    np.testing.assert_allclose(insert_disk(stack, disk, (1.0, 1.0)) - stack, [disk_hu((32, 32), disk, (1.0, 1.0))] * 3)


def test_distances_are_in_millimetres_along_both_axes() -> None:
    assert distance_mm((5, 5), (2.0, 1.0), PIXEL_MM)[4, 4] == pytest.approx(np.hypot(2 * 0.6, 3 * 0.8))
    assert roi_centre_px(32) == (15.5, 15.5)


@pytest.mark.parametrize("disk", [Disk((4, 4), 0.0, 5.0), Disk((4, 4), 2.0, 5.0, -1.0)])
def test_impossible_disks_are_refused(disk: Disk) -> None:
    with pytest.raises(DataError, match="radius must be above 0 and blur not below 0"):
        disk_hu((9, 9), disk, (1.0, 1.0))

"""Sheets of fat: cells run lengthwise, and borders lie half-way between their points."""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.human.region import straight_plane
from n2b_ct.phantom.sheets import compartment_borders, thin_sheets

AXIS = np.arange(-60.0, 60.0, 1.0)
WHOLE = (slice(None), slice(None))


def borders(z_mm: float, spacing_mm: float = 30.0) -> np.ndarray:
    unbent = [np.zeros((len(AXIS), len(AXIS)), np.float32)] * 2
    return compartment_borders(straight_plane(z_mm, AXIS, AXIS), (3,), WHOLE, spacing_mm, unbent)


def test_distances_to_borders_are_never_negative_and_reach_into_cells() -> None:
    distance = borders(10.0)
    assert distance.min() >= 0.0
    assert 6.0 < distance.max() < 30.0
    assert 0.02 < (distance < 1.0).mean() < 0.2


def test_cells_run_lengthwise() -> None:
    here, near, far = (borders(z) for z in (10.0, 11.0, 110.0))
    assert np.abs(here - near).mean() < 0.2 * np.abs(here - far).mean()


def test_wider_sheets_cover_more() -> None:
    plane = straight_plane(0.0, AXIS, AXIS)
    thin, wide = (thin_sheets(plane, (1,), ((12.0, width, 1.0),)).mean() for width in (0.05, 0.2))
    assert 0.0 < 2.0 * thin < wide < 0.5

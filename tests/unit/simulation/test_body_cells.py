"""Squares of the body: lungs belong to it, the table and the air around do not."""

from __future__ import annotations

import numpy as np

from n2b_ct.simulation.body_cells import CELL_PX, body_cells

SIZE_PX = 160
FROM_MIDDLE_PX = np.hypot(*np.meshgrid(*[np.arange(SIZE_PX) - 79.5] * 2))


def slice_hu() -> np.ndarray:
    """A body of 56 px with a lung of 24 px, above a thin table."""
    hu = np.where(FROM_MIDDLE_PX < 56, 40.0, -1000.0)
    hu[FROM_MIDDLE_PX < 24] = -870.0
    hu[148:151] = 200.0
    return hu.astype(np.float32)


def test_lungs_belong_to_the_body_and_the_table_does_not() -> None:
    cells = body_cells(slice_hu())
    assert cells.shape == (10, 10)
    assert cells[4:6, 4:6].all()
    assert not cells[9].any()
    assert not cells[0, 0]


def test_noise_changes_little() -> None:
    noisy = slice_hu() + np.random.default_rng(0).normal(0.0, 60.0, (SIZE_PX, SIZE_PX)).astype(np.float32)
    assert np.mean(body_cells(noisy) == body_cells(slice_hu())) > 0.95


def test_what_is_no_whole_square_is_left_out() -> None:
    assert body_cells(slice_hu()[:150, :130]).shape == (150 // CELL_PX, 130 // CELL_PX)

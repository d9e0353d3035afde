"""The picture of both losses: its lines and shade from run folders."""

from __future__ import annotations

import pytest

from benchmarks.experiment_losses import draw_losses, loss_curves
from tests.run_folders import write_run, write_table_folder

HISTORY = "iteration,loss_n2b,loss_n2c,seconds\n5,0.9,,1\n10,0.3,,2\n15,0.2,0.4,3\n20,0.1,0.2,4\n"


@pytest.fixture
def folder(tmp_path):
    """Two rows of Noise2Blur, one that was not run, and a U-Net."""
    write_table_folder(tmp_path)
    for slug, method in (("n2b", "noise2blur"), ("n2b_v", "noise2blur"), ("u_net", "supervised")):
        (write_run(tmp_path, slug, method) / "history.csv").write_text(HISTORY, encoding="utf-8")
    return tmp_path


def test_every_run_of_noise2blur_is_a_line_in_each_panel(folder):
    left, right = draw_losses(loss_curves(folder)).axes
    assert [line.get_label() for line in left.lines] == ["N2B", "N2B_v"]
    assert left.lines[0].get_xydata().tolist() == [[5, 0.9], [10, 0.3], [15, 0.2], [20, 0.1]]
    assert right.lines[1].get_xydata().tolist() == [[15, 0.4], [20, 0.2]]


def test_the_shade_is_the_initial_stage(folder):
    for axes in draw_losses(loss_curves(folder)).axes:
        (shade,) = axes.patches
        assert (shade.get_x(), shade.get_width()) == (0, 10)


def test_only_named_rows_are_drawn(folder):
    assert [one.name for one in loss_curves(folder, ["N2B_v", "U-Net"])] == ["N2B_v"]

"""The viewer's images: whole HU come back exactly, and a page stays small enough to open."""

from __future__ import annotations

import zlib
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.evaluation.report import Panel, SliceCase, measure_slice, summarise
from n2b_ct.evaluation.report.slice_images import HIGHEST_HU, LOWEST_HU, draw_panel, pack, viewer_slices, viewer_view
from n2b_ct.hu import WINDOWS

ABDOMEN = {"abdomen": WINDOWS["abdomen"]}


def unpack(packed: str, rows: int, cols: int) -> np.ndarray:
    raw = np.frombuffer(zlib.decompress(b64decode(packed)), dtype=np.uint8).astype(np.int64)
    words = raw[: rows * cols] + 256 * raw[rows * cols :]
    difference = np.where(words % 2, -(words + 1) // 2, words // 2).reshape(rows, cols)
    return difference.cumsum(axis=0).cumsum(axis=1)


def make_panel(dose: float | None, k: int = 0, names: tuple[str, ...] = ("nlm", "n2b")) -> Panel:
    rng = np.random.default_rng(k)
    truth = np.pad(np.full((60, 50), 40.0), 20, constant_values=-1000.0)
    noisy = truth + rng.normal(0.0, 30.0, truth.shape)
    candidates = {name: truth + rng.normal(0.0, 5.0, truth.shape) for name in ("nlm", "n2b")}
    return Panel(SliceCase("<b>", dose, k, noisy, candidates, truth, 3.0 * k), names, "why")


def test_a_packed_image_comes_back_to_the_hu() -> None:
    hu = np.random.default_rng(1).normal(0.0, 900.0, (23, 31))
    np.testing.assert_array_equal(unpack(pack(hu), 23, 31), np.rint(np.clip(hu, LOWEST_HU, HIGHEST_HU)))


def test_the_steepest_image_fits_into_sixteen_bits() -> None:
    hu = np.where(np.indices((9, 9)).sum(axis=0) % 2, -5000.0, 9000.0)
    np.testing.assert_array_equal(unpack(pack(hu), 9, 9), np.where(hu < 0, LOWEST_HU, HIGHEST_HU))


def test_every_image_of_a_slice_is_cropped_to_the_patient() -> None:
    (entry,) = viewer_slices([make_panel(0.1)])
    assert list(entry.planes) == ["input", "nlm", "n2b", "reference"]
    assert entry.rows < 100
    found = unpack(entry.planes["reference"], entry.rows, entry.cols)
    assert (found == 40).sum() == 60 * 50


def test_slices_that_do_not_fit_are_left_out_of_the_fullest_dose() -> None:
    panels = [make_panel(0.05, k) for k in range(3)] + [make_panel(0.25, 3)]
    each = viewer_slices(panels)[0].n_bytes
    kept = viewer_slices(panels, max_bytes=int(2.5 * each))
    assert [entry.panel.case.dose for entry in kept] == [0.05, 0.25]
    assert len(viewer_slices(panels, max_bytes=1)) == 1


def test_the_viewer_knows_doses_windows_methods_and_measures() -> None:
    panels = [make_panel(0.05, 0), make_panel(0.25, 1)]
    rows = [row for panel in panels for row in measure_slice(panel.case, ABDOMEN)]
    view = viewer_view(viewer_slices(panels), summarise(rows, ABDOMEN, baselines=("nlm",)))
    assert view["doses"] == ["5 %", "25 %"]
    assert [window["name"] for window in view["windows"]] == ["abdomen", "lung", "bone", "brain"]
    assert [method["label"] for method in view["methods"]] == ["low dose", "nlm", "n2b", "normal dose"]
    assert view["shown"] == ["input", "nlm", "n2b", "reference"]
    assert view["slices"][1]["label"] == "<b>, slice 1, 3.0 mm"
    assert view["slices"][1]["planes"]["n2b"] == "plane-1-2"
    assert " dB · SSIM " in view["slices"][0]["measures"]["n2b"]


def test_without_an_input_its_stand_in_is_shown_once_and_differences_are_against_it() -> None:
    whole = make_panel(0.1)
    case = replace(whole.case, input_hu=whole.case.reference_hu, anchor="reference")
    (entry,) = viewer_slices([Panel(case, whole.methods)])
    assert list(entry.planes) == ["reference", "nlm", "n2b"]
    rows = measure_slice(case, ABDOMEN)
    view = viewer_view([entry], summarise(rows, ABDOMEN, baselines=()))
    assert view["anchor"] == "reference"
    assert view["shown"] == ["nlm", "n2b", "reference"]
    drawn = draw_panel(Panel(case, whole.methods), WINDOWS["abdomen"])
    assert ["residual" in images for images in drawn.values()] == [False, True, True]


def test_a_method_that_was_not_run_is_refused() -> None:
    with pytest.raises(DataError, match=r"a panel shows methods that were run, got unet; choose among nlm, n2b"):
        viewer_slices([make_panel(0.1, names=("unet",))])

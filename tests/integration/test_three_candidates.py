"""One denoiser keeps faint lesions, one halves them, one erases them: ``n2b-ct evaluate`` tells the three apart.

PSNR, SSIM and the edges in the residual do not. On digital discs, and on a Mayo pair where it is at hand.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from scipy import ndimage

from n2b_ct.cli import run
from n2b_ct.evaluation.ct_baselines import chosen_baselines, denoise_slice
from n2b_ct.evaluation.disks import Disk, disk_hu
from n2b_ct.evaluation.report.formatting import number
from n2b_ct.evaluation.report.schema import report_schema
from n2b_ct.evaluation.rois import flat_squares
from n2b_ct.io.dicom.ct_reader import read_slice
from tests.integration.scenes import write_series
from tests.json_schema import schema_problems

SHARES = {"keep": 1.0, "halve": 0.5, "erase": 0.0}
LESION_HU, LESION_MM = 10.0, 5.0


def lesions_hu(noisy: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Disks in flat soft tissue, four a slice, ``[slices, rows, cols]``."""
    hu = np.zeros(noisy.shape)
    for k, slice_hu in enumerate(noisy):
        corners = flat_squares(slice_hu, 16, 3.0)
        for row, col in (corners[int((j + 0.5) * len(corners) / 4)] for j in range(4)):
            disk = Disk((row + 7.5, col + 7.5), LESION_MM / 2, LESION_HU)
            hu[k] += disk_hu(slice_hu.shape, disk, (pixel_mm, pixel_mm))
    return hu


def series_hu(folder: Path) -> np.ndarray:
    """Slices of a folder by their place in the patient, ``[slices, rows, cols]``."""
    paths = sorted(folder.iterdir(), key=lambda path: float(dcmread(path).ImagePositionPatient[2]))
    return np.stack([read_slice(path).hu for path in paths])


def evaluated(folder: Path, full: np.ndarray, low: np.ndarray, denoised: np.ndarray, pixel_mm: float, *more: str):
    """Put lesions into a pair, keep a share of them in each candidate, evaluate; the report's document and page."""
    lesions = lesions_hu(low, pixel_mm)
    spacing = {"PixelSpacing": [pixel_mm, pixel_mm]}
    write_series(folder / "full", full + lesions, uid=41, **spacing)
    write_series(folder / "low", low + lesions, uid=42, **spacing)
    options = ["evaluate", "--reference", str(folder / "full"), "--input", str(folder / "low")]
    for k, (name, share) in enumerate(SHARES.items()):
        write_series(folder / name, denoised + share * lesions, uid=43 + k, **spacing)
        options += ["--candidate", f"{name}={folder / name}"]
    assert run([*options, "--baseline", "gaussian", "--out", str(folder / "report"), *more]) == 0
    document = json.loads((folder / "report" / "report.json").read_text("utf-8"))
    return document, (folder / "report" / "report.html").read_text("utf-8")


def require_told_apart(document, page) -> None:
    assert schema_problems(document, report_schema()) == []
    psnr = {one["method"]: one["psnr_db"]["mean"] for one in document["results"] if one["window"] == "abdomen"}
    assert max(abs(psnr[name] - psnr["keep"]) for name in SHARES) < 0.2
    assert sum(one["n_warned"] for one in document["physics"]["residual"] if one["method"] in SHARES) == 0
    rows = {
        one["method"]: one
        for one in document["low_contrast"]
        if (one["contrast_hu"], one["size_mm"]) == (LESION_HU, LESION_MM)
    }
    for name, share in SHARES.items():
        assert rows[name]["recovery"] == pytest.approx(share, abs=0.15)
        assert rows[name]["low"] <= share <= rows[name]["high"]
    assert [rows[name]["grade"] for name in SHARES] == ["safe", "at risk", "lost"]
    (words,) = [sentence for sentence in document["summary"] if sentence.startswith("Lesions of low contrast")]
    assert words in page
    for name, told in (("keep", "safe"), ("halve", "at risk"), ("erase", "⚠ lost")):
        left = number(100 * rows[name]["recovery"], 0)
        assert f"{name}: {told}: 10 HU at 5 mm ({left} % of the contrast is left)" in words


def test_lesions_kept_halved_and_erased_on_a_digital_patient_are_told_apart_in_words(tmp_path):
    n_slices, size_px, pixel_mm = 7, 256, 0.75
    rng = np.random.default_rng(4)
    rows, cols = np.mgrid[:size_px, :size_px] - size_px / 2
    body = np.where(np.hypot(rows, cols) < 118, 45.0, -1000.0)[None].repeat(n_slices, axis=0)
    organs = ndimage.gaussian_filter(rng.normal(0.0, 1.0, body.shape), (0, 9, 9))
    truth = ndimage.gaussian_filter(body, (0, 0.7, 0.7)) + np.where(body > 0, 12.0 * np.sign(organs), 0.0)
    own, inserted = (ndimage.gaussian_filter(rng.normal(0.0, s, body.shape), (0, 0.6, 0.6)) for s in (25.0, 43.0))
    full, low = truth + own, truth + own + inserted
    denoised = np.stack([ndimage.gaussian_filter(one, 1.5) for one in low])
    require_told_apart(*evaluated(tmp_path, full, low, denoised, pixel_mm))


@pytest.mark.real_data
def test_lesions_kept_halved_and_erased_on_a_mayo_pair_are_told_apart_in_words(tmp_path, shared_data):
    pair = shared_data / "ct_lowdose_pairs" / "mayo_L192_3mm_B30"
    full, low = (series_hu(pair / dose) for dose in ("FD", "QD"))
    (nlm,) = chosen_baselines(["nlm"], []).values()
    denoised = np.stack([denoise_slice(nlm, one) for one in low])
    require_told_apart(*evaluated(tmp_path, full, low, denoised, 0.703125, "--dose", "0.25"))

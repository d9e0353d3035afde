"""``n2b-ct evaluate`` on folders that other tools wrote: SimpleITK's DICOM and NIfTI, plain DICOM, messy ones."""

from __future__ import annotations

import csv
import json
import locale
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  (its own custom)

from n2b_ct.cli import run
from n2b_ct.evaluation.report.schema import report_schema
from n2b_ct.registry import BASELINES
from tests.integration.scenes import error_lines, tree_of, write_series
from tests.json_schema import schema_problems
from tests.outside_package import installed

N_SLICES, SIZE_PX = 5, 96
FILES = {"report.html", "report.json", "per_slice.csv", "per_series.csv", "nps.csv", "comparisons.csv"}


def body_hu() -> np.ndarray:
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX] - SIZE_PX / 2
    hu = np.where(np.hypot(rows, cols) < 44, 40.0, -1000.0)[None].repeat(N_SLICES, axis=0)
    for k in range(N_SLICES):
        hu[k, 60:70, 30 + 4 * k : 40 + 4 * k] = 200.0
    return hu


def noisy_hu() -> np.ndarray:
    return body_hu() + np.random.default_rng(1).normal(0.0, 25.0, (N_SLICES, SIZE_PX, SIZE_PX))


def read_with_itk(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.Cast(reader.Execute(), sitk.sitkFloat32)


def write_with_itk(image: sitk.Image, folder: Path) -> None:
    """Write DICOM as a script would: file names in reverse, and only the tags that place the slices."""
    folder.mkdir()
    words = sitk.Cast(sitk.Round(image), sitk.sitkInt16)
    for k in range(words.GetDepth()):
        one = words[:, :, k]
        place = words.TransformIndexToPhysicalPoint((0, 0, k))
        one.SetMetaData("0008|0060", "CT")
        one.SetMetaData("0020|000d", "1.2.3.7")
        one.SetMetaData("0020|000e", "1.2.3.7.1")
        one.SetMetaData("0020|0032", "\\".join(f"{mm:g}" for mm in place))
        one.SetMetaData("0020|0037", "1\\0\\0\\0\\1\\0")
        one.SetMetaData("0020|0013", str(k + 1))
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        one.SetMetaData("0008|0018", f"1.2.3.7.1.{k + 1}")
        writer.SetFileName(str(folder / f"z{9 - k}.dcm"))
        writer.Execute(one)


@pytest.fixture(autouse=True)
def own_locale() -> Iterator[None]:
    """ITK's readers set the locale of the whole process to C, in which no other test expects to read text."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.fixture
def folders(tmp_path, monkeypatch) -> Path:
    """``full`` and ``low`` (scanner DICOM), ``itk`` (SimpleITK's DICOM), ``nifti`` (SimpleITK's NIfTI)."""
    monkeypatch.chdir(tmp_path)
    write_series(tmp_path / "full", body_hu(), uid=31)
    write_series(tmp_path / "low", noisy_hu(), uid=32)
    image = read_with_itk(tmp_path / "low")
    write_with_itk(sitk.Median(image, [1, 1, 0]), tmp_path / "itk")
    (tmp_path / "nifti").mkdir()
    sitk.WriteImage(sitk.SmoothingRecursiveGaussian(image, [0.5, 0.5, 1e-3]), str(tmp_path / "nifti" / "out.nii.gz"))
    return tmp_path


def document() -> dict:
    return json.loads(Path("report/report.json").read_text("utf-8"))


def evaluate(*arguments: str) -> int:
    return run(["evaluate", *arguments, "--out", "report"])


def test_two_folders_of_other_tools_are_compared_slice_by_slice(folders, capsys):
    both = ["--candidate", "median=itk", "--candidate", "gauss=nifti", "--assume-hu"]
    assert evaluate("--reference", "full", "--input", "low", *both, "--dose", "0.25") == 0
    captured = capsys.readouterr()
    assert error_lines(captured.err) == []
    assert set(tree_of(Path("report"))) >= FILES
    found = document()
    assert schema_problems(found, report_schema()) == []
    roles = {one["name"]: one["role"] for one in found["methods"]}
    assert roles == {
        "input": "input",
        "gaussian": "baseline",
        "nlm": "baseline",
        "tv": "baseline",
        "median": "model",
        "gauss": "model",
        "reference": "reference",
    }
    with Path("report/per_slice.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["method"], row["window"]) == ("median", "full")]
    itk = sitk.GetArrayFromImage(sitk.Round(sitk.Median(read_with_itk(Path("low")), [1, 1, 0])))
    expected = [float(np.sqrt(np.mean((one - truth) ** 2))) for one, truth in zip(itk, body_hu(), strict=True)]
    assert [float(row["rmse_hu"]) for row in rows] == pytest.approx(expected, rel=1e-4)
    assert {row["dose"] for row in rows} == {"0.25"}
    assert len(found["summary"]) == 4
    told = {one["method"]: one["verdict"] for one in found["verdicts"]}
    assert list(told) == ["median", "gauss", "gaussian", "nlm", "tv"]
    assert all(f"verdict: {name} is {colour}" in captured.out for name, colour in told.items())


def test_series_without_a_patient_are_told_and_count_as_one_unless_folders_tell(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for k in range(2):
        for name, hu in (("low", noisy_hu()), ("kept", body_hu())):
            write_series(tmp_path / name / f"p{k}", hu[:2], uid=60 + 10 * k + len(name), patient="")
    options = ["--input", "low", "--candidate", "kept=kept", "--window", "abdomen", "--baseline", "gaussian"]
    assert evaluate(*options) == 0
    captured = capsys.readouterr()
    line = "2 of 2 series name no patient (no PatientID, or a volume), so they count as one: say whose they are"
    assert (
        f"note: {line} with patient in the manifest, or sort folders by patient and pass --patient-folders"
        in captured.out
    )
    assert (document()["overall"]["n_series"], document()["overall"]["n_patients"]) == (2, 1)
    assert "(patient unknown)" in document()["summary"][0]
    assert evaluate(*options, "--patient-folders", "--overwrite") == 0
    assert "name no patient" not in capsys.readouterr().out
    assert document()["overall"]["n_patients"] == 2


def test_a_baseline_of_an_outside_package_stands_in_the_report(folders, tmp_path, capsys):
    source = """
from scipy import ndimage

from n2b_ct.filters.baselines import baseline


@baseline("median", "Median filter, {size_px} px", ct_parameters={"size_px": 5}, licence_notice="median: cite me")
def median(image, sigma, *, size_px=3):
    return ndimage.median_filter(image, size_px)
"""
    with installed(tmp_path, BASELINES, source, median="median"):
        options = ["--reference", "full", "--candidate", "a=low", "--input", "low"]
        assert evaluate(*options, "--baseline", "median", "--baseline", "nlm") == 0
        assert "licence: median: cite me" in capsys.readouterr().err
        roles = {method["name"]: method["role"] for method in document()["methods"]}
        assert roles["median"] == roles["nlm"] == "baseline"
        told = "Median filter, 5 px, σ estimated from flat tissue of the same slice"
        assert told in Path("report/report.html").read_text(encoding="utf-8")
        assert evaluate(*options, "--baseline", "medain", "--overwrite") == 2
        assert "adaptive_median, median, got medain; did you mean median" in capsys.readouterr().err


def test_without_a_reference_what_needs_it_is_dropped_and_said(folders, capsys):
    assert evaluate("--input", "low", "--candidate", "gauss=nifti") == 0
    found = document()
    assert (found["has_reference"], found["problems"]) == (False, [])
    assert any("need a reference" in line for line in found["dropped"])
    assert "note: PSNR, SSIM and RMSE need a reference" in capsys.readouterr().out
    assert {one["method"] for one in found["physics"]["residual"]} == {"gauss", "gaussian", "nlm", "tv"}


def test_without_an_input_shifts_are_against_the_reference(folders):
    assert evaluate("--reference", "full", "--candidate", "gauss=nifti", "--window", "abdomen") == 0
    found = document()
    assert found["anchor"] == "reference"
    assert [one["name"] for one in found["methods"]] == ["gauss", "reference"]
    assert [one["name"] for one in found["windows"]] == ["abdomen"]
    assert any("noisy input is not known" in line for line in found["dropped"])


def test_candidates_alone_are_held_against_the_first(folders):
    assert evaluate("--candidate", "low=low", "--candidate", "gauss=nifti") == 0
    found = document()
    assert (found["anchor"], found["has_reference"]) == ("low", False)


def test_each_bad_folder_costs_a_line_and_the_rest_goes_on(folders, capsys):
    write_series(folders / "shifted", np.clip(body_hu() + 500, -1000, 3000), uid=33)
    write_series(folders / "small", body_hu()[:, :64, :64], uid=34)
    write_series(folders / "fewer", body_hu()[:3], uid=35)
    write_series(folders / "flat", np.full((N_SLICES, SIZE_PX, SIZE_PX), 40.0), uid=36)
    names = ("shifted", "small", "fewer", "flat", "nowhere")
    bad = [part for name in names for part in ("--candidate", f"{name}={name}")]
    assert evaluate("--reference", "full", *bad, "--candidate", "gauss=nifti") == 1
    problems = document()["problems"]
    for words in (
        "shifted: compared slices must share one HU scale",
        "small: compared slices must share one size, got 64x64 and 96x96",
        "fewer: must have a slice at each of 5 positions, got 3",
        "nowhere: must be a folder or a file, got nothing",
    ):
        assert sum(words in line for line in problems) == 1
    err = capsys.readouterr().err
    assert all(f"warning: {line}" in err for line in problems)
    assert "Traceback" not in err
    means = {one["method"]: one["psnr_db"]["mean"] for one in document()["results"] if one["window"] == "abdomen"}
    assert means["gauss"] > 20.0


def test_identical_slices_have_no_infinite_psnr(folders):
    assert evaluate("--reference", "full", "--candidate", "same=full", "--candidate", "gauss=nifti") == 0
    found = document()
    assert found["n_identical"] == N_SLICES
    same = next(one for one in found["results"] if one["method"] == "same")
    assert (same["psnr_db"]["mean"], same["psnr_db"]["n_excluded"], same["ssim"]["mean"]) == (None, N_SLICES, 1.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--candidate", "input=low"], "must not be called input or reference"),
        (["--candidate", "gaussian=low", "--input", "full"], "must not bear a baseline's name"),
        (["--candidate", "low"], "--candidate: must be NAME=DIR"),
        (["--candidate", "a=low", "--window", "liver"], "--window: must be among abdomen"),
        (["--candidate", "a=low", "--baseline", "nlm"], "needs the noisy input"),
        (["--candidate", "a=nowhere"], "a: must be a folder or a file"),
        (["--candidate", "a=nowhere", "--reference", "full"], "a: must be a folder or a file"),
    ],
)
def test_nothing_to_compare_is_one_clear_error(folders, capsys, arguments, words):
    assert evaluate(*arguments) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert words in line
    assert not Path("report").exists()

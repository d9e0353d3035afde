"""``n2b-ct phantom``: scans of a quality phantom in, a page and numbers out; what is wrong is one line each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.cli import run
from n2b_ct.config.quality_phantom import load_quality_phantom
from n2b_ct.config.yaml_files import as_yaml
from tests.chromium import chromium
from tests.integration.scenes import write_series
from tests.phantom_scans import PLACE, SHAPE, ct_noise, draw_phantom, save_repeats, save_volume

ACR, FAINT = load_quality_phantom("acr-464"), load_quality_phantom("mita-lcd")
UNTURNED = replace(PLACE, rotation_degrees=0.0)
N, SD_HU = 9, 15.0


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine repeats of ACR 464, the same with half the noise, and MITA-LCD with and without inserts."""
    folder = tmp_path_factory.mktemp("scans")
    acr, noise = draw_phantom(ACR), ct_noise(N, SD_HU, 1)
    save_repeats(acr, noise, folder / "acr")
    save_repeats(acr, 0.5 * noise, folder / "halved")
    for k, role in enumerate(("present", "absent")):
        image = draw_phantom(FAINT, UNTURNED, inserts=role == "present")
        save_volume(image + ct_noise(N, 4.0, 10 + k), folder / f"lcd_{role}" / "scans.nii.gz")
    return folder


def report(out: Path) -> dict:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def warnings(text: str) -> list[str]:
    return [line.removeprefix("warning: ") for line in text.splitlines() if line.startswith("warning: ")]


@pytest.fixture(scope="module")
def acr_report(scans, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("acr") / "report"
    given = ["--images", f"input={scans / 'acr'}", "--images", f"halved={scans / 'halved'}"]
    assert run(["phantom", "acr464", *given, "--out", str(out)]) == 0
    return out


def test_before_and_after_a_denoiser_noise_contrast_and_hu_are_what_was_drawn(acr_report):
    before, after = report(acr_report)["scans"]
    assert [before["name"], after["name"]] == ["input", "halved"]
    assert before["noise"]["noise_hu"]["value"] == pytest.approx(SD_HU, rel=0.03)
    assert after["noise"]["noise_hu"]["value"] / before["noise"]["noise_hu"]["value"] == pytest.approx(0.5, rel=0.01)
    for scan in (before, after):
        assert scan["linearity"]["slope"]["value"] == pytest.approx(1.0, abs=0.005)
        for own, insert in zip(scan["inserts"], ACR.inserts, strict=True):
            assert own["name"] == insert.name
            assert own["hu"]["low"] - 1.0 < insert.hu < own["hu"]["high"] + 1.0
            assert own["cnr"]["value"] == pytest.approx(own["contrast_hu"]["value"] / own["noise_hu"]["value"])
            assert set(own["d_prime"]) == {"cho", "npw"}
            assert own["ttf"]["f50_per_mm"] == pytest.approx(0.31, abs=0.03)  # a Gaussian of 0.6 mm


def test_the_page_says_what_changed_and_complains_of_nothing(acr_report, tmp_path):
    text = (acr_report / "report.html").read_text(encoding="utf-8")
    assert "−50 % against input" in text
    assert "Noise power spectrum" in text
    with chromium(tmp_path / "profile") as tab:
        for width in (1280, 390):
            tab.open(acr_report / "report.html", width=width)
            assert tab.run("document.documentElement.scrollWidth") <= width
            assert tab.complaints() == []


def test_the_last_line_names_the_next_command(scans, tmp_path, capsys):
    assert run(["phantom", "acr-464", "--images", f"input={scans / 'acr'}", "--out", str(tmp_path / "out")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"next: n2b-ct denoise {scans / 'acr'} denoised, then n2b-ct phantom acr-464 --images")


def test_scans_with_and_without_inserts_are_found_beside_each_other(scans, tmp_path):
    out = tmp_path / "out"
    assert run(["phantom", "mita-lcd", "--images", f"input={scans / 'lcd_present'}", "--out", str(out)]) == 0
    (scan,) = report(out)["scans"]
    assert (scan["n_present"], scan["n_absent"]) == (N, N)
    largest = scan["inserts"][-1]
    assert largest["contrast_hu"]["low"] < largest["nominal_contrast_hu"] < largest["contrast_hu"]["high"]


def test_present_and_absent_swapped_are_exchanged_and_said(scans, tmp_path, capsys):
    given = ["--images", f"input={scans / 'lcd_absent'}", "--absent", f"input={scans / 'lcd_present'}"]
    assert run(["phantom", "mita-lcd", *given, "--out", str(tmp_path / "out")]) == 1
    assert warnings(capsys.readouterr().err) == [
        "input: present must show the inserts, and absent none, got the inserts in absent; measured with the two "
        "exchanged; name the folders the other way round"
    ]
    assert report(tmp_path / "out")["scans"][0]["inserts"][0]["contrast_hu"]["value"] > 0.0


def test_one_repeat_only_gives_what_a_single_image_tells(tmp_path, capsys):
    save_repeats(draw_phantom(ACR), ct_noise(1, SD_HU, 2), tmp_path / "one")
    assert run(["phantom", "acr-464", "--images", f"input={tmp_path / 'one'}", "--out", str(tmp_path / "out")]) == 1
    (line,) = warnings(capsys.readouterr().err)
    assert line.startswith("input: needs a repeat for noise by subtraction, got one image; scan twice")
    (scan,) = report(tmp_path / "out")["scans"]
    assert scan["noise"]["by_subtraction"] is False
    assert scan["noise"]["noise_hu"]["value"] == pytest.approx(SD_HU, rel=0.1)
    assert scan["inserts"][0]["d_prime"] == {}
    assert "at least 8 regions a class" in " ".join(scan["inserts"][0]["remarks"])


def test_copies_of_one_scan_are_no_repeats(tmp_path, capsys):
    noise = ct_noise(2, SD_HU, 8)
    save_repeats(draw_phantom(ACR), noise[[0, 1, 0, 0]], tmp_path / "copied")
    assert run(["phantom", "acr-464", "--images", f"input={tmp_path / 'copied'}", "--out", str(tmp_path / "out")]) == 1
    (line,) = warnings(capsys.readouterr().err)
    assert line.startswith("input: repeats must be scans of their own, got 2 copies of other images; left out")
    assert report(tmp_path / "out")["scans"][0]["noise"]["noise_hu"]["value"] == pytest.approx(SD_HU, rel=0.05)


def test_a_repeat_of_another_geometry_is_left_out_and_named(scans, tmp_path, capsys):
    folder = save_repeats(draw_phantom(ACR), ct_noise(2, SD_HU, 3), tmp_path / "mixed")
    save_volume(np.zeros((1, 64, 64)) + ct_noise(1, 5.0, 4)[:, :64, :64], folder / "small.nii.gz")
    assert run(["phantom", "acr-464", "--images", f"input={folder}", "--out", str(tmp_path / "out")]) == 1
    (line,) = warnings(capsys.readouterr().err)
    assert line.startswith("input, volume 3: repeats must share the geometry of the first, got 64x64 and 208x208")
    assert report(tmp_path / "out")["scans"][0]["n_present"] == 2


def test_inserts_outside_of_the_image_are_named_and_the_others_measured(tmp_path, capsys):
    cropped = draw_phantom(ACR)[:, :150]
    folder = tmp_path / "cropped"
    for k, noise in enumerate(ct_noise(3, SD_HU, 5)):
        save_volume((cropped + noise[:, :150])[None], folder / f"{k}.nii.gz")
    given = {"centre_px": list(PLACE.centre_px), "rotation_degrees": PLACE.rotation_degrees}
    (tmp_path / "own.yaml").write_text(as_yaml(ACR.model_dump(mode="json") | {"placement": given}), encoding="utf-8")
    spec, out = str(tmp_path / "own.yaml"), tmp_path / "out"
    assert run(["phantom", spec, "--images", f"input={folder}", "--out", str(out)]) == 1
    lines = warnings(capsys.readouterr().err)
    assert [line.split(":")[0] for line in lines] == ["input, insert air", "input, insert bone"]
    assert [one["name"] for one in report(out)["scans"][0]["inserts"]] == ["polyethylene", "acrylic"]


def test_a_spec_for_another_phantom_measures_nothing_and_says_so(scans, tmp_path, capsys):
    given = ["--images", f"input={scans / 'acr'}", "--out", str(tmp_path / "out")]
    assert run(["phantom", "catphan-604", *given]) == 2
    assert "input, phantom: must show the inserts of catphan-604" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unreadable_scan_does_not_stop_the_others(scans, tmp_path, capsys):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "scan.nii.gz").write_bytes(b"no volume")
    folders = {"broken": tmp_path / "broken", "input": scans / "acr", "gone": tmp_path / "gone"}
    given = [text for name, folder in folders.items() for text in ("--images", f"{name}={folder}")]
    assert run(["phantom", "acr-464", *given, "--out", str(tmp_path / "out")]) == 1
    lines = warnings(capsys.readouterr().err)
    assert [line.split(":")[0] for line in lines] == ["broken", "gone"]
    assert [one["name"] for one in report(tmp_path / "out")["scans"]] == ["input"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nowhere"],
            "nowhere: must be a YAML file, got no such file; shipped files are: acr-464.yaml",
        ),
        (["acr-464", "--absent", "input=there"], "--absent: is for phantoms that are scanned with and without inserts"),
        (["mita-lcd", "--absent", "other=there"], "--absent: must name scans of images, got other"),
    ],
)
def test_bad_usage_is_one_line(arguments, message, tmp_path, capsys):
    assert run(["phantom", *arguments, "--images", "input=here", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_the_slices_of_one_series_that_show_the_inserts_are_chosen(tmp_path):
    """A module between two of plain water, as in one helical scan of the whole phantom."""
    plain, module = (draw_phantom(ACR, inserts=shown) for shown in (False, True))
    stack = np.stack([plain] * 4 + [module] * 6 + [plain] * 4) + ct_noise(14, SD_HU, 6)
    save_volume(stack, tmp_path / "scan" / "helical.nii.gz")
    out = tmp_path / "out"
    assert run(["phantom", "acr-464", "--images", f"input={tmp_path / 'scan'}", "--out", str(out)]) == 0
    (scan,) = report(out)["scans"]
    assert "measured on slices 6 to 9 of 14" in scan["remarks"]
    assert scan["n_present"] == 4
    assert SHAPE[0] > scan["placement"]["centre_px"][0] > 0


def test_series_of_dicom_are_repeats_slice_by_slice_and_a_broken_file_fails_its_series(tmp_path, capsys):
    image, noise = draw_phantom(ACR), ct_noise(6, SD_HU, 7)
    for k in range(3):
        stack = np.clip(image + noise[2 * k : 2 * k + 2], -1000.0, 2000.0)
        files = write_series(tmp_path / "acr" / f"s{k}", stack, uid=70 + k, PixelSpacing=list(PLACE.pixel_mm))
    files[0].write_bytes(files[0].read_bytes()[:-5000])
    out = tmp_path / "out"
    assert run(["phantom", "acr-464", "--images", f"input={tmp_path / 'acr'}", "--out", str(out)]) == 1
    (line,) = warnings(capsys.readouterr().err)
    assert line.startswith("input, series 1.2.826")
    assert "must be whole" in line
    (scan,) = report(out)["scans"]
    assert scan["n_present"] == 4  # two slices of two series
    assert scan["noise"]["noise_hu"]["value"] == pytest.approx(SD_HU, rel=0.03)
    assert not any("taken for repeats of each other" in remark for remark in scan["remarks"])


def test_slices_beyond_the_ends_of_a_faint_phantom_are_left_out(tmp_path):
    air = np.full((2, *SHAPE), -1000.0)
    for k, role in enumerate(("present", "absent")):
        image = draw_phantom(FAINT, UNTURNED, inserts=role == "present")
        stack = np.concatenate([air, np.stack([image] * N), air]) + ct_noise(N + 4, 6.0, 20 + k)
        save_volume(stack, tmp_path / f"lcd_{role}" / "scans.nii.gz")
    out = tmp_path / "out"
    assert run(["phantom", "mita-lcd", "--images", f"input={tmp_path / 'lcd_present'}", "--out", str(out)]) == 0
    (scan,) = report(out)["scans"]
    assert (scan["n_present"], scan["n_absent"]) == (N, N)
    assert f"measured on the {N} of {N + 4} slices that show the whole phantom" in scan["remarks"]

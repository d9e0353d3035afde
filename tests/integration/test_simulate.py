"""``n2b-ct simulate``: normal-dose DICOM series in, low-dose DICOM series out, the same bytes for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from n2b_ct.cli import run
from n2b_ct.data.manifest_draft import dose_hint
from n2b_ct.io.dicom.ct_reader import read_series
from n2b_ct.io.dicom.scan import scan
from n2b_ct.simulation.calibration import Calibration
from n2b_ct.simulation.low_dose import lower_doses
from n2b_ct.simulation.noise_texture import NoiseTexture
from tests.dicom_tools import dciodvfy_all, errors, new_complaints, require_tools
from tests.integration.scenes import write_series

SIZE, PIXEL_MM, N_SLICES = 112, 2.5, 3
CREATED = ["--created", "2026-03-04T05:06:07", "--workers", "1"]
INSIDE = np.s_[:, 32:80, 32:80]
SQUARE = {"PixelSpacing": ["2.5", "2.5"], "XRayTubeCurrent": "200"}


def water() -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return (1000.0 * np.clip(50.5 - np.hypot(x, y), 0.0, 1.0) - 1000.0).astype(np.float32)


@pytest.fixture(scope="module")
def scanned() -> np.ndarray:
    """Slices of water with the noise of a scan, HU."""
    scanner = Calibration(4e5, 0.0, NoiseTexture(0.3, 2.5), PIXEL_MM)
    slices = [
        lower_doses(water(), [0.5], scanner, seed=k, identity="scan", measures_slice=False).hu[0]
        for k in range(N_SLICES)
    ]
    return np.stack(slices)


@pytest.fixture
def tree(tmp_path: Path, scanned: np.ndarray) -> Path:
    """Two series in a tree."""
    write_series(tmp_path / "in" / "a", scanned, uid=31, SeriesDescription="Abdomen FULL", **SQUARE)
    write_series(tmp_path / "in" / "b" / "c", scanned[:2], uid=32, SeriesDescription="Thorax", **SQUARE)
    return tmp_path / "in"


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def hu_of(folder: Path) -> np.ndarray:
    (series,) = scan(folder).series
    return read_series(series).hu


def test_every_dose_gets_a_tree_like_the_sources(tree, tmp_path, scanned, capsys):
    out = tmp_path / "out"
    quantum_only = ["--electronic-variance", "0"]
    assert run(["simulate", str(tree), str(out), "--dose", "0.5", "--dose", "0.25", *quantum_only, *CREATED]) == 0
    assert capsys.readouterr().out.count("done ") == 4
    for dose, times in ((0.5, 1.0), (0.25, 3.0)):
        added = hu_of(out / f"{dose:g}" / "a") - np.rint(scanned)
        there = scanned - water()
        assert np.var(added[INSIDE]) == pytest.approx(times * np.var(there[INSIDE]), rel=0.3)
        facts = json.loads((out / f"{dose:g}" / "b" / "c.json").read_text())
        assert (facts["dose"], facts["seed"], len(facts["photons_by_slice"])) == (dose, 0, 2)
        assert facts["calibration"]["n_regions"] > 0


def test_the_header_says_what_was_done(tree, tmp_path):
    assert run(["simulate", str(tree / "a"), str(tmp_path / "out"), "--dose", "0.25", "--seed", "7", *CREATED]) == 0
    source = pydicom.dcmread(tree / "a" / "slice000.dcm")
    derived = pydicom.dcmread(tmp_path / "out" / "0.25" / "slice000.dcm")
    assert derived.SeriesDescription == "Abdomen FULL 25% dose"
    assert dose_hint(derived.SeriesDescription) == 0.25
    assert derived.SyntheticData == "YES"
    assert derived.ImageType[0] == "DERIVED"
    assert "Lower dose simulated" in derived.DerivationDescription
    for word in ('"dose":0.25', '"seed":7', '"photons":', '"kernel_cutoff_per_px":'):
        assert word in derived.DerivationDescription
    assert [item.CodeValue for item in derived.DerivationCodeSequence] == ["113042"]
    assert derived.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert derived.SOPInstanceUID != source.SOPInstanceUID
    assert derived.SeriesInstanceUID != source.SeriesInstanceUID
    assert derived.StudyInstanceUID == source.StudyInstanceUID


def test_what_was_simulated_may_be_denoised_although_it_is_derived(tree, tmp_path):
    assert run(["simulate", str(tree / "a"), str(tmp_path / "out"), "--dose", "0.25", *CREATED]) == 0
    (series,) = scan(tmp_path / "out").series
    assert "already_derived" in series.problems
    assert "own_output" not in series.problems


def test_the_same_seed_gives_the_same_bytes_with_any_workers_and_another_seed_others(tree, tmp_path):
    command = ["simulate", str(tree), "OUT", "--dose", "0.25", "--created", "2026-03-04T05:06:07"]

    def made(name: str, *more: str) -> dict[str, bytes]:
        assert run([*[str(tmp_path / name) if part == "OUT" else part for part in command], *more]) == 0
        return files(tmp_path / name)

    first = made("one", "--workers", "1")
    assert made("two", "--workers", "2") == first
    other = made("three", "--workers", "1", "--seed", "1")
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first)


def test_a_dose_made_alone_is_the_dose_made_among_others(tree, tmp_path):
    for name, doses in (("alone", ["--dose", "0.25"]), ("among", ["--dose", "0.5", "--dose", "0.25"])):
        assert run(["simulate", str(tree / "a"), str(tmp_path / name), *doses, *CREATED]) == 0
    assert files(tmp_path / "alone" / "0.25") == files(tmp_path / "among" / "0.25")


def test_dose_1_keeps_every_stored_word(tree, tmp_path):
    assert run(["simulate", str(tree / "a"), str(tmp_path / "out"), "--dose", "1", *CREATED]) == 0
    for path in (tree / "a").iterdir():
        assert pydicom.dcmread(tmp_path / "out" / "1" / path.name).PixelData == pydicom.dcmread(path).PixelData


def test_what_is_there_is_refused_kept_or_replaced(tree, tmp_path, capsys):
    command = ["simulate", str(tree / "a"), str(tmp_path / "out"), "--dose", "0.25", *CREATED]
    assert run(command) == 0
    before = files(tmp_path / "out")
    assert run([*command, "--seed", "3"]) == 2
    assert "must not be there yet, got 2 of 2 outputs; pass --resume" in capsys.readouterr().err
    assert run([*command, "--resume", "--dose", "0.5"]) == 0
    assert capsys.readouterr().out.startswith("present")
    assert {name: content for name, content in files(tmp_path / "out").items() if name.startswith("0.25")} == before
    assert run([*command, "--seed", "3", "--overwrite"]) == 0
    assert files(tmp_path / "out" / "0.25") != {name[5:]: content for name, content in before.items() if name[4] == "/"}


def test_a_series_without_its_parameters_is_made_again_on_resume(tree, tmp_path):
    command = ["simulate", str(tree / "a"), str(tmp_path / "out"), "--dose", "0.25", *CREATED]
    assert run(command) == 0
    before = files(tmp_path / "out")
    (tmp_path / "out" / "0.25.json").unlink()
    assert run([*command, "--resume"]) == 0
    assert files(tmp_path / "out") == before


def test_one_bad_series_costs_itself_only(tree, tmp_path, capsys):
    write_series(tree / "long", np.zeros((2, 64, 64)), uid=33, PixelSpacing=["1", "2"])
    write_series(tree / "still", np.zeros((2, 64, 64)), uid=34, PixelSpacing=["1", "1"])
    status = tmp_path / "status.json"
    code = run(["simulate", str(tree), str(tmp_path / "out"), "--dose", "0.25", "--json", str(status), *CREATED])
    assert code == 1
    told = {Path(one["source"]).name: one for one in json.loads(status.read_text())["series"]}
    assert {name: one["status"] for name, one in told.items()} == {
        "a": "done",
        "c": "done",
        "long": "failed",
        "still": "failed",
    }
    assert "needs square pixels of known size, got 1 x 2 mm" in told["long"]["detail"]
    assert "must show some noise" in told["still"]["detail"]
    assert not (tmp_path / "out" / "0.25" / "long").exists()
    assert "internal" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--dose: must be at least 1e-06 and at most 1, got none"),
        (["--dose", "1.5"], "--dose: must be at least 1e-06 and at most 1, got 1.5"),
        (["--dose", "0.5", "--dose", "0.50"], "every dose must be given once"),
        (["--dose", "0.5", "--photons", "0"], "--photons: must be above 1"),
        (["--dose", "0.5", "--electronic-variance", "-1"], "--electronic-variance: must be 0 to"),
        (["--dose", "0.5", "--bowtie", "9"], "--bowtie: must be 0 to 3"),
        (["--dose", "0.5", "--slices", "9"], "--slices: goes with piglet only"),
        (["--dose", "0.5", "--select", "brain"], "must hold at least one CT series"),
        (["--dose", "0.5", "--resume", "--overwrite"], "only one can be given"),
    ],
)
def test_bad_usage_is_said_in_one_line_before_any_work(tree, tmp_path, capsys, more, said):
    assert run(["simulate", str(tree), str(tmp_path / "out"), *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_piglet_takes_no_option_of_series(tmp_path, capsys):
    assert run(["simulate", "piglet", str(tmp_path / "out"), "--dose", "0.25"]) == 2
    assert "--dose: does not go with piglet" in capsys.readouterr().err


def test_given_photons_are_used_as_they_are(tree, tmp_path):
    out = tmp_path / "out"
    more = ["--photons", "5e5", "--electronic-variance", "7", "--bowtie", "0.6"]
    assert run(["simulate", str(tree / "a"), str(out), "--dose", "0.25", *more, *CREATED]) == 0
    facts = json.loads((out / "0.25.json").read_text())
    assert facts["photons"] == facts["electronic_variance"] == "given"
    assert facts["photons_by_slice"] == [5e5] * N_SLICES
    assert (facts["calibration"]["electronic_variance"], facts["calibration"]["bowtie"]) == (7.0, 0.6)


def test_dciodvfy_finds_no_more_fault_with_the_simulated_than_with_the_source(tree, tmp_path):
    require_tools("dciodvfy")
    assert run(["simulate", str(tree / "a"), str(tmp_path / "out"), "--dose", "0.25", *CREATED]) == 0
    for source in sorted((tree / "a").iterdir()):
        derived = tmp_path / "out" / "0.25" / source.name
        found = dciodvfy_all([source, derived])
        assert errors(new_complaints(found[derived], found[source])) == []


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["mayo_L143_3mm_B30", "mayo_L192_3mm_D45"])
def test_a_real_series_gets_about_the_noise_of_the_real_quarter_dose(shared_data, tmp_path, name):
    pair = shared_data / "ct_lowdose_pairs" / name
    assert run(["simulate", str(pair / "FD"), str(tmp_path / "out"), "--dose", "0.25", *CREATED]) == 0
    full, real, simulated = hu_of(pair / "FD"), hu_of(pair / "QD"), hu_of(tmp_path / "out")
    in_body = (full > -50.0) & (full < 150.0)
    ratio = np.std((simulated - full)[in_body]) / np.std((real - full)[in_body])
    assert ratio == pytest.approx(1.0, abs=0.2)


STARVING = ["--dose", "0.03", "--photons", "4e6", "--electronic-variance", "10"]


def test_a_dose_without_photons_warns_and_says_that_the_noise_has_mean_zero(tree, tmp_path, capsys):
    out, report = tmp_path / "out", tmp_path / "found.json"
    command = ["simulate", str(tree / "a"), str(out), *STARVING, "--dose", "0.5", "--json", str(report), *CREATED]
    assert run(command) == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "starved" in line]
    assert "the inserted noise has mean zero, a scan's has not, got" in warning
    assert warning.endswith("% starved rays; pass --realistic-bias")
    low, half = json.loads(report.read_text())["series"]
    assert ("rays_starved" in low["problems"], "rays_starved" in half["problems"]) == (True, False)
    assert low["starved_share"] > 0.1
    assert half["starved_share"] == 0.0
    facts = json.loads((out / "0.03.json").read_text())
    assert facts["noise_mean"] == "zero"
    assert facts["starved_share"] == low["starved_share"]
    assert len(facts["starved_share_by_slice"]) == N_SLICES


def test_the_realistic_bias_makes_the_starved_middle_darker_rays(tree, tmp_path, capsys):
    for name, more in (("plain", []), ("biased", ["--realistic-bias"])):
        assert run(["simulate", str(tree / "a"), str(tmp_path / name), *STARVING, *more, *CREATED]) == 0
    assert "take its HU and streaks for a model's" in capsys.readouterr().err
    shift = hu_of(tmp_path / "biased" / "0.03")[INSIDE].mean() - hu_of(tmp_path / "plain" / "0.03")[INSIDE].mean()
    assert shift > 1.0
    assert json.loads((tmp_path / "biased" / "0.03.json").read_text())["noise_mean"] == "of the logarithm of counts"

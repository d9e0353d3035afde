"""``denoise --reduce`` and ``--target-noise``: each series gets the strength that its own noise asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

import n2b_ct as n2b
from n2b_ct.cli import run
from n2b_ct.errors import ConfigError
from n2b_ct.evaluation.flat_regions import find_flat_blocks, noise_std_hu
from n2b_ct.hu import hu_to_stored
from n2b_ct.workflows import DenoiseWorkflow
from tests.integration.natural_image_scenes import natural_image_model, random_words, write_words
from tests.integration.scenes import error_lines, smoothing_model, with_noise, write_series

CREATED = ("--created", "2026-03-04T05:06:07")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    smoothing_model(tmp_path / "model.pt")
    return tmp_path


def noisy_series(folder: str, uid: int, sigma_hu: float = 20.0, n_slices: int = 3) -> None:
    write_series(Path(folder), with_noise(np.full((n_slices, 64, 64), 40.0), uid, sigma_hu), uid=uid)


def denoise(*more: str, source: str = "in", out: str = "out") -> int:
    return run(["denoise", source, out, "--model", "model.pt", "--json", "told.json", *CREATED, *more])


def told() -> list[dict[str, Any]]:
    return json.loads(Path("told.json").read_text())["series"]


def noise_in(folder: str, *, where: str) -> float:
    """Median over the flat regions of all slices, as a report finds them."""
    pairs = zip(n2b.read_series(folder).hu, n2b.read_series(where).hu, strict=True)
    return float(np.median([noise_std_hu(hu, find_flat_blocks(source)) for hu, source in pairs]))


def description(folder: str) -> str:
    return pydicom.dcmread(next(Path(folder).rglob("*.dcm"))).DerivationDescription


def uids(folder: str) -> list[str]:
    return [pydicom.dcmread(path).SOPInstanceUID for path in sorted(Path(folder).rglob("*.dcm"))]


def test_series_of_different_noise_end_with_the_noise_that_was_asked_for(capsys):
    noisy_series("in/a", 1, sigma_hu=20.0)
    noisy_series("in/b", 2, sigma_hu=12.0)
    assert denoise("--target-noise", "8") == 0
    assert noise_in("out/a", where="in/a") == pytest.approx(8.0, rel=0.05)
    assert noise_in("out/b", where="in/b") == pytest.approx(8.0, rel=0.05)
    a, b = told()
    assert a["strength"] > b["strength"] > 0
    assert (a["noise_after_hu"], b["noise_after_hu"]) == (pytest.approx(8.0, abs=0.05),) * 2
    assert f"noise {a['noise_hu']:.1f} -> 8.0 HU at strength {a['strength']:g}" in capsys.readouterr().out


def test_the_record_and_the_series_say_what_was_used():
    noisy_series("in", 1)
    assert denoise("--reduce", "50%") == 0
    one = told()[0]
    assert one["noise_after_hu"] == pytest.approx(one["noise_hu"] / 2, abs=0.05)
    assert one["n_noise_regions"] > 12
    assert '"reduce":0.5' in description("out")
    used = {
        "n_regions": one["n_noise_regions"],
        **{key: one[key] for key in ("noise_after_hu", "noise_hu", "strength")},
    }
    assert description("out").endswith(json.dumps(used, separators=(",", ":")))


def test_auto_leaves_the_least_noise_of_any_strength():
    noisy_series("in", 1)
    assert denoise("--strength", "auto") == 0
    one = told()[0]
    assert denoise("--reduce", "100%", out="all") == 0
    assert (one["strength"], one["noise_after_hu"]) == (told()[0]["strength"], told()[0]["noise_after_hu"])
    assert one["problems"] == [problem for problem in told()[0]["problems"] if problem != "noise_target_missed"]
    assert '{"measured_in":' in description("out")
    assert '"strength":"auto"}' in description("out")


def test_a_share_may_be_written_either_way_and_python_does_the_same():
    noisy_series("in", 1)
    assert denoise("--reduce", "50%") == 0
    assert denoise("--reduce", "0.5", out="number") == 0
    assert uids("number") == uids("out")
    before, after = n2b.read_series("in"), n2b.read_series("out")
    denoised = n2b.load("model.pt").denoise(before.hu, reduce=0.5)
    np.testing.assert_array_equal(hu_to_stored(denoised, 1, -1024), hu_to_stored(after.hu, 1, -1024))
    outcome = n2b.denoise("in", "python", model="model.pt", reduce=0.5).outcomes[0]
    assert outcome.strength == told()[0]["strength"]


def test_a_given_strength_is_recorded_and_its_text_and_uids_stay_as_they_were():
    noisy_series("in", 1)
    assert denoise("--strength", "0.5") == 0
    assert (told()[0]["strength"], told()[0]["noise_hu"]) == (0.5, None)
    assert description("out").endswith('{"output":"denoised","strength":0.5}')


def test_resume_keeps_what_was_made_for_the_same_goal_and_redoes_what_was_not():
    noisy_series("in", 1)
    assert denoise("--reduce", "50%") == 0
    assert denoise("--reduce", "50%", "--resume") == 0
    assert told()[0]["status"] == "present"
    assert denoise("--reduce", "40%", "--resume") == 0
    assert (told()[0]["status"], told()[0]["problems"][-1]) == ("done", "output_replaced")


def test_a_series_that_has_grown_gets_other_uids_as_its_strength_may_differ():
    noisy_series("in", 1)
    assert denoise("--reduce", "50%") == 0
    noisy_series("in", 1, n_slices=5)
    assert denoise("--reduce", "50%", out="grown") == 0
    assert set(uids("grown")) & set(uids("out")) == set()


def test_where_nothing_can_be_measured_the_models_strength_is_used_with_a_warning(capsys):
    write_series(Path("in"), with_noise(np.full((2, 64, 64), -990.0), 1, 5.0), uid=1)
    assert denoise("--reduce", "50%") == 0
    one = told()[0]
    assert (one["status"], one["strength"], one["noise_hu"]) == ("done", 1.0, None)
    assert "noise_unmeasured" in one["problems"]
    warning = "should have flat soft tissue to measure noise in, got 0 regions; the model's own strength of 1 was used"
    assert warning in one["warnings"][0]
    assert f"{warning}; look at it, or give --strength" in capsys.readouterr().err


def test_a_folder_of_one_slice_is_measured_by_that_slice():
    noisy_series("in", 1, n_slices=1)
    assert denoise("--reduce", "50%") == 0
    assert (told()[0]["status"], told()[0]["n_slices"]) == ("done", 1)
    assert told()[0]["noise_after_hu"] is not None


def test_a_reduction_that_the_model_cannot_reach_is_warned_of(capsys):
    noisy_series("in", 1)
    assert denoise("--reduce", "95%") == 0
    assert "noise_target_missed" in told()[0]["problems"]
    assert "should have no more noise in flat tissue than was asked for" in capsys.readouterr().err


def test_a_volume_gets_its_own_strength_and_resumes_by_its_goal():
    hu = with_noise(np.full((64, 64, 3), 40.0), 1, 20.0).round().astype(np.int16)
    Path("in").mkdir()
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([-0.7, -0.7, 3.0, 1.0])), "in/v.nii.gz")
    assert denoise("--target-noise", "8") == 0
    assert told()[0]["noise_after_hu"] == pytest.approx(8.0, abs=0.05)
    assert denoise("--target-noise", "8", "--resume") == 0
    assert told()[0]["status"] == "present"
    assert denoise("--target-noise", "9", "--resume") == 0
    assert "output_replaced" in told()[0]["problems"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--reduce", "50%", "--strength", "0.5"], "error: --strength: excludes --reduce, got both; choose one"),
        (["--reduce", "50%", "--target-noise", "8"], "error: --reduce: excludes --target-noise, got both; choose one"),
        (["--reduce", "50"], "error: usage: Invalid value for '--reduce': must be from 0% to 100%, got 50; write 50%"),
        (
            ["--strength", "2"],
            "error: usage: Invalid value for '--strength': must be from 0 to 1 or auto, got 2; 0 removes",
        ),
        (["--strength", "all"], "error: usage: Invalid value for '--strength': must be from 0 to 1 or auto, got all"),
        (["--strength", "auto", "--reduce", "50%"], "error: --strength: excludes --reduce, got both; choose one"),
        (["--reduce", "half"], "error: usage: Invalid value for '--reduce': must be from 0% to 100%, got half"),
        (["--target-noise", "0"], "error: --target-noise: must be above 0 HU, got 0.0"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(options, line, capsys):
    noisy_series("in", 1)
    assert denoise(*options) == 2
    assert [one[: len(line)] for one in error_lines(capsys.readouterr().err)] == [line]


@pytest.mark.parametrize(("option", "value"), [("--reduce", "50%"), ("--strength", "auto")])
def test_a_model_of_images_knows_no_goal(option, value, capsys):
    natural_image_model(Path("model.pt"))
    write_words(Path("in/a.png"), random_words("gray", 8, 1))
    assert denoise(option, value) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert line.startswith(f"error: {option}")
    assert line.endswith(": is for CT, got a model of images; leave it out")


def test_monais_evaluator_takes_a_strength_only():
    noisy_series("in", 1)
    workflow = DenoiseWorkflow("model.pt", "in", "out", reduce=0.5)
    workflow.initialize()
    message = (
        "^evaluator: denoises slices one by one, all at one strength, got a strength that each series decides; call"
    )
    with pytest.raises(ConfigError, match=message):
        _ = workflow.evaluator
    assert workflow.run().outcomes[0].noise_after_hu is not None

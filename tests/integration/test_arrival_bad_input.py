"""What arrives and is no plain series, or no model of ours: one line, a warning in the record, or a reason code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from n2b_ct.cli import run
from tests.helpers import make_ct_dataset, save
from tests.integration.natural_image_scenes import natural_image_model
from tests.integration.scenes import biased_model, error_lines, with_noise, write_series
from tests.shipped_base import ship_stand_in


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ship_stand_in(tmp_path / "package" / "base", monkeypatch)


def series(folder: str, n_slices: int = 3, level_hu: float = 40.0, **options: Any) -> list[Path]:
    return write_series(Path(folder), with_noise(np.full((n_slices, 64, 64), level_hu), 1), uid=1, **options)


def localizer(path: str) -> None:
    options = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "orientation": (1, 0, 0, 0, 0, -1)}
    save(make_ct_dataset(**options, series_uid="1.2.826.0.1.3680043.8.498.9.1"), Path(path))


def denoise(*more: str) -> int:
    return run(["denoise", "in", "out", "--json", "told.json", *more])


def told() -> dict[str, Any]:
    return json.loads(Path("told.json").read_text())


def the_error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = error_lines(capsys.readouterr().err)
    return line


def another_networks_weights(path: Path) -> None:
    content = torch.load(biased_model(path), weights_only=True)
    content["denoiser"]["name"] = "DnCNN"
    content["denoiser"]["arguments"] = {}
    torch.save(content, path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (another_networks_weights, "error: model other.pt: weights must fit the network that the file names, got "),
        (
            lambda path: torch.save(torch.nn.Conv2d(1, 1, 3).state_dict(), path),
            "error: model other.pt: must be a 'n2b-",
        ),
        (
            lambda path: path.write_bytes(b"weights"),
            "error: model other.pt: must be a model file written by n2b-ct, got",
        ),
        (natural_image_model, "error: input in: must hold at least one image (png, tif, bmp, jpg, webp), got 3 files"),
    ],
    ids=["another network's", "another program's", "no weights", "of images"],
)
def test_a_model_of_another_kind_is_refused_in_one_line(write, said, capsys):
    series("in")
    write(Path("other.pt"))
    assert denoise("--model", "other.pt") == 2
    assert the_error(capsys).startswith(said)
    assert not Path("out").exists()


def test_a_folder_of_one_slice_is_denoised_as_a_series_of_one():
    series("in", n_slices=1)
    assert denoise() == 0
    (one,) = told()["series"]
    assert (one["status"], one["n_slices"], one["strength"]) == ("done", 1, 1.0)


def test_a_folder_of_localizers_alone_is_refused_by_their_reason(capsys):
    Path("in").mkdir()
    localizer("in/scout.dcm")
    assert denoise() == 2
    assert "must hold at least one CT series or volume, got 1 files, none usable (localizer)" in the_error(capsys)


@pytest.mark.parametrize("option", [[], ["--reduce", "50%"], ["--strength", "auto"]])
def test_a_localizer_beside_a_series_is_skipped_and_never_measured(option):
    series("in/a")
    localizer("in/scout.dcm")
    assert denoise(*option) == 0
    (one,) = told()["series"]
    assert (one["status"], one["n_slices"]) == ("done", 3)
    reasons = {Path(record["path"]).name: record["reason"] for record in told()["files"]}
    assert reasons["scout.dcm"] == "localizer"


@pytest.mark.parametrize("option", [["--target-noise", "10"], ["--strength", "auto"]])
def test_a_phantom_of_air_is_denoised_at_the_models_strength_with_a_warning_in_its_record(option):
    series("in", level_hu=-990.0)
    assert denoise(*option) == 0
    (one,) = told()["series"]
    assert (one["status"], one["strength"], one["n_noise_regions"]) == ("done", 1.0, 0)
    assert "noise_unmeasured" in one["problems"]
    assert len(one["warnings"]) == 1


def test_a_series_without_anything_to_measure_needs_no_measuring_by_default():
    series("in", level_hu=-990.0)
    assert denoise() == 0
    (one,) = told()["series"]
    assert (one["status"], one["warnings"]) == ("done", [])

"""A series whose place has moved leaves older output behind: that is told, for archives would take both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest

from n2b_ct.cli import run
from tests.enhanced_ct import make_frames, save_enhanced
from tests.helpers import save
from tests.integration.scenes import biased_model, tissue_hu, with_noise, write_series


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    biased_model(tmp_path / "model.pt")


def write(folder: str, uid: int, prefix: str = "slice", **options: Any) -> None:
    for path in write_series(Path("new"), tissue_hu(uid, n_slices=3, size_px=33), uid=uid, **options):
        to = Path(folder, path.name.replace("slice", prefix))
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, to)


def denoise(*more: str) -> int:
    return run(["denoise", "in", "out", "--model", "model.pt", "--json", "told.json", "--device", "cpu", *more])


def stale_outputs() -> list[str]:
    told = json.loads(Path("told.json").read_text())["series"]
    assert {one["status"] for one in told} <= {"done", "present"}
    return [one["detail"] for one in told if "stale_output" in one["problems"]]


@pytest.mark.parametrize("folder", ["in/x", "in/x/below"])
def test_a_series_that_gains_a_neighbour_says_where_its_older_output_lies(folder, capsys):
    write("in/x", uid=1)
    assert denoise() == 0
    assert stale_outputs() == []
    write(folder, uid=2, prefix="other")
    words = "older output of it lies in out/x: take it away"
    for _ in range(2):
        assert denoise("--resume") == 0
        assert stale_outputs() == [words]
        assert words in capsys.readouterr().out
    for path in Path("out/x").glob("*.dcm"):
        path.unlink()
    assert denoise("--resume") == 0
    assert stale_outputs() == []


def test_frames_of_one_file_are_older_output_too():
    save_enhanced(Path("in/x/many.dcm"), make_frames())
    assert denoise() == 0
    write("in/x", uid=2)
    assert denoise("--resume") == 0
    assert stale_outputs() == ["older output of it lies in out/x/many: take it away"]


def test_parts_that_gain_a_first_slice_say_where_their_older_output_lies():
    write("in", uid=1, prefix="soft", ConvolutionKernel="B30f")
    write("in", uid=1, prefix="hard", ConvolutionKernel="B70f")
    for number, path in enumerate(sorted(Path("in").glob("hard*"))):
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = f"1.2.3.{number}"
        save(dataset, path)
    assert denoise() == 0
    assert stale_outputs() == []
    Path("in/soft000.dcm").unlink()
    assert denoise("--resume") == 0
    (told,) = stale_outputs()
    assert told.startswith("older output of it lies in out/series-")


def test_lower_doses_say_it_too():
    def write_large(folder: str, uid: int, n_slices: int = 2) -> None:
        hu = with_noise(tissue_hu(uid, n_slices=n_slices, size_px=64), uid)
        write_series(Path(folder), hu, uid=uid, PixelSpacing=["2.5", "2.5"], XRayTubeCurrent="200")

    call = ["simulate", "in", "out", "--dose", "0.25", "--photons", "3e5", "--workers", "1", "--json", "told.json"]
    write_large("in/x", 41)
    assert run(call) == 0
    assert stale_outputs() == []
    write_large("in/x/below", 42)
    assert run([*call, "--resume"]) == 0
    assert stale_outputs() == ["older output of it lies in out/0.25/x: take it away"]

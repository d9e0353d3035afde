"""``n2b-ct fit SCAN --out RUN`` and ``n2b-ct denoise SCAN OUT --adapt 5m``: fitted once, said, and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from n2b_ct.cli import run
from n2b_ct.config.phantom_data import PhantomSection
from n2b_ct.config.windows import WindowSection
from n2b_ct.fitting import fit as fitting
from n2b_ct.hu import Window
from n2b_ct.inference.model import load_model
from n2b_ct.phantom import training_slices
from tests.integration.scenes import biased_model, error_lines, smoothing_model, write_series
from tests.noisy_discs import PIXEL_MM, noisy_hu
from tests.toy_subjects import draw_disc

CREATED = ["--created", "2026-03-04T05:06:07"]
MODEL = ["--model", "base.pt"]
PHANTOMS = PhantomSection(kind="phantom", n_slices=2, size_px=128, n_workers=1, regions=("thorax",), n_noise_fields=1)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A noisy series and a model that smooths; phantoms that are drawn in no time, in a cache of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(training_slices, "draw_subject", draw_disc)
    monkeypatch.setattr(fitting.FitSettings, "phantoms_in", few_phantoms)
    monkeypatch.setattr("n2b_ct.fitting.recipes.MIN_ITERATIONS", 4)
    monkeypatch.setattr(fitting, "MOST_ITERATIONS", 4)
    smoothing_model(Path("base.pt"))
    series("in", 1)


def few_phantoms(settings: fitting.FitSettings, window: Window) -> PhantomSection:
    """Seen through the base's window."""
    ends = WindowSection(lower_hu=window.lower_hu, upper_hu=window.upper_hu)
    return PHANTOMS.model_copy(update={"n_validation_slices": 0, "window": ends})


def series(folder: str, uid: int, **options: object) -> None:
    hu = np.stack([noisy_hu(k) for k in range(3)])
    spacing = [PIXEL_MM, PIXEL_MM]
    write_series(Path(folder), hu, uid=uid, PixelSpacing=spacing, ConvolutionKernel="B30f", **options)


def files_of(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.dcm")}


def air(folder: str, uid: int) -> None:
    write_series(Path(folder), np.full((3, 128, 128), -1000.0), uid=uid, PixelSpacing=[PIXEL_MM, PIXEL_MM])


def test_a_fit_is_a_run_folder_that_denoise_takes(capsys):
    assert run(["fit", "in", "--out", "runs/mine", "--time", "1m", *MODEL, "--json", "fit.json"]) == 0
    (result,) = json.loads(Path("fit.json").read_text())
    assert result["status"] in ("fitted", "kept")
    assert result["why"] in capsys.readouterr().out
    assert run(["denoise", "in", "out", "--model", "runs/mine", *CREATED]) == 0
    assert len(files_of("out")) == 3


def test_protocols_get_a_run_folder_each_and_what_is_refused_is_said(capsys):
    series("tree/a", 2, KVP="80")
    air("tree/b", 3)
    assert run(["fit", "tree", "--out", "runs/mine", "--time", "1m", *MODEL]) == 1
    assert "needs 6 flat regions of soft tissue to measure, got 0 regions" in capsys.readouterr().err
    (place,) = Path("runs/mine").iterdir()
    assert load_model(place).section == load_model(Path("base.pt")).section


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--time", "0"], "--time: must be a time of at least 20 s, got 0; write 5m, or leave it out"),
        (["--recipe", "magic"], "--recipe: must be some of inserted-noise, r2r, both, each once, got magic"),
        (["--out", "in/run"], "must lie outside"),
        (["--model", "in"], "must be a run folder or a model file"),
    ],
)
def test_a_fit_that_cannot_be_asked_for_is_refused(arguments, line, capsys):
    assert run(["fit", "in", "--out", "run", *MODEL, *arguments]) == 2
    assert any(line in one for one in error_lines(capsys.readouterr().err))


def test_a_fit_is_replaced_only_when_told(capsys):
    arguments = ["fit", "in", "--out", "run", "--time", "1m", *MODEL]
    assert run(arguments) == 0
    assert run(arguments) == 2
    assert "must be new or empty, got an earlier one; pass --overwrite" in capsys.readouterr().err
    assert run([*arguments, "--overwrite"]) == 0


def test_a_folder_with_something_else_is_never_replaced(capsys):
    Path("run").mkdir()
    Path("run/notes.txt").write_text("mine")
    assert run(["fit", "in", "--out", "run", "--overwrite", *MODEL]) == 2
    assert Path("run/notes.txt").read_text() == "mine"


def test_adapted_series_say_which_model_was_used_and_a_resumed_job_does_not_fit_again(monkeypatch):
    arguments = ["denoise", "in", "out", "--adapt", "1m", *MODEL, *CREATED, "--json", "out.json"]
    assert run(arguments) == 0
    (outcome,) = json.loads(Path("out.json").read_text())["series"]
    assert outcome["fit"]
    before = files_of("out")
    monkeypatch.setattr("n2b_ct.api.denoising.fit_protocol", lambda *arguments: pytest.fail("fitted again"))
    assert run([*arguments, "--resume"]) == 0
    (outcome,) = json.loads(Path("out.json").read_text())["series"]
    assert outcome["status"] == "present"
    assert files_of("out") == before
    Path("out/slice001.dcm").unlink()
    assert run([*arguments, "--resume"]) == 0
    assert files_of("out") == before


def test_a_series_that_cannot_be_fitted_is_done_by_the_model_as_it_is_with_a_warning(capsys):
    air("air", 4)
    assert run(["denoise", "air", "out", "--adapt", "1m", *MODEL, *CREATED, "--json", "out.json"]) == 0
    (outcome,) = json.loads(Path("out.json").read_text())["series"]
    assert "not_fitted" in outcome["problems"]
    assert not outcome["fitted"]
    assert "warning: air: the model was used as it is: series: needs 6 flat regions" in capsys.readouterr().err
    assert run(["denoise", "air", "plain", *MODEL, *CREATED]) == 0
    assert files_of("out") == files_of("plain")


def test_adapting_to_one_slice_is_refused_and_the_slice_is_denoised(capsys):
    write_series(Path("one"), noisy_hu(0)[None], uid=5, PixelSpacing=[PIXEL_MM, PIXEL_MM])
    assert run(["denoise", "one", "out", "--adapt", "1m", *MODEL]) == 0
    assert "needs 3 slices to fit a model to, got 1; use the model as it is" in capsys.readouterr().err
    assert pydicom.dcmread("out/slice000.dcm").SeriesDescription.endswith("N2B")


def test_what_is_there_already_is_found_before_anything_is_fitted(monkeypatch, capsys):
    assert run(["denoise", "in", "out", *MODEL]) == 0
    monkeypatch.setattr("n2b_ct.api.denoising.fit_protocol", lambda *arguments: pytest.fail("fitted"))
    assert run(["denoise", "in", "out", "--adapt", "1m", *MODEL]) == 2
    assert "must not be there yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--adapt", "0"],
            "--adapt: must be a time of at least 20 s, got 0; write 5m, or leave it out to use the model",
        ),
        (["--adapt", "5m", "--scheduler", "tcp://h:1"], "--adapt: excludes --scheduler"),
    ],
)
def test_an_adaptation_that_cannot_be_asked_for_is_refused(arguments, line, capsys):
    assert run(["denoise", "in", "out", *MODEL, *arguments]) == 2
    assert any(line in one for one in error_lines(capsys.readouterr().err))
    assert not Path("out").exists()


def test_a_model_of_any_network_can_be_fitted(capsys):
    biased_model(Path("other.pt"))
    assert run(["fit", "in", "--out", "run", "--time", "1m", "--model", "other.pt"]) == 0
    assert "model: run" in capsys.readouterr().out

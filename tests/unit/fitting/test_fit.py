"""A fit to one protocol: its run folder, what it refuses, and that nothing but seed and steps decide."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.config import load_pipeline
from n2b_ct.config.phantom_data import PhantomSection
from n2b_ct.fitting import fit as fitting
from n2b_ct.fitting.check import Choice, Verdict
from n2b_ct.fitting.fit import FitResult, FitSettings, fit_slices
from n2b_ct.fitting.sampled_slices import SampledSlices
from n2b_ct.inference.model import Model, load_model
from n2b_ct.phantom import training_slices
from tests.integration.scenes import smoothing_model
from tests.noisy_discs import PIXEL_MM, noisy_hu
from tests.tiny_training import CPU
from tests.toy_subjects import draw_disc

PHANTOMS = PhantomSection(kind="phantom", n_slices=2, size_px=128, n_workers=1, regions=("thorax",), n_noise_fields=1)


@pytest.fixture(autouse=True)
def _discs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_slices, "draw_subject", draw_disc)
    training_slices._patient.cache_clear()


@pytest.fixture
def base(tmp_path: Path) -> Model:
    return load_model(smoothing_model(tmp_path / "base.pt"))


def slices_of(images: Sequence[np.ndarray]) -> SampledSlices:
    paddings = [np.zeros(one.shape, bool) for one in images]
    return SampledSlices(list(images), paddings, [None] * len(images), PIXEL_MM, 3.0)


def settings_in(folder: Path, **changes: object) -> FitSettings:
    usual = FitSettings(str(folder / "base.pt"), 60.0, CPU, 0, folder / "cache", iterations=3, phantoms=PHANTOMS)
    return replace(usual, **changes)


def fitted_in(folder: Path, base: Model, name: str = "run", **changes: object) -> FitResult:
    slices = slices_of([noisy_hu(k) for k in range(3)])
    return fit_slices(slices, base, folder / name, "protocol", settings_in(folder, **changes))


def always(name: str) -> object:
    verdict = Verdict(name, 1.0, 0.1, 1.0, {}, 0.0, "")
    return lambda denoisers, slices, window: Choice(name, f"{name}: told so", 10.0, (verdict,))


def test_the_run_folder_holds_model_calibration_check_and_why(
    tmp_path: Path, base: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "choose", always("inserted-noise"))
    result = fitted_in(tmp_path, base)
    assert (result.status, result.iterations, result.n_slices) == ("fitted", 3, 3)
    run = tmp_path / "run"
    names = {"model.pt", "pipeline.yaml", "history.csv", "losses.png", "summary.json", "calibration.json", "check.json"}
    assert {path.name for path in run.iterdir()} - {"checkpoints"} == names
    summary = json.loads((run / "summary.json").read_text())
    assert summary["fit"]["why"] == "inserted-noise: told so"
    assert load_model(run).digest == summary["model_digest"] != base.digest
    assert json.loads((run / "calibration.json").read_text())["photons"] == pytest.approx(1e5, rel=0.7)
    assert load_pipeline(run / "pipeline.yaml").method.init == str(tmp_path / "base.pt")


def test_the_base_is_kept_with_its_digest_where_nothing_is_better(
    tmp_path: Path, base: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "choose", always("base"))
    result = fitted_in(tmp_path, base)
    assert (result.status, result.chosen, result.iterations) == ("kept", "base", 0)
    assert load_model(tmp_path / "run").digest == base.digest
    assert not (tmp_path / "run" / "candidates").exists()


def test_seed_and_steps_decide_the_weights(tmp_path: Path, base: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "choose", always("inserted-noise"))
    digests = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fitted_in(tmp_path, base, name, seed=seed)
        digests.append(load_model(tmp_path / name).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("recipe", ["r2r", "both"])
def test_the_series_own_slices_can_be_learned_from(
    tmp_path: Path, base: Model, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.setattr(fitting, "choose", always(recipe))
    result = fitted_in(tmp_path, base, recipes=("inserted-noise", recipe))
    assert (result.status, result.chosen) == ("fitted", recipe)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert load_model(tmp_path / "run").digest == summary["model_digest"] != base.digest


def test_phantoms_are_made_while_there_is_time_and_some_at_least(
    tmp_path: Path, base: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "choose", always("inserted-noise"))
    monkeypatch.setattr(fitting, "PHANTOMS_AT_ONCE", 2)
    many = PHANTOMS.model_copy(update={"n_slices": 5})
    fitted_in(tmp_path, base, iterations=None, limit_s=0.0, phantoms=many)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["n_images"]["noisy"] == 2
    assert len(list((tmp_path / "cache").glob("*/train-*.npy"))) == 2


def test_a_clock_that_is_run_down_ends_the_training(
    tmp_path: Path, base: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "choose", always("inserted-noise"))
    result = fitted_in(tmp_path, base, iterations=None, limit_s=0.0)
    assert result.iterations == 1
    assert load_model(tmp_path / "run").digest != base.digest


def water(n: int = 3) -> list[np.ndarray]:
    return [np.full((128, 128), 20.0, np.float32) for _ in range(n)]


@pytest.mark.parametrize(
    ("images", "why"),
    [
        ([noisy_hu(0)[:90] for _ in range(3)], "rows and columns must be at least 96 .*, got 90"),
        ([np.full((128, 128), -1000.0, np.float32)] * 3, "needs 6 flat regions of soft tissue to measure, got 0"),
        (water(), "must show some noise in flat tissue"),
    ],
    ids=["small", "air", "no noise"],
)
def test_what_cannot_be_calibrated_is_refused_in_one_line(
    tmp_path: Path, base: Model, images: list[np.ndarray], why: str
) -> None:
    result = fit_slices(slices_of(images), base, tmp_path / "run", "protocol", settings_in(tmp_path))
    assert (result.status, result.run_dir) == ("refused", None)
    assert "\n" not in result.why
    assert re.search(why, result.why)
    assert not (tmp_path / "run").exists()


def test_noise_that_is_no_filtered_ramp_s_is_refused(
    tmp_path: Path, base: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("n2b_ct.fitting.own_noise.MOST_MISFIT", 0.0)
    assert "noise must fit a filtered ramp within 0, got 0." in fitted_in(tmp_path, base).why


def test_rays_that_run_dry_are_refused(tmp_path: Path, base: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2b_ct.fitting.own_noise.LEAST_COUNT", 1e5)
    assert "of the rays through the body may count below 100000 photons, got " in fitted_in(tmp_path, base).why


def test_with_six_slices_every_third_is_kept_for_the_check() -> None:
    few, many = slices_of([noisy_hu(k) for k in range(5)]), slices_of([noisy_hu(k) for k in range(7)])
    assert (len(few.learned), len(few.judged), few.is_split) == (5, 5, False)
    judged, learned = many.judged.hu, many.learned.hu
    assert [any(one is noisy_hu(k) for one in judged) for k in range(7)] == [
        False,
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert len(learned) == 5
    assert not any(one is other for one in learned for other in judged)

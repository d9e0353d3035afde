"""Phantoms as training images: where they are kept, what can learn from them, and a training that goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from n2b_ct.config import Pipeline
from n2b_ct.data.phantom_source import PhantomSource, phantom_source
from n2b_ct.errors import ConfigError, DataError
from n2b_ct.phantom import training_slices
from n2b_ct.simulation.kernel_responses import KernelResponse
from n2b_ct.simulation.series_noise import SeriesNoise
from n2b_ct.training.run import require_ready, run_training
from tests.tiny_training import CPU, SMALL_UNET, TRAINING
from tests.toy_subjects import draw_disc


@pytest.fixture(autouse=True)
def _discs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_slices, "draw_subject", draw_disc)
    training_slices._patient.cache_clear()


def pipeline_of(method: str = "noise_insertion", training: dict[str, Any] | None = None, **data: Any) -> Pipeline:
    sizes = {"n_slices": 3, "n_validation_slices": 1, "size_px": 64, "n_workers": 1}
    return Pipeline.model_validate(
        {
            "name": "p",
            "data": {"kind": "phantom", **sizes, **data},
            "method": {"name": method, "denoiser": SMALL_UNET},
            "training": {**TRAINING, "checkpoint_every": 2, "validate_every": 2, **(training or {})},
        }
    )


def source_of(pipeline: Pipeline, root: Path) -> PhantomSource:
    assert pipeline.data.kind == "phantom"
    return phantom_source(pipeline.data, root)


def weights_of(run_dir: Path) -> dict[str, Any]:
    content = torch.load(run_dir / "model.pt", weights_only=True)
    found: dict[str, Any] = content["weights"]
    return found


def test_phantoms_are_kept_under_the_root_or_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = pipeline_of().data
    assert data.kind == "phantom"
    assert phantom_source(data).folder.parent == tmp_path / "cache" / "n2b-ct"
    assert phantom_source(data, tmp_path).folder.parent == tmp_path


def test_a_training_writes_a_model_of_the_window_and_is_validated_on_other_phantoms(tmp_path: Path) -> None:
    pipeline = pipeline_of()
    summary = run_training(pipeline, source_of(pipeline, tmp_path / "cache"), tmp_path / "run", CPU)
    assert summary["n_images"] == {"noisy": 3, "clean": 0}
    assert summary["last"]["psnr_db"] > 0.0
    assert len(list((tmp_path / "cache").glob("*/train-*.npy"))) == 3
    assert len(list((tmp_path / "cache").glob("*/validation-*.npy"))) == 1


@pytest.mark.parametrize("cache", ["auto", "memory"])
def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path, cache: str) -> None:
    whole = pipeline_of(training={"cache": cache})
    images = source_of(whole, tmp_path / "cache")
    run_training(whole, images, tmp_path / "whole", CPU)
    run_training(whole, images, tmp_path / "resumed", CPU)
    for name in ("model.pt", "checkpoints/checkpoint_iteration=4.pt"):
        (tmp_path / "resumed" / name).unlink()
    run_training(whole, images, tmp_path / "resumed", CPU, resume=True)
    expected, found = weights_of(tmp_path / "whole"), weights_of(tmp_path / "resumed")
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0)


def test_a_training_is_not_resumed_on_other_phantoms(tmp_path: Path) -> None:
    pipeline, other = pipeline_of(), pipeline_of(seed=1)
    run_training(pipeline, source_of(pipeline, tmp_path / "cache"), tmp_path / "run", CPU)
    with pytest.raises(ConfigError, match="must resume with the images it was trained on"):
        run_training(pipeline, source_of(other, tmp_path / "cache"), tmp_path / "run", CPU, resume=True)


def test_the_digests_are_those_of_the_slices_and_need_no_reading(tmp_path: Path) -> None:
    pipeline = pipeline_of()
    source = source_of(pipeline, tmp_path)
    own = source.own_batches(pipeline, slice(None), CPU)
    assert source.digests("noisy", pipeline) == own.digests
    assert len(set(own.digests["images"])) == 3
    assert source.digests("clean", pipeline) == {"images": []}


def test_a_whole_slice_and_its_truth_are_the_same_at_every_reading(tmp_path: Path) -> None:
    pipeline = pipeline_of()
    first, second = (source_of(pipeline, tmp_path).dataset("validation", pipeline) for _ in range(2))
    torch.testing.assert_close(first.images[0], second.images[0], rtol=0, atol=0)
    assert first.images[0].shape == first.targets["reference"][0].shape == (1, 64, 64)
    assert not torch.equal(first.images[0], first.targets["reference"][0])


def test_supervised_learns_from_phantoms_too_and_noise2blur_is_refused(tmp_path: Path) -> None:
    supervised, blurred = pipeline_of("supervised"), pipeline_of("noise2noise")
    require_ready(supervised, source_of(supervised, tmp_path))
    with pytest.raises(DataError, match=r"data\.kind: phantoms train methods .*, got noise2noise; use noise_insertion"):
        require_ready(blurred, source_of(blurred, tmp_path))


def test_unknown_regions_and_slices_below_the_patch_and_its_margin_are_refused(tmp_path: Path) -> None:
    wrong = pipeline_of(regions=["tail"], training={"patch_px": 48})
    with pytest.raises(DataError, match=r"(?s)data\.regions: must be some of .*tail.*data\.size_px: .*, 80, got 64"):
        require_ready(wrong, source_of(wrong, tmp_path))


def test_a_pipeline_of_phantoms_has_no_scans_to_report_on() -> None:
    with pytest.raises(ConfigError, match=r"data\.kind: must be ct here, got phantom; name scans"):
        _ = pipeline_of().ct


def test_noise_must_be_given_from_the_lowest_to_the_highest() -> None:
    with pytest.raises(ValueError, match="must be the lowest and the highest, got 9 and 3"):
        pipeline_of(noise_hu=[9, 3])


def test_a_series_noise_can_take_the_place_of_any_noise(tmp_path: Path) -> None:
    pipeline = pipeline_of()
    water = [np.zeros((64, 96), np.float32), np.full((64, 96), 30.0, np.float32)]
    fields = np.random.default_rng(0).normal(0.0, 20.0, (2, 3, 64, 96)).astype(np.float32)
    series = SeriesNoise(fields, KernelResponse(0.3, 2.0), water)
    plain = source_of(pipeline, tmp_path)
    fitted = replace(plain, noise=series)
    batch = fitted.own_batches(pipeline, slice(None), CPU).batches[0]
    assert set(batch) == {"noisy", "reference", "index"}
    assert fitted.settings(pipeline) != plain.settings(pipeline)
    summary = run_training(pipeline, fitted, tmp_path / "run", CPU)
    assert summary["iterations"] == 4

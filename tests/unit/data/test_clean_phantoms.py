"""Noise-free phantoms as clean slices: shown by the noisy series' kernel, in place of a split's clean ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n2b_ct import api
from n2b_ct.config import Pipeline
from n2b_ct.data.arrays import array_roles
from n2b_ct.data.clean_phantoms import kernels
from n2b_ct.data.ct_source import CTSource, ct_source
from n2b_ct.errors import ConfigError, DataError
from n2b_ct.inference.model import load_any_model
from n2b_ct.phantom import training_slices
from n2b_ct.simulation.noise_texture import NoiseTexture
from n2b_ct.training.run import require_ready, run_training
from tests.tiny_training import CPU, SMALL_UNET, TRAINING, slices_hu
from tests.toy_subjects import draw_disc

SMOOTH, SHARP = NoiseTexture(0.2, 2.0), NoiseTexture(0.45, 3.0)


@pytest.fixture(autouse=True)
def _discs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(training_slices, "draw_subject", draw_disc)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    training_slices._patient.cache_clear()


def pipeline_of(clean: Any = None, **training: Any) -> Pipeline:
    chosen = {"n_slices": 3, "size_px": 64, "n_workers": 1} if clean is None else clean
    return Pipeline.model_validate(
        {
            "name": "p",
            "data": {"manifest": None, "noisy_flat_share": 1.0, "clean": chosen},
            "method": {"name": "noise2blur", "denoiser": SMALL_UNET, "collapse_ratio": None},
            "training": {**TRAINING, **training},
        }
    )


def source_of(pipeline: Pipeline, noisy: Any = None) -> CTSource:
    given = slices_hu()["noisy"] if noisy is None else noisy
    return ct_source(pipeline.ct, array_roles(given), pipeline.method)


def noisy_water(texture: NoiseTexture, size_px: int = 256) -> np.ndarray:
    """Water in air with noise of a texture, HU, ``[3, size, size]``."""
    rng = np.random.default_rng(4)
    row, col = np.mgrid[:size_px, :size_px] - size_px / 2
    water = np.where(np.hypot(row, col) < 0.4 * size_px, 20.0, -1000.0)
    amplitude = np.sqrt(texture.sampled_power(size_px))
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((3, size_px, size_px))) * amplitude).real
    return water + 20.0 * noise / noise.std()


@pytest.mark.parametrize("texture", [SMOOTH, SHARP])
def test_a_kernel_is_measured_by_the_noise_of_its_series(texture):
    (found,) = kernels(array_roles(noisy_water(texture)).noisy)
    assert found is not None
    frequency = np.linspace(0.05, 0.4, 8)
    np.testing.assert_allclose(found.modulation(frequency), texture.apodisation(frequency), atol=0.12)


def test_a_series_without_flat_tissue_tells_no_kernel():
    assert kernels(array_roles(np.full((2, 40, 40), -1000.0)).noisy) == [None]


def test_each_series_has_a_kernel_of_its_own():
    found = kernels(array_roles([noisy_water(SMOOTH), noisy_water(SHARP)]).noisy)
    smooth, sharp = (one.modulation(np.array([0.3]))[0] for one in found if one is not None)
    assert smooth < 0.6 * sharp


def test_the_slices_are_as_smooth_as_the_kernel_makes_them():
    pipeline = pipeline_of({"n_slices": 1, "size_px": 64, "n_workers": 1})
    edges = {}
    for texture in (SMOOTH, SHARP):
        dataset = source_of(pipeline, noisy_water(texture)).dataset("clean", pipeline)
        edges[texture] = float(np.abs(np.diff(dataset.images[0][0].numpy())).max())
    assert edges[SMOOTH] < 0.8 * edges[SHARP]


def test_phantoms_are_counted_among_the_clean_slices_and_their_size_among_the_sizes():
    source = source_of(pipeline_of())
    assert source.n_images == {"noisy": 4, "clean": 3, "validation": 0, "test": 0}
    assert source.sizes_px == ((40, 40), (64, 64))
    assert source.shapes("clean") == [(1, 64, 64)] * 3


def test_the_digests_of_the_slices_are_those_of_the_dataset():
    pipeline = pipeline_of()
    dataset = source_of(pipeline).dataset("clean", pipeline)
    assert source_of(pipeline).digests("clean", pipeline) == dataset.digests
    assert len(set(dataset.digests["images"])) == 3


def test_clean_slices_are_not_clipped_to_the_window():
    pipeline = pipeline_of()
    assert float(source_of(pipeline).dataset("clean", pipeline).images[0].min()) < 0.0


def test_noise2blur_trains_on_them_and_goes_on_where_it_stopped(tmp_path):
    pipeline = pipeline_of(checkpoint_every=2)
    summary = run_training(pipeline, source_of(pipeline), tmp_path / "whole", CPU)
    assert summary["n_images"] == {"noisy": 4, "clean": 3}
    run_training(pipeline, source_of(pipeline), tmp_path / "part", CPU)
    for name in ("model.pt", "summary.json", "checkpoints/checkpoint_iteration=4.pt"):
        (tmp_path / "part" / name).unlink()
    run_training(pipeline, source_of(pipeline), tmp_path / "part", CPU, resume=True)
    assert load_any_model(tmp_path / "part").digest == load_any_model(tmp_path / "whole").digest


def test_the_word_alone_is_enough():
    data = pipeline_of("phantom").ct
    assert data.clean is not None
    assert (data.clean.n_slices, data.clean.regions, data.clean.size_px) == (160, None, 512)


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="must be phantom, or n_slices, regions and the like"):
        pipeline_of("piglet")


@pytest.mark.parametrize(
    ("clean", "message"),
    [
        ({"regions": ["tail"]}, "data.clean.regions: must be some of head, .*, got tail"),
        ({"size_px": 64}, "data.clean.size_px: must be at least training.patch_px, 128, got 64"),
    ],
)
def test_unknown_regions_and_slices_below_the_patch_are_said(clean, message):
    pipeline = pipeline_of(clean, patch_px=128)
    with pytest.raises(DataError, match=message):
        require_ready(pipeline, source_of(pipeline, noisy_water(SMOOTH)))


def test_without_clean_slices_the_key_is_named():
    pipeline = Pipeline.model_validate({**pipeline_of().plain(), "data": {"manifest": None}})
    with pytest.raises(DataError, match=r"role clean: .*, got 0; pass clean=, or set data.clean to phantom"):
        require_ready(pipeline, source_of(pipeline))


def test_in_python_the_word_takes_the_place_of_the_arrays(tmp_path):
    values = {**pipeline_of().plain()}
    summary = api.train(values, noisy=slices_hu()["noisy"], clean="phantom", out=tmp_path / "run", device="cpu")
    assert summary["n_images"]["clean"] == 3


def test_arrays_beside_phantoms_are_refused(tmp_path):
    hu = slices_hu()
    with pytest.raises(ConfigError, match=r"clean: does not go with data.clean: phantom, got arrays"):
        api.train(pipeline_of(), noisy=hu["noisy"], clean=hu["clean"], out=tmp_path / "run")


def test_another_word_in_place_of_arrays_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="clean: must be arrays or phantom, got piglet"):
        api.train(pipeline_of(), noisy=slices_hu()["noisy"], clean="piglet", out=tmp_path / "run")  # type: ignore[arg-type]

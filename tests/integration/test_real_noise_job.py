"""Photographs with noise of their own and no truth, as of a camera: trained on and denoised, whole and in tiles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from n2b_ct.cli import run
from n2b_ct.inference import tiles as inference
from n2b_ct.inference.slices import removed
from n2b_ct.io.natural_images import read_natural_image
from tests.integration.natural_image_scenes import write_words
from tests.integration.scenes import error_lines, tree_of

SIZE_PX = 48
SMALL = {"arguments": {"n_features": 4, "depth": 2}, "output": "direct"}


def photograph(seed: int, noise: float) -> np.ndarray:
    """A soft ramp of three colours with noise that grows with the light, 16 bits."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX] / SIZE_PX
    scene = 0.2 + 0.5 * np.stack([rows, cols, (rows + cols) / 2], axis=-1)
    noisy = scene + noise * np.sqrt(scene) * rng.standard_normal(scene.shape)
    return np.rint(65535 * np.clip(noisy, 0, 1)).astype(np.uint16)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of noisy photographs, one of clean ones, and a pipeline."""
    monkeypatch.chdir(tmp_path)
    for k in range(3):
        write_words(tmp_path / f"noisy/n{k}.png", photograph(k, 0.1))
        write_words(tmp_path / f"clean/c{k}.tif", photograph(10 + k, 0.0))
    return tmp_path


def train(method: dict, *more: str, clean: bool = True) -> int:
    data = {"kind": "natural_images", "noisy": {"folder": "noisy"}, "colour": "rgb", "clipped": True}
    data |= {"clean": {"folder": "clean"}} if clean else {}
    training = {"iterations": 6, "batch_size": 2, "patch_px": 32, "checkpoint_every": 4, "log_every": 3}
    pipeline = {"name": "camera", "data": data, "method": method, "training": training}
    Path("camera.yaml").write_text(yaml.safe_dump(pipeline))
    return run(["train", "camera.yaml", "--data-root", ".", "--out", "run", *more])


@pytest.mark.parametrize(
    ("method", "clean"),
    [
        ({"name": "noise2blur", "denoiser": SMALL, "collapse_ratio": None}, True),
        ({"name": "noise2void", "denoiser": SMALL}, False),
        (
            {"name": "dbsn", "denoiser": {"name": "BayesDenoiser", "output": "direct", "arguments": {"n_features": 4}}},
            False,
        ),
    ],
    ids=["noise2blur", "noise2void", "dbsn"],
)
def test_noisy_photographs_train_a_model_that_denoises_them(photos, capsys, method, clean):
    assert train(method, clean=clean) == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["n_images"] == {"noisy": 3, "clean": 3 if clean else 0}
    assert run(["denoise", "noisy", "denoised", "--model", "run", "--json", "status.json"]) == 0
    assert tree_of(Path("denoised")) == ["n0.png", "n1.png", "n2.png"]
    before, after = (read_natural_image(Path(folder) / "n0.png", "n0") for folder in ("noisy", "denoised"))
    assert (after.bit_depth, after.pixels.shape) == (16, (SIZE_PX, SIZE_PX, 3))
    assert not np.array_equal(before.pixels, after.pixels)
    assert error_lines(capsys.readouterr().err) == []


def test_a_photograph_too_large_to_be_seen_whole_is_denoised_in_tiles(photos, monkeypatch):
    assert train({"name": "noise2void", "denoiser": SMALL}, clean=False) == 0
    assert run(["denoise", "noisy", "whole", "--model", "run"]) == 0
    seen = []
    monkeypatch.setitem(inference.denoise_natural_image.__kwdefaults__, "whole_limit_px", 100)
    monkeypatch.setattr(inference, "TILE_PX", 16)
    monkeypatch.setattr(inference, "HALO_PX", 16)
    monkeypatch.setattr(inference, "removed", lambda model, image: seen.append(image.shape) or removed(model, image))
    assert run(["denoise", "noisy", "tiled", "--model", "run"]) == 0
    assert len(seen) == 3 * 9
    whole, tiled = (read_natural_image(Path(folder) / "n1.png", "n1").pixels for folder in ("whole", "tiled"))
    np.testing.assert_allclose(whole, tiled, atol=1.01 / 65535)


def test_crops_of_large_photographs_with_their_truth_in_another_folder_train_a_supervised_method(photos, capsys):
    for k in range(3):
        write_words(photos / f"truth/t{k}.tif", photograph(k, 0.0))
    crops = ["--set", "data.noisy.crop_px=32", "--set", "data.noisy.select=::2", "--set", "data.reference=truth"]
    assert train({"name": "supervised", "denoiser": SMALL}, *crops, clean=False) == 0
    assert json.loads(Path("run/summary.json").read_text())["n_images"] == {"noisy": 2, "clean": 0}
    (photos / "truth/t1.tif").unlink()
    assert train({"name": "supervised", "denoiser": SMALL}, *crops, "--resume", clean=False) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "data.reference: must hold as many images as noisy, got 2 and 3" in line


def test_what_needs_the_truth_says_so(photos, capsys):
    assert train({"name": "supervised", "denoiser": SMALL}) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "data.noise: supervised needs noise to add to clean images, got null" in line

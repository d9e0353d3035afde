"""The noise extractor's own image, by hand and from a run folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks.noise_extractor import NoiseSubtracted, extractor_model, measured_rows, table
from n2b_ct.config.networks import DenoiserSection
from n2b_ct.data.natural_images import NaturalImageScale
from n2b_ct.errors import ConfigError
from n2b_ct.inference.model import save_model
from n2b_ct.inference.tiles import denoise_natural_image
from n2b_ct.networks.build import build_denoiser, build_network
from tests.run_folders import write_run, write_table_folder

SMALL = {"name": "SimpleUNet", "arguments": {"n_features": 2, "depth": 2}, "output": "direct"}


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, z):
        return self.factor * z


def test_the_extractors_image_is_x_less_what_h_keeps_of_what_f_removes():
    x = torch.tensor([[[[1.0, 2.0]]]])
    assert NoiseSubtracted(Times(0.25), Times(3.0))(x).tolist() == [[[[-1.25, -2.5]]]]


@pytest.fixture
def networks():
    torch.manual_seed(0)
    section = DenoiserSection.model_validate(SMALL)
    return nn.ModuleDict({"denoiser": build_denoiser(section), "noise_extractor": build_network("NoiseExtractor", {})})


@pytest.fixture
def folder(tmp_path, networks):
    """A table's folder with a run: the model holds F, the checkpoint H and an F that is not averaged."""
    write_table_folder(tmp_path)
    run = write_run(tmp_path, "n2b", denoiser=SMALL)
    section = DenoiserSection.model_validate(SMALL)
    scale = NaturalImageScale("gray")
    facts = {"iterations": 20}
    weights = networks["denoiser"].state_dict()
    save_model(
        run / "model.pt", weights=weights, section=section, input_scale=scale, name="n2b", method="m", facts=facts
    )
    (run / "checkpoints").mkdir()
    kept = {**networks.state_dict(), **{f"denoiser.{key}": value + 1 for key, value in weights.items()}}
    torch.save({"networks": kept}, run / "checkpoints" / "checkpoint_iteration=20.pt")
    return tmp_path


def test_f_is_the_models_and_h_the_checkpoints(folder, networks):
    model, iteration = extractor_model(folder / "runs/n2b")
    image = np.random.default_rng(0).random((16, 24), np.float32)
    x = torch.from_numpy(image)[None, None]
    with torch.no_grad():
        expected = x - networks["noise_extractor"](x - networks["denoiser"].eval()(x))
    assert iteration == 20
    assert denoise_natural_image(model, image) == pytest.approx(expected[0, 0].numpy(), abs=1e-5)


def test_both_images_are_scored_on_every_column(folder):
    (folder / "data/test").mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32), np.uint8)
    Image.fromarray(pixels).save(folder / "data/test/one.png")
    (found,) = measured_rows(folder, "N2B", folder / "data")
    assert (found["experiment"], found["row"], found["test"], found["n_images"]) == ("tiny", "N2B", "t", 1)
    stored = {
        name: json.loads((folder / f"rows/{name}/scores.json").read_text()) for name in ("n2b", "noise_extractor_n2b")
    }
    psnr = [next(iter(one["scores"].values()))["psnr_db"] for one in stored.values()]
    assert [found["denoiser_db"], found["extractor_db"]] == pytest.approx(psnr)
    assert psnr[0] != psnr[1]


def test_a_run_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"must be a run of noise2blur with a checkpoint.*got no checkpoint"):
        extractor_model(write_run(tmp_path, "n2b"))


def test_the_table_says_the_papers_numbers_and_the_differences():
    row = {"experiment": "e", "row": "N2B", "test": "σ 25", "denoiser_db": 28.5, "extractor_db": 27.25}
    assert table([row]).splitlines()[2:] == [
        "| N2B | the paper, RGB BSD300, σ 25 | 30.86 | 29.22 | −1.64 |",
        "| N2B | e, σ 25 | 28.50 | 27.25 | −1.25 |",
    ]

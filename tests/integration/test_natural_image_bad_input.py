"""Images that cannot be denoised or trained on: one line, the right code, and the others are done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from n2b_ct.cli import run
from tests.integration.natural_image_scenes import natural_image_model, random_words, write_words
from tests.integration.scenes import biased_model, error_lines, tissue_hu, tree_of, write_series


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    natural_image_model(tmp_path / "model.pt")
    write_words(tmp_path / "in/good.png", random_words("gray", 8, seed=1))
    return tmp_path / "in"


def denoise(source, output, *more, model="model.pt"):
    return run(["denoise", str(source), str(output), "--model", model, "--json", "status.json", *more])


def cut_short(folder):
    path = write_words(folder / "bad.png", random_words("gray", 8, seed=2))
    path.write_bytes(path.read_bytes()[:-30])


def no_image(folder):
    (folder / "bad.tif").write_text("hello")


BAD = {
    "cut short": (
        cut_short,
        "image bad.png: must be a whole PNG, TIFF, BMP, JPEG or WebP image, got a damaged file",
    ),
    "no image": (no_image, "image bad.tif: must be a whole PNG"),
    "palette": (lambda f: Image.new("P", (8, 8)).save(f / "bad.png"), "got a palette"),
    "alpha": (lambda f: Image.new("RGBA", (8, 8)).save(f / "bad.png"), "got RGB with an alpha channel"),
    "one pixel": (lambda f: Image.new("L", (1, 1)).save(f / "bad.png"), "must be at least 2x2 pixels, got 1x1"),
    "cmyk": (lambda f: Image.new("CMYK", (8, 8)).save(f / "bad.jpg"), "got CMYK"),
    "rgb": (lambda f: Image.new("RGB", (8, 8)).save(f / "bad.png"), "must be gray, as what the model was trained on"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_costs_one_line_and_the_others_are_done(images, capsys, kind):
    spoil, words = BAD[kind]
    spoil(images)
    assert denoise(images, "out") == 1
    (line,) = error_lines(capsys.readouterr().err)
    assert words in line
    assert tree_of(Path("out")) == ["good.png"]
    status = {Path(one["source"]).stem: one for one in json.loads(Path("status.json").read_text())["series"]}
    assert (status["good"]["status"], status["bad"]["status"]) == ("done", "failed")
    assert words in status["bad"]["detail"]


def test_bad_images_alone_end_with_2(images, capsys):
    (images / "good.png").unlink()
    cut_short(images)
    assert denoise(images, "out") == 2
    assert len(error_lines(capsys.readouterr().err)) == 1
    assert not Path("out").exists()


def refused(capsys, *arguments, words):
    assert denoise(*arguments) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert words in line
    assert not Path("out").exists()


def test_a_folder_without_images_is_refused(images, capsys):
    (images / "good.png").rename(images / "good.gif")
    refused(capsys, images, "out", words="must hold at least one image (png, tif, bmp, jpg, webp), got 1 files")


def test_an_input_that_is_not_there_is_refused(images, capsys):
    refused(capsys, "absent", "out", words="input absent: must be an image or a folder of images, got nothing there")


def test_an_output_inside_the_input_is_refused(images, capsys):
    refused(capsys, images, images / "out", words="must lie outside the input folder")
    assert [path.name for path in images.iterdir()] == ["good.png"]


@pytest.mark.parametrize(
    "option",
    [("--widen-bits",), ("--assume-hu",), ("--select", "x"), ("--compress", "rle"), ("--force",), ("--repair",)],
)
def test_options_of_ct_are_refused(images, capsys, option):
    refused(capsys, images, "out", *option, words="is for CT, got a model of images; leave it out")


def test_channels_one_by_one_is_for_models_of_gray(images, capsys):
    natural_image_model(Path("model.pt"), "rgb")
    refused(capsys, images, "out", "--per-channel", words="--per-channel: is for models of gray images, got one of RGB")


def test_dicom_with_a_model_of_images_is_one_line(images, capsys):
    write_series(Path("ct"), tissue_hu(1, size_px=16), uid=1)
    refused(capsys, "ct", "out", words="pass a model of CT if it is DICOM or volumes you have")


def test_images_with_a_model_of_ct_are_one_line(images, capsys):
    biased_model(Path("model.pt"))
    refused(capsys, images, "out", words="pass a model of images if it is images you have")
    refused(capsys, images, "out", "--per-channel", words="--per-channel: is for images, got a model of CT")


# ── Training ──

_PIPELINE = """
name: toy
data:
  kind: natural_images
  noisy: {{folder: in}}
  clean: {{folder: clean}}
  colour: {colour}
  noise: {{kind: gaussian, sigma: {sigma}}}
method:
  name: noise2blur
  denoiser: {{name: DnCNN, output: direct, arguments: {{n_layers: 3, n_features: 4}}}}
training: {{iterations: 2, patch_px: 16, batch_size: 2}}
"""


def check(root: Path, capsys, colour="gray", sigma=25):
    (root / "pipeline.yaml").write_text(_PIPELINE.format(colour=colour, sigma=sigma))
    code = run(["train", "pipeline.yaml", "--data-root", str(root), "--check"])
    return code, error_lines(capsys.readouterr().err)


@pytest.fixture
def training(images):
    write_words(images.parent / "clean/c.png", random_words("gray", 8, seed=3))
    return images.parent


def test_one_noisy_image_is_enough(training, capsys):
    assert check(training, capsys) == (0, [])


def test_an_image_of_the_other_colour_names_key_and_file(training, capsys):
    write_words(training / "clean/c.png", random_words("rgb", 8, seed=3))
    code, (line,) = check(training, capsys)
    assert code == 2
    assert line.endswith("data.clean.folder: c.png: must be gray (data.colour), got rgb; set data.colour: rgb")


def test_an_image_smaller_than_the_patch_names_key_and_file(training, capsys):
    write_words(training / "in/small.png", np.zeros((15, 40), np.uint8))
    code, (line,) = check(training, capsys)
    assert code == 2
    assert "data.noisy.folder: small.png: must be at least training.patch_px = 16 wide and high, got 15x40" in line


@pytest.mark.parametrize("kind", ["cut short", "no image", "palette", "alpha", "one pixel"])
def test_a_bad_image_among_the_training_images_names_key_and_file(training, capsys, kind):
    spoil, words = BAD[kind]
    spoil(training / "in")
    (training / "pipeline.yaml").write_text(_PIPELINE.format(colour="gray", sigma=25))
    assert run(["train", "pipeline.yaml", "--data-root", str(training), "--out", "run"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "data.noisy.folder: bad." in line
    assert words.removeprefix("image bad.png: ").removeprefix("image bad.tif: ") in line


def test_an_empty_folder_is_refused(training, capsys):
    (training / "clean/c.png").unlink()
    code, (line,) = check(training, capsys)
    assert code == 2
    assert "data.clean.folder" in line
    assert "must hold images (png, tif, bmp, jpg, webp), got 0 images" in line

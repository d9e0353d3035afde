"""Pictures that cannot be denoised or trained on: one line, the right code, and the others are done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from n2b_ct.cli import run
from tests.integration.picture_scenes import picture_model, random_words, write_words
from tests.integration.scenes import biased_model, error_lines, tissue_hu, tree_of, write_series


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture_model(tmp_path / "model.pt")
    write_words(tmp_path / "in/good.png", random_words("gray", 8, seed=1))
    return tmp_path / "in"


def denoise(source, output, *more, model="model.pt"):
    return run(["denoise", str(source), str(output), "--model", model, "--json", "status.json", *more])


def cut_short(folder):
    path = write_words(folder / "bad.png", random_words("gray", 8, seed=2))
    path.write_bytes(path.read_bytes()[:-30])


def no_picture(folder):
    (folder / "bad.tif").write_text("hello")


BAD = {
    "cut short": (
        cut_short,
        "picture bad.png: must be a whole PNG, TIFF, BMP, JPEG or WebP picture, got a damaged file",
    ),
    "no picture": (no_picture, "picture bad.tif: must be a whole PNG"),
    "palette": (lambda f: Image.new("P", (8, 8)).save(f / "bad.png"), "got a palette"),
    "alpha": (lambda f: Image.new("RGBA", (8, 8)).save(f / "bad.png"), "got RGB with an alpha channel"),
    "one pixel": (lambda f: Image.new("L", (1, 1)).save(f / "bad.png"), "must be at least 2x2 pixels, got 1x1"),
    "cmyk": (lambda f: Image.new("CMYK", (8, 8)).save(f / "bad.jpg"), "got CMYK"),
    "rgb": (lambda f: Image.new("RGB", (8, 8)).save(f / "bad.png"), "must be gray, as what the model was trained on"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_costs_one_line_and_the_others_are_done(pictures, capsys, kind):
    spoil, words = BAD[kind]
    spoil(pictures)
    assert denoise(pictures, "out") == 1
    (line,) = error_lines(capsys.readouterr().err)
    assert words in line
    assert tree_of(Path("out")) == ["good.png"]
    status = {Path(one["source"]).stem: one for one in json.loads(Path("status.json").read_text())["series"]}
    assert (status["good"]["status"], status["bad"]["status"]) == ("done", "failed")
    assert words in status["bad"]["detail"]


def test_bad_pictures_alone_end_with_2(pictures, capsys):
    (pictures / "good.png").unlink()
    cut_short(pictures)
    assert denoise(pictures, "out") == 2
    assert len(error_lines(capsys.readouterr().err)) == 1
    assert not Path("out").exists()


def refused(capsys, *arguments, words):
    assert denoise(*arguments) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert words in line
    assert not Path("out").exists()


def test_a_folder_without_pictures_is_refused(pictures, capsys):
    (pictures / "good.png").rename(pictures / "good.gif")
    refused(capsys, pictures, "out", words="must hold at least one picture (png, tif, bmp, jpg, webp), got 1 files")


def test_an_input_that_is_not_there_is_refused(pictures, capsys):
    refused(capsys, "absent", "out", words="input absent: must be a picture or a folder of pictures, got nothing there")


def test_an_output_inside_the_input_is_refused(pictures, capsys):
    refused(capsys, pictures, pictures / "out", words="must lie outside the input folder")
    assert [path.name for path in pictures.iterdir()] == ["good.png"]


@pytest.mark.parametrize(
    "option",
    [("--widen-bits",), ("--assume-hu",), ("--select", "x"), ("--compress", "rle"), ("--force",), ("--repair",)],
)
def test_options_of_ct_are_refused(pictures, capsys, option):
    refused(capsys, pictures, "out", *option, words="is for CT, got a model of pictures; leave it out")


def test_channels_one_by_one_is_for_models_of_gray(pictures, capsys):
    picture_model(Path("model.pt"), "rgb")
    refused(
        capsys, pictures, "out", "--per-channel", words="--per-channel: is for models of gray pictures, got one of RGB"
    )


def test_dicom_with_a_model_of_pictures_is_one_line(pictures, capsys):
    write_series(Path("ct"), tissue_hu(1, size_px=16), uid=1)
    refused(capsys, "ct", "out", words="pass a model of CT if it is DICOM or volumes you have")


def test_pictures_with_a_model_of_ct_are_one_line(pictures, capsys):
    biased_model(Path("model.pt"))
    refused(capsys, pictures, "out", words="pass a model of pictures if it is pictures you have")
    refused(capsys, pictures, "out", "--per-channel", words="--per-channel: is for pictures, got a model of CT")


# ── Training ──

_PIPELINE = """
name: toy
data:
  kind: pictures
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
def training(pictures):
    write_words(pictures.parent / "clean/c.png", random_words("gray", 8, seed=3))
    return pictures.parent


def test_one_noisy_picture_is_enough(training, capsys):
    assert check(training, capsys) == (0, [])


def test_a_picture_of_the_other_colour_names_key_and_file(training, capsys):
    write_words(training / "clean/c.png", random_words("rgb", 8, seed=3))
    code, (line,) = check(training, capsys)
    assert code == 2
    assert line.endswith("data.clean.folder: c.png: must be gray (data.colour), got rgb; set data.colour: rgb")


def test_a_picture_smaller_than_the_patch_names_key_and_file(training, capsys):
    write_words(training / "in/small.png", np.zeros((15, 40), np.uint8))
    code, (line,) = check(training, capsys)
    assert code == 2
    assert "data.noisy.folder: small.png: must be at least training.patch_px = 16 wide and high, got 15x40" in line


@pytest.mark.parametrize("kind", ["cut short", "no picture", "palette", "alpha", "one pixel"])
def test_a_bad_picture_among_the_training_pictures_names_key_and_file(training, capsys, kind):
    spoil, words = BAD[kind]
    spoil(training / "in")
    (training / "pipeline.yaml").write_text(_PIPELINE.format(colour="gray", sigma=25))
    assert run(["train", "pipeline.yaml", "--data-root", str(training), "--out", "run"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "data.noisy.folder: bad." in line
    assert words.removeprefix("picture bad.png: ").removeprefix("picture bad.tif: ") in line


def test_an_empty_folder_is_refused(training, capsys):
    (training / "clean/c.png").unlink()
    code, (line,) = check(training, capsys)
    assert code == 2
    assert "data.clean.folder" in line
    assert "must hold pictures (png, tif, bmp, jpg, webp), got 0 pictures" in line

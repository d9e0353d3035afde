"""``n2b-ct denoise`` with a model of images, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from n2b_ct import api
from n2b_ct.cli import run
from n2b_ct.io.natural_images import read_natural_image
from n2b_ct.io.natural_images.write import to_words
from tests.integration.natural_image_scenes import natural_image_model, random_words, write_words
from tests.integration.scenes import error_lines, tree_of


def denoise(source, output, *more, model="model.pt"):
    return run(["denoise", str(source), str(output), "--model", model, "--json", "status.json", *more])


def listed():
    return json.loads(Path("status.json").read_text())["series"]


def words_of(path):
    image = read_natural_image(Path(path))
    return to_words(image.pixels, image.bit_depth)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_an_identity_network_leaves_every_pixel_of_every_form_and_depth(tmp_path, colour, logarithm):
    natural_image_model(tmp_path / "model.pt", colour, logarithm=logarithm)
    kinds = [("png", 8), ("png", 16), ("tif", 8), ("tiff", 16), ("bmp", 8)]
    for ending, bit_depth in kinds:
        write_words(tmp_path / f"in/{bit_depth}.{ending}", random_words(colour, bit_depth, seed=1))
    assert denoise("in", "out") == 0
    for ending, bit_depth in kinds:
        words = random_words(colour, bit_depth, seed=1)
        np.testing.assert_array_equal(words_of(f"out/{bit_depth}.{ending}"), words)
    np.testing.assert_array_equal(tifffile.imread("out/16.tiff"), random_words(colour, 16, seed=1))
    with Image.open("out/8.bmp") as image:
        assert (image.format, image.mode) == ("BMP", "L" if colour == "gray" else "RGB")


def test_the_tree_is_mirrored_and_every_file_has_one_status(tmp_path, capsys):
    natural_image_model(tmp_path / "model.pt", gain=0.5)
    words = random_words("gray", 8, seed=2)
    for name in ("a/p10.png", "a/p2.png", "b/c/x.JPG", "b/c/y.webp.png"):
        write_words(tmp_path / "in" / name, words) if not name.endswith("JPG") else None
    write_words(tmp_path / "in/b/c/x.jpg", words)
    (tmp_path / "in/notes.txt").write_text("hello")
    (tmp_path / "in/.hidden.png").write_text("hello")
    assert denoise("in", "out") == 0
    written = [name for name in tree_of(Path("out")) if Path("out", name).is_file()]
    assert written == ["a/p10.png", "a/p2.png", "b/c/x.png", "b/c/y.webp.png"]
    content = json.loads(Path("status.json").read_text())
    assert [Path(one["source"]).name for one in content["series"]] == ["p2.png", "p10.png", "x.jpg", "y.webp.png"]
    assert {one["status"] for one in content["series"]} == {"done"}
    one = content["series"][0]
    assert (one["n_pixels"], one["warnings"], one["reason"]) == (21 * 34, [], "")
    assert one["removed_std_grey"] == pytest.approx(words.std() / 2, rel=0.01)
    files = {Path(record["path"]).name: (record["action"], record["reason"]) for record in content["files"]}
    assert files["notes.txt"] == files[".hidden.png"] == ("skipped", "not_natural_image")
    assert files["p2.png"] == ("used", "")
    assert "p2.png: image, removed noise 3" in capsys.readouterr().out


def test_strength_scales_what_is_removed_and_the_residual_shows_it_around_mid_grey(tmp_path):
    natural_image_model(tmp_path / "model.pt", gain=0.5)
    words = write_words(tmp_path / "in/a.png", random_words("gray", 16, seed=3)) and random_words("gray", 16, seed=3)
    assert denoise("in", "out", "--strength", "0.5", "--residual") == 0
    np.testing.assert_allclose(words_of("out/a.png"), 0.75 * words.astype(float), atol=1)
    np.testing.assert_allclose(words_of("out/a-residual.png"), 0.25 * words.astype(float) + 32767.5, atol=1)


def test_a_single_image_lands_in_the_output_folder(tmp_path):
    natural_image_model(tmp_path / "model.pt")
    write_words(tmp_path / "in/a.tif", random_words("gray", 8, seed=4))
    assert denoise("in/a.tif", "out") == 0
    np.testing.assert_array_equal(words_of("out/a.tif"), random_words("gray", 8, seed=4))


def test_a_jpeg_beside_a_png_of_its_name_keeps_its_ending(tmp_path):
    natural_image_model(tmp_path / "model.pt")
    for name in ("a.jpg", "a.png", "b.jpg", "b.webp"):
        write_words(tmp_path / "in" / name, random_words("gray", 8, seed=5))
    (tmp_path / "in/b.webp").unlink()
    assert denoise("in", "out") == 0
    assert tree_of(Path("out")) == ["a.jpg.png", "a.png", "b.png"]


def test_a_gray_model_denoises_rgb_channel_by_channel_on_demand(tmp_path, capsys):
    natural_image_model(tmp_path / "model.pt", gain=0.5)
    words = random_words("rgb", 8, seed=6)
    write_words(tmp_path / "in/a.png", words)
    assert denoise("in", "out") == 2
    assert "must be gray, as what the model was trained on, got rgb; pass --per-channel" in capsys.readouterr().err
    assert not Path("out").exists()
    assert denoise("in", "out", "--per-channel") == 0
    np.testing.assert_allclose(words_of("out/a.png"), words / 2, atol=0.51)


def test_resume_keeps_what_is_there_and_overwrite_replaces_it(tmp_path, capsys):
    natural_image_model(tmp_path / "model.pt", gain=0.5)
    for name in "ab":
        write_words(tmp_path / f"in/{name}.png", random_words("gray", 8, seed=7))
    assert denoise("in", "out") == 0
    made = Path("out/b.png").read_bytes()
    Path("out/b.png").unlink()
    assert denoise("in", "out") == 2
    assert "must not be there yet, got 1 of 2 outputs; pass --resume" in capsys.readouterr().err
    assert denoise("in", "out", "--resume") == 0
    assert [one["status"] for one in listed()] == ["present", "done"]
    assert Path("out/a.png").read_bytes() == Path("out/b.png").read_bytes() == made
    Path("out/a.png").write_bytes(b"mine")
    assert denoise("in", "out", "--overwrite") == 0
    assert Path("out/a.png").read_bytes() == made


def test_equal_runs_give_equal_bytes(tmp_path):
    natural_image_model(tmp_path / "model.pt", "rgb", gain=0.25)
    for ending, bit_depth in (("png", 8), ("png", 16), ("tif", 8), ("tiff", 16), ("bmp", 8)):
        write_words(tmp_path / f"in/{bit_depth}.{ending}", random_words("rgb", bit_depth, seed=8))
    assert denoise("in", "one") == denoise("in", "two") == 0
    for path in filter(Path.is_file, Path("one").iterdir()):
        assert path.read_bytes() == (Path("two") / path.name).read_bytes()


def test_the_api_takes_a_loaded_model_and_tells_its_progress(tmp_path):
    from n2b_ct.inference.model import load_natural_image_model

    model = load_natural_image_model(natural_image_model(tmp_path / "model.pt"))
    write_words(tmp_path / "in/a.png", random_words("gray", 8, seed=9))
    told = []
    result = api.denoise(tmp_path / "in", tmp_path / "out", model=model, progress=lambda *step: told.append(step))
    assert [one.status for one in result.outcomes] == ["done"]
    assert told == [(1, 1, "a.png")]


@pytest.mark.real_data
def test_an_identity_network_leaves_real_photographs_as_they_are(tmp_path, shared_data):
    natural_image_model(tmp_path / "model.pt")
    source = shared_data / "natural" / "Set12"
    assert denoise(source, "out") == 0
    for path in source.iterdir():
        with Image.open(path) as before, Image.open(Path("out") / path.name) as after:
            np.testing.assert_array_equal(np.asarray(after), np.asarray(before))


def test_a_place_that_cannot_be_written_costs_one_line(tmp_path, capsys):
    natural_image_model(tmp_path / "model.pt")
    write_words(tmp_path / "in/a.png", random_words("gray", 8, seed=1))
    Path("out").write_text("a file")
    assert denoise("in", "out") == 2
    assert len(error_lines(capsys.readouterr().err)) == 1

"""Natural images as a data set: the noise protocol, what the network sees, labels by channel, noise drawn anew."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from n2b_ct.config.natural_images import ImageFolder, NaturalImageSection
from n2b_ct.data.image_files import find_natural_images
from n2b_ct.data.natural_image_source import NaturalImageSource
from n2b_ct.data.natural_images import (
    Stream,
    channels_first,
    channels_last,
    corrupted,
    from_network,
    to_network,
)
from n2b_ct.data.patches import PatchBatches
from n2b_ct.errors import DataError
from n2b_ct.filters.blur import mean_blur
from n2b_ct.noises.gaussian import GaussianNoise
from n2b_ct.noises.speckle import speckle_logarithm

GAUSSIAN = {"kind": "gaussian", "sigma": 25}
NOISE = GaussianNoise(25 / 255)


def needs(**asked):
    return SimpleNamespace(**dict.fromkeys(("clean", "blurred", "reference", "noisy_again"), False) | asked)


def write_folder(folder, n_images=4, colour="gray", size=(20, 26), seed=0):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    shape = size if colour == "gray" else (*size, 3)
    for index in range(n_images):
        words = rng.integers(30, 226, shape, dtype=np.uint8)
        Image.fromarray(words).save(folder / f"p{index + 8}.png")
    return folder


def section(**changes):
    values = {"kind": "natural_images", "noisy": {"folder": "noisy"}, "noise": GAUSSIAN} | changes
    return NaturalImageSection.model_validate(values)


def files_of(root, chosen):
    roles = {"noisy": chosen.noisy, "clean": chosen.clean}
    found = {role: folder for role, folder in roles.items() if folder is not None}
    return {role: find_natural_images(folder, root, chosen.colour, f"data.{role}") for role, folder in found.items()}


def pipeline_of(asked, label=None, seed=3):
    method = SimpleNamespace(needs=asked, label_filter=lambda: label)
    return SimpleNamespace(method=method, training=SimpleNamespace(seed=seed))


def datasets_of(root, chosen, asked, label=None, seed=3):
    """Read what ``asked`` needs: noisy and clean datasets, and what finishes a batch."""
    source, pipeline = NaturalImageSource(chosen, files_of(root, chosen)), pipeline_of(asked, label, seed)
    return SimpleNamespace(
        noisy=source.dataset("noisy", pipeline),
        clean=source.dataset("clean", pipeline) if asked.clean else None,
        finish=source.fresh_noise(pipeline),
    )


# ── Finding ──


def names(root, **folder):
    return [file.path.name for file in find_natural_images(ImageFolder(**folder), root, "gray", "data.noisy")]


def test_images_are_selected_in_natural_order_and_then_counted(tmp_path):
    write_folder(tmp_path / "a", n_images=5)
    (tmp_path / "a" / "notes.txt").touch()
    assert names(tmp_path, folder="a") == ["p8.png", "p9.png", "p10.png", "p11.png", "p12.png"]
    assert names(tmp_path, folder="a", select="1::2") == ["p9.png", "p11.png"]
    assert names(tmp_path, folder="a", select="1:", count=2) == ["p9.png", "p10.png"]


def test_an_image_is_found_with_its_size(tmp_path):
    write_folder(tmp_path / "a", n_images=1, size=(20, 26))
    (found,) = find_natural_images(ImageFolder(folder="a"), tmp_path, "gray", "data.noisy")
    assert found.size_px == (20, 26)


def refusal(root, folder, colour="gray"):
    with pytest.raises(DataError, match=r"^data\.noisy\.folder") as caught:
        find_natural_images(ImageFolder(folder=folder), root, colour, "data.noisy")
    return str(caught.value)


def test_folders_that_cannot_teach_are_refused_with_key_and_file(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    write_folder(tmp_path / "rgb", colour="rgb")
    write_folder(tmp_path / "mixed", n_images=2)
    write_folder(tmp_path / "mixed" / "more", n_images=1, colour="rgb")
    (tmp_path / "mixed" / "more" / "p8.png").rename(tmp_path / "mixed" / "p20.png")
    assert refusal(tmp_path, "absent").startswith("data.noisy.folder ")
    assert refusal(tmp_path, "absent").endswith("must be a folder of images, got nothing there; check the path")
    assert "must hold images (png, tif, bmp, jpg, webp), got 0 images" in refusal(tmp_path, "empty")
    assert refusal(tmp_path, "rgb") == (
        "data.noisy.folder: p8.png: must be gray (data.colour), got rgb; set data.colour: rgb"
    )
    assert refusal(tmp_path, "mixed") == (
        "data.noisy.folder: p20.png: must be gray like the 2 before it, got rgb; "
        "keep images of one colour in the folder"
    )


def test_gray_where_rgb_is_asked_names_the_remedy(tmp_path):
    write_folder(tmp_path / "a")
    assert refusal(tmp_path, "a", "rgb").endswith("must be rgb (data.colour), got gray; set data.colour: gray")


def test_a_selection_that_leaves_nothing_is_refused(tmp_path):
    write_folder(tmp_path / "a", n_images=2)
    with pytest.raises(DataError, match=r"must hold data\.noisy\.select's images, got 2 images"):
        find_natural_images(ImageFolder(folder="a", select="5:"), tmp_path, "gray", "data.noisy")


# ── The noise protocol ──


def test_the_kth_image_gets_the_noise_of_seed_and_k(tmp_path):
    write_folder(tmp_path / "noisy")
    chosen = section(noisy={"folder": "noisy", "select": "1::2"})
    dataset = datasets_of(tmp_path, chosen, needs(reference=True)).noisy
    truth = np.asarray(Image.open(tmp_path / "noisy" / "p11.png")).astype(np.float32) / 255
    noise = np.random.default_rng([3, 1]).standard_normal((20, 26), dtype=np.float32) * np.float32(25 / 255)
    np.testing.assert_allclose(dataset.images[1][0], truth + noise, atol=1e-6)
    np.testing.assert_array_equal(dataset.targets["reference"][1][0], truth)
    assert dataset.images[1].dtype == torch.float32
    assert all(mask.all() for mask in dataset.body)


def test_no_two_streams_share_their_noise():
    black = np.zeros((64, 64), np.float32)
    noises = [corrupted(black, NOISE, 0, 5, stream).ravel() for stream in Stream]
    assert np.abs(np.corrcoef(noises)[np.triu_indices(len(Stream), 1)]).max() < 0.06


def test_realisations_and_validation_have_noises_of_their_own(tmp_path):
    write_folder(tmp_path / "noisy")
    dataset = datasets_of(tmp_path, section(), needs(noisy_again=True, reference=True), seed=0).noisy
    watched = NaturalImageSource(section(), {"validation": files_of(tmp_path, section())["noisy"]})
    validation = watched.dataset("validation", pipeline_of(needs(), seed=0))
    truth = dataset.targets["reference"][2]
    noises = [dataset.images[2] - truth, dataset.targets["noisy_again"][2] - truth, validation.images[2] - truth]
    correlations = np.corrcoef([noise.flatten().numpy() for noise in noises])
    assert np.abs(correlations[np.triu_indices(3, 1)]).max() < 0.2
    torch.testing.assert_close(validation.targets["reference"][2], truth)


def test_images_that_are_noisy_already_stay_as_they_are(tmp_path):
    write_folder(tmp_path / "noisy", n_images=1)
    dataset = datasets_of(tmp_path, section(noise=None), needs(blurred=True), lambda image: mean_blur(image, 3)).noisy
    words = np.asarray(Image.open(tmp_path / "noisy" / "p8.png"))
    np.testing.assert_array_equal(dataset.images[0][0], words.astype(np.float32) / np.float32(255))
    assert set(dataset.targets) == {"blurred"}


def test_clean_images_carry_no_noise(tmp_path):
    write_folder(tmp_path / "noisy", n_images=1)
    write_folder(tmp_path / "clean", n_images=2, seed=9)
    clean = datasets_of(tmp_path, section(clean={"folder": "clean"}), needs(clean=True)).clean
    words = np.asarray(Image.open(tmp_path / "clean" / "p9.png"))
    np.testing.assert_array_equal(clean.images[1][0], words.astype(np.float32) / np.float32(255))
    assert len(clean) == 2


def test_only_what_is_needed_is_kept(tmp_path):
    write_folder(tmp_path / "noisy", n_images=1)
    datasets = datasets_of(tmp_path, section(), needs())
    assert (datasets.noisy.targets, datasets.clean, datasets.finish) == ({}, None, None)


def test_a_damaged_image_is_named_with_its_key(tmp_path):
    folder = write_folder(tmp_path / "noisy")
    content = (folder / "p9.png").read_bytes()
    (folder / "p9.png").write_bytes(content[:-40])
    with pytest.raises(DataError, match=r"data\.noisy\.folder: p9\.png: must be a whole PNG"):
        datasets_of(tmp_path, section(), needs())


# ── What the network sees ──


def test_the_logarithm_takes_in_everything_that_the_network_sees(tmp_path):
    write_folder(tmp_path / "noisy", n_images=1)
    write_folder(tmp_path / "clean", n_images=1, seed=5)
    chosen = section(
        noise={"kind": "speckle", "variance": 0.1}, logarithm=True, clean={"folder": "clean"}, realisations="one"
    )
    plain = chosen.model_copy(update={"logarithm": False})
    asked = needs(clean=True, reference=True, blurred=True)
    seen, linear = (datasets_of(tmp_path, one, asked, lambda image: mean_blur(image, 3)) for one in (chosen, plain))
    for logarithm, value in [
        (seen.noisy.images[0], linear.noisy.images[0]),
        (seen.noisy.targets["reference"][0], linear.noisy.targets["reference"][0]),
        (seen.clean.images[0], linear.clean.images[0]),
    ]:
        np.testing.assert_allclose(logarithm, speckle_logarithm(value.numpy()), rtol=1e-5)
    np.testing.assert_allclose(
        seen.noisy.targets["blurred"][0][0], mean_blur(seen.noisy.images[0][0].numpy(), 3), rtol=1e-6
    )


def test_clipping_reaches_noisy_images_alone(tmp_path):
    write_folder(tmp_path / "noisy", n_images=1)
    chosen = section(noise={"kind": "gaussian", "sigma": 200}, clipped=True)
    dataset = datasets_of(tmp_path, chosen, needs(reference=True, noisy_again=True)).noisy
    for image in (dataset.images[0], dataset.targets["noisy_again"][0]):
        assert (float(image.min()), float(image.max())) == (0.0, 1.0)
    unclipped = datasets_of(tmp_path, section(noise={"kind": "gaussian", "sigma": 200}), needs()).noisy.images[0]
    torch.testing.assert_close(dataset.images[0], unclipped.clamp(0, 1))


def test_channels_are_labelled_one_by_one(tmp_path):
    write_folder(tmp_path / "noisy", n_images=1, colour="rgb")
    shapes = []

    def label(channel):
        shapes.append(channel.shape)
        return mean_blur(channel, 5)

    dataset = datasets_of(tmp_path, section(colour="rgb"), needs(blurred=True), label).noisy
    assert shapes == [(20, 26)] * 3
    assert dataset.images[0].shape == dataset.targets["blurred"][0].shape == (3, 20, 26)
    np.testing.assert_allclose(dataset.targets["blurred"][0][2], mean_blur(dataset.images[0][2].numpy(), 5))


def test_the_view_is_undone():
    pixels = np.array([[-0.5, 0.0, 0.3, 1.0, 1.4]], dtype=np.float32)
    seen = to_network(pixels, logarithm=True)
    np.testing.assert_allclose(from_network(seen, logarithm=True), [[0, 0, 0.3, 1.0, 1.4]], atol=1e-6)
    np.testing.assert_array_equal(to_network(pixels, logarithm=False), pixels)
    np.testing.assert_array_equal(to_network(pixels, logarithm=False, clipped=True), pixels.clip(0, 1))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_channels_go_first_and_come_back(shape):
    pixels = np.random.default_rng(0).random(shape)
    assert channels_first(pixels).shape == ((3, 4, 5) if len(shape) == 3 else (1, 4, 5))
    np.testing.assert_array_equal(channels_last(channels_first(pixels)), pixels)


# ── Noise drawn anew ──


def fresh_batches(root, batch_size=3, seed=7, asked=None, **changes):
    chosen = section(realisations="fresh", **changes)
    datasets = datasets_of(root, chosen, asked or needs(reference=True, noisy_again=True))
    return PatchBatches(
        datasets.noisy, None, patch_px=16, batch_size=batch_size, n_batches=9, seed=seed, finish=datasets.finish
    )


def test_fresh_noise_has_the_asked_level_in_both_realisations_and_they_are_independent(tmp_path):
    write_folder(tmp_path / "noisy")
    batch = fresh_batches(tmp_path, batch_size=40)[0]
    first, again = (batch[key] - batch["reference"] for key in ("noisy", "noisy_again"))
    assert 255 * float(first.std()) == pytest.approx(25, rel=0.03)
    assert 255 * float(again.std()) == pytest.approx(25, rel=0.03)
    assert abs(np.corrcoef(first.flatten(), again.flatten())[0, 1]) < 0.03


def test_no_two_patches_and_no_two_batches_share_their_fresh_noise(tmp_path):
    write_folder(tmp_path / "noisy", n_images=1, size=(16, 16))
    batches = fresh_batches(tmp_path)
    noises = [(batch["noisy"] - batch["reference"])[0].flatten() for batch in (batches[0], batches[1])]
    noises += [(batches[0]["noisy"] - batches[0]["reference"])[1].flatten()]
    assert np.abs(np.corrcoef(np.stack(noises))[np.triu_indices(3, 1)]).max() < 0.25


def test_fresh_batches_are_functions_of_seed_and_number(tmp_path):
    write_folder(tmp_path / "noisy")
    once, again = fresh_batches(tmp_path), fresh_batches(tmp_path)
    again[5]
    for key, value in once[2].items():
        torch.testing.assert_close(again[2][key], value, rtol=0, atol=0)
    assert not torch.equal(fresh_batches(tmp_path, seed=8)[2]["noisy"], once[2]["noisy"])


def test_fresh_noise_of_a_patch_does_not_depend_on_what_else_is_asked(tmp_path):
    write_folder(tmp_path / "noisy")
    alone = fresh_batches(tmp_path, asked=needs())[0]
    both = fresh_batches(tmp_path)[0]
    assert set(alone) == {"noisy", "index"}
    torch.testing.assert_close(alone["noisy"], both["noisy"], rtol=0, atol=0)


@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_fresh_noise_is_seen_as_the_network_sees_it(tmp_path, colour):
    write_folder(tmp_path / "noisy", colour=colour)
    speckle = {"kind": "speckle", "variance": 0.1}
    seen = fresh_batches(tmp_path, colour=colour, noise=speckle, logarithm=True, clipped=True)[0]
    linear = fresh_batches(tmp_path, colour=colour, noise=speckle)[0]
    assert seen["noisy"].shape == (3, 3 if colour == "rgb" else 1, 16, 16)
    np.testing.assert_allclose(seen["noisy"], speckle_logarithm(linear["noisy"].numpy().clip(0, 1)), atol=1e-5)
    np.testing.assert_allclose(seen["reference"], speckle_logarithm(linear["reference"].numpy()), atol=1e-5)


def test_a_batch_that_is_finished_leaves_the_dataset_alone(tmp_path):
    write_folder(tmp_path / "noisy", n_images=1)
    chosen = section(realisations="fresh")
    datasets = datasets_of(tmp_path, chosen, needs(reference=True))
    before = datasets.noisy.images[0].clone()
    batches = PatchBatches(datasets.noisy, None, patch_px=16, batch_size=2, n_batches=2, seed=0, finish=datasets.finish)
    batches[0]
    torch.testing.assert_close(datasets.noisy.images[0], before, rtol=0, atol=0)


def test_an_image_that_changed_its_size_since_it_was_found_is_said(tmp_path):
    Image.new("L", (9, 7)).save(tmp_path / "a.png")
    (found,) = find_natural_images(ImageFolder(folder="."), tmp_path, "gray", "data.noisy")
    Image.new("L", (9, 8)).save(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"data.noisy.folder: a.png: must still be 7x9, .*, got 8x9; do not change the folder"
    ):
        found.read()

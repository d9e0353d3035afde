"""Large pictures in crops, patterns of files, and noisy pictures with their truth, as SIDD and DND come."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from n2b_ct.config.natural_images import ImageFolder, NaturalImageSection
from n2b_ct.data import image_files
from n2b_ct.data.image_files import find_natural_images, find_pairs
from n2b_ct.data.natural_image_source import natural_image_source
from n2b_ct.errors import DataError
from n2b_ct.experiments.columns import find_columns
from n2b_ct.filters.blur import median_blur
from tests.unit.data.test_natural_images import needs, pipeline_of
from tests.unit.experiments.test_columns import experiment

SCENES = ("0001_S6_3200", "0002_GP_100", "0010_N6_800")


def write(path, size=(40, 52), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    words = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(words).save(path)
    return words.astype(np.float32) / np.float32(255)


@pytest.fixture
def sidd(tmp_path):
    """Three scenes with two noisy pictures and two truths each, all called alike."""
    for k, scene in enumerate(SCENES):
        for shot in ("010", "011"):
            write(tmp_path / f"SIDD/{scene}/NOISY_SRGB_{shot}.PNG", seed=100 * k + int(shot))
            write(tmp_path / f"SIDD/{scene}/GT_SRGB_{shot}.PNG", seed=100 * k + int(shot) + 50)
    return tmp_path


def found(root, **folder):
    return find_natural_images(ImageFolder(**folder), root, "rgb", "data.noisy")


# ── Patterns ──


def test_a_pattern_finds_the_noisy_pictures_of_all_scenes_in_the_order_of_their_folders(sidd):
    names = [file.name for file in found(sidd, folder="SIDD/*/NOISY_*.PNG")]
    assert names == [f"{scene}/NOISY_SRGB_{shot}" for scene in SCENES for shot in ("010", "011")]
    assert found(sidd, folder="SIDD/**/NOISY_*") == found(sidd, folder="SIDD/*/NOISY_*.PNG")
    assert [file.name for file in found(sidd, folder="SIDD/*/NOISY_*010.PNG", select="1::2")] == [
        "0002_GP_100/NOISY_SRGB_010"
    ]


def test_a_folder_whose_name_looks_like_a_pattern_is_that_folder(tmp_path):
    write(tmp_path / "a[1]/p.png")
    assert [file.name for file in found(tmp_path, folder="a[1]")] == ["p"]


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("SIDD/*/CLEAN_*", r"SIDD/\*/CLEAN_\*: must hold images \(png, .*\), got 0 images; name another"),
        ("DND/*/x*", r"data.noisy.folder .*DND: must be a folder of images, got nothing there"),
    ],
)
def test_a_pattern_without_images_is_refused(sidd, folder, message):
    with pytest.raises(DataError, match=message):
        found(sidd, folder=folder)


# ── Crops ──


def test_a_picture_is_cut_into_squares_side_by_side(tmp_path):
    picture = write(tmp_path / "a/p.png", size=(40, 52))
    crops = found(tmp_path, folder="a", crop_px=16)
    assert [crop.name for crop in crops] == ["p 0,0", "p 0,16", "p 0,32", "p 16,0", "p 16,16", "p 16,32"]
    assert {crop.size_px for crop in crops} == {(16, 16)}
    np.testing.assert_array_equal(crops[5].read(), picture[16:32, 32:48])


def test_select_chooses_pictures_and_count_counts_crops(tmp_path):
    for k in range(3):
        write(tmp_path / f"a/p{k}.png", size=(32, 32), seed=k)
    assert [one.name for one in found(tmp_path, folder="a", crop_px=16, select="::2", count=5)] == [
        "p0 0,0",
        "p0 0,16",
        "p0 16,0",
        "p0 16,16",
        "p2 0,0",
    ]


def test_a_picture_is_decoded_once_for_all_its_crops_and_again_when_it_has_changed(tmp_path, monkeypatch):
    write(tmp_path / "a/p.png", size=(32, 32))
    crops, decoded = found(tmp_path, folder="a", crop_px=16), []
    read = image_files.read_natural_image
    monkeypatch.setattr(image_files, "read_natural_image", lambda *at: decoded.append(at) or read(*at))
    once = [crop.read() for crop in crops]
    assert len(decoded) == 1
    once[0][:] = 0.5
    assert (crops[0].read() != 0.5).any()
    changed = write(tmp_path / "a/p.png", size=(32, 32), seed=9)
    np.testing.assert_array_equal(crops[3].read(), changed[16:, 16:])
    write(tmp_path / "a/p.png", size=(32, 48))
    with pytest.raises(DataError, match="must still be 32x32, as its header said, got 32x48"):
        crops[3].read()


def test_a_picture_smaller_than_a_crop_is_refused_in_one_line(tmp_path):
    write(tmp_path / "a/p.png", size=(40, 30))
    with pytest.raises(DataError, match=r"p.png: must be at least data.noisy.crop_px = 32 wide and high, got 40x30; l"):
        found(tmp_path, folder="a", crop_px=32)


def test_gray_among_colours_is_refused_in_one_line(tmp_path):
    write(tmp_path / "a/p0.png")
    Image.new("L", (40, 40)).save(tmp_path / "a/p1.png")
    with pytest.raises(DataError, match=r"p1.png: must be rgb like the 1 before it, got gray; keep images of one"):
        found(tmp_path, folder="a", crop_px=16)


def test_crops_of_real_noise_are_trained_on_with_a_median_label(tmp_path):
    picture = write(tmp_path / "a/p.png", size=(40, 52))
    section = NaturalImageSection.model_validate(
        {"kind": "natural_images", "noisy": {"folder": "a", "crop_px": 32}, "colour": "rgb"}
    )
    source = natural_image_source(section, tmp_path)
    data = source.dataset("noisy", pipeline_of(needs(blurred=True), lambda channel: median_blur(channel, 5)))
    assert (len(data), data.images[0].shape) == (1, (3, 32, 32))
    np.testing.assert_array_equal(data.images[0], np.moveaxis(picture[:32, :32], -1, 0))
    np.testing.assert_array_equal(data.targets["blurred"][0][1], median_blur(picture[:32, :32, 1], 5))


# ── Pairs ──


def pairs(root, truth="SIDD/*/GT_*", **folder):
    at = ImageFolder(**{"folder": "SIDD/*/NOISY_*"} | folder)
    return find_pairs(at, "data.noisy", truth, "data.reference", root, "rgb")


def test_noisy_pictures_get_their_truth_scene_by_scene_and_crop_by_crop(sidd):
    noisy, truths = pairs(sidd, select="1:", crop_px=16, count=8)
    assert [one.name.replace("NOISY", "GT") for one in noisy] == [one.name for one in truths]
    assert len(truths) == 8


def test_pictures_that_do_not_pair_are_refused_in_one_line(sidd):
    extra = sidd / "SIDD" / SCENES[1] / "GT_SRGB_012.PNG"
    write(extra)
    with pytest.raises(
        DataError, match=r"data.reference: must hold as many images as SIDD/\*/NOISY_\*, got 7 and 6; g"
    ):
        pairs(sidd)
    (sidd / "SIDD" / SCENES[2] / "GT_SRGB_010.PNG").unlink()
    with pytest.raises(DataError, match=r"GT_SRGB_012.PNG: must lie in a folder named like that of 0010_N6_800/NOISY"):
        pairs(sidd)
    extra.rename(sidd / "SIDD" / SCENES[2] / "GT_SRGB_010.PNG")
    write(sidd / "SIDD" / SCENES[0] / "GT_SRGB_011.PNG", size=(52, 40))
    with pytest.raises(DataError, match=r"GT_SRGB_011.PNG: must be as large as NOISY_SRGB_011.PNG, 40x52, got 52x40"):
        pairs(sidd)


def test_folders_apart_pair_by_the_folders_that_wildcards_stand_for(sidd):
    for scene in SCENES:
        write(sidd / f"apart/noisy/{scene}/x.png")
        write(sidd / f"apart/{scene}/truth/y.png")
    noisy, _ = pairs(sidd, folder="apart/noisy/*/*.png", truth="apart/*/truth/*.png")
    assert len(noisy) == 3


def source_of(root, **data):
    values = {"kind": "natural_images", "noisy": {"folder": "SIDD/*/NOISY_*"}, "colour": "rgb"} | data
    return natural_image_source(NaturalImageSection.model_validate(values), root)


def test_a_supervised_method_learns_from_the_truth_in_files(sidd):
    source, pipeline = source_of(sidd, reference="SIDD/*/GT_*"), pipeline_of(needs(reference=True))
    data = source.dataset("noisy", pipeline)
    truth = np.asarray(Image.open(sidd / "SIDD" / SCENES[1] / "GT_SRGB_011.PNG")).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(data.targets["reference"][3], np.moveaxis(truth, -1, 0))
    assert data.digests == source.digests("noisy", pipeline)
    assert set(data.digests) == {"images", "reference"}
    assert source.digest_keys == ("noisy", "noisy reference", "clean", "validation")
    assert source.n_images == {"noisy": 6, "clean": 0, "validation": 0}


def test_truth_that_no_method_needs_is_not_read(sidd):
    source, pipeline = source_of(sidd, reference="SIDD/*/GT_*"), pipeline_of(needs())
    assert source.dataset("noisy", pipeline).targets == {}
    assert set(source.digests("noisy", pipeline)) == {"images"}


def test_a_truth_beside_noise_that_is_added_is_refused(sidd):
    with pytest.raises(ValueError, match="reference is for noisy images without noise"):
        source_of(sidd, reference="SIDD/*/GT_*", noise={"kind": "gaussian", "sigma": 25})


def test_a_table_is_measured_on_crops_of_noisy_pictures_and_their_truth(sidd):
    test = {"folder": "SIDD/*/GT_*", "noisy": "SIDD/*/NOISY_*", "crop_px": 16, "count": 7}
    (column,) = find_columns(experiment(test), sidd, "rgb")
    assert column.image_names[6] == f"{SCENES[0]}/GT_SRGB_011 0,0"
    pair = column.read(6)
    noisy = np.asarray(Image.open(sidd / "SIDD" / SCENES[0] / "NOISY_SRGB_011.PNG"))
    np.testing.assert_array_equal(np.rint(255 * pair.noisy), noisy[:16, :16])
    assert not np.array_equal(pair.truth, pair.noisy)

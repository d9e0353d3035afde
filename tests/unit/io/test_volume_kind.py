"""CT is told from labels, probabilities, PET, dose and MR by values, and by name and header where these leave doubt."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from n2b_ct.errors import SeriesError
from n2b_ct.io.volumes import examine_volume, read_volume
from tests.volume_scenes import SHAPE, body, ct, labels, pet, save_words, soft_tissue

RNG = np.random.default_rng(7)
ENDINGS = (".nii", ".nii.gz", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd")


def whole(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.int16)


def masked(values: np.ndarray, outside: float) -> np.ndarray:
    return np.where(body(), values, outside)


def mr() -> np.ndarray:
    """Bright tissue in a dark background of Rician noise."""
    signal = np.where(body(), RNG.choice([300, 520, 800], SHAPE), 0)
    return np.hypot(signal + RNG.normal(0, 15, SHAPE), RNG.normal(0, 15, SHAPE))


CT = {
    "whole": whole(ct()),
    "float": ct().astype(np.float32),
    "one_slice": whole(ct())[:1],
    "small": whole(ct(shape=(3, 12, 16))),
    "clipped_to_abdomen": whole(np.clip(ct(), -160, 240)),
    "clipped_to_1000": whole(np.clip(ct(), -1000, 1000)),
    "crop_without_air": whole(soft_tissue()),
    "float_crop_without_air": soft_tissue().astype(np.float32),
    "zero_outside": whole(masked(ct(), 0)),
    "crop_zero_outside": whole(masked(soft_tissue(), 0)),
    "masked_soft_tissue": whole(masked(soft_tissue(), -1024)),
    "padded_with_minus_2000": whole(np.where(np.indices(SHAPE)[1] < 12, -2000, ct())),
    "water_phantom_crop": whole(RNG.normal(0, 6, SHAPE)),
    "noisy_air": ct(noise_hu=250).astype(np.float32),
}
"""What must pass under its own name."""

NAMES_THAT_PROVE_NOTHING = ("mask_study/v", "labels/v", "pet/v", "segmentations/v", "mr_and_more/t1", "v_seg")


@pytest.mark.parametrize("name", CT)
def test_ct_passes(tmp_path, name):
    path = save_words(tmp_path / f"{name}.nii.gz", CT[name])
    assert examine_volume(path).problems == ()
    np.testing.assert_array_equal(np.sort(read_volume(path).hu, axis=None), np.sort(CT[name], axis=None))


@pytest.mark.parametrize("place", NAMES_THAT_PROVE_NOTHING)
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_ct_passes_whatever_its_name_says(tmp_path, place, ending):
    assert examine_volume(save_words(tmp_path / f"{place}{ending}", whole(ct()))).problems == ()


@pytest.mark.parametrize("place", ["mask_study/v", "labels/v"])
def test_a_crop_without_gas_in_a_folder_of_masks_is_ct(tmp_path, place):
    assert examine_volume(save_words(tmp_path / f"{place}.nii.gz", whole(soft_tissue()))).problems == ()


def scaled(tmp_path: Path, words: np.ndarray, slope: float, intercept: float) -> Path:
    image = nibabel.Nifti1Image(words.transpose(2, 1, 0), np.diag([-0.8, -0.8, 2.5, 1]))
    image.header.set_slope_inter(slope, intercept)
    content = bytearray(image.to_bytes())
    content[112:120] = np.array([slope, intercept], "<f4").tobytes()
    (tmp_path / "v.nii").write_bytes(content)
    return tmp_path / "v.nii"


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept"), [(np.int8, 12.0, 200.0), (np.uint8, 12.0, -1300.0), (np.int16, -1.0, 10.0)]
)
def test_ct_in_few_bits_with_a_slope_is_ct(tmp_path, dtype, slope, intercept):
    limits = np.iinfo(dtype)
    words = np.clip(np.rint((ct() - intercept) / slope), limits.min, limits.max).astype(dtype)
    assert examine_volume(scaled(tmp_path, words, slope, intercept)).problems == ()


LABELS = {
    "binary": labels(1).astype(np.uint8),
    "of_0_and_255": (255 * labels(1)).astype(np.uint8),
    "five": labels(5).astype(np.int16),
    "many": labels(117).astype(np.uint8),
    "float": labels(104).astype(np.float32),
    "double": labels(3).astype(np.float64),
    "int32": labels(12).astype(np.int32),
    "sparse": (labels(3) * 17 + 1000 * labels(2)).astype(np.int32),
    "ids_beyond_all_hu": (labels(3) * 100_000).astype(np.int32),
    "ignored": np.where(np.indices(SHAPE)[1] < 3, -1, labels(3)).astype(np.int16),
    "ignored_100": np.where(np.indices(SHAPE)[1] < 3, -100, labels(3)).astype(np.int64),
    "empty": np.zeros(SHAPE, np.uint8),
    "full": np.ones(SHAPE, np.int16),
    "a_point": np.eye(48, dtype=np.uint8)[None] * np.ones((6, 1, 1), np.uint8),
    "noisy_bytes": RNG.integers(0, 30, SHAPE).astype(np.uint8),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", LABELS)
def test_label_maps_are_known_by_their_values(tmp_path, name, ending):
    path = save_words(tmp_path / f"case_007{ending}", LABELS[name])
    for look in (examine_volume, read_volume):
        with pytest.raises(SeriesError, match=r"must hold HU, not labels, got \d+ whole") as caught:
            look(path)
        assert caught.value.reason == "label_map"


@pytest.mark.parametrize("place", ["segmentations/liver", "labelsTr/c", "c_seg", "c-seg", "LiverMask", "c_label", "GT"])
def test_label_maps_that_say_so_cannot_be_assumed_to_be_hu(tmp_path, place):
    path = save_words(tmp_path / f"{place}.nii.gz", LABELS["five"])
    with pytest.raises(SeriesError, match="its name or header says so; leave it out"):
        examine_volume(path, assume_hu=True)
    with pytest.raises(SeriesError, match="must hold HU, not labels"):
        examine_volume(path, hu_offset=-1000)


def test_few_values_without_a_telling_name_can_be_assumed_to_be_hu(tmp_path):
    path = save_words(tmp_path / "phantom.mha", (40 * labels(2)).astype(np.int16))
    assert examine_volume(path, assume_hu=True).problems == ("maybe_not_hu",)


def test_a_phantom_without_noise_may_be_labels_and_needs_a_person(tmp_path):
    values = np.where(body(), 40, -1000).astype(np.int16)
    with pytest.raises(SeriesError, match="labels, or a phantom without noise") as caught:
        examine_volume(save_words(tmp_path / "v.nii.gz", values))
    assert caught.value.reason == "maybe_not_hu"
    assert examine_volume(tmp_path / "v.nii.gz", assume_hu=True).problems == ("maybe_not_hu",)
    with pytest.raises(SeriesError, match="must hold HU, not labels"):
        examine_volume(save_words(tmp_path / "v_seg.nii.gz", values))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [({"intent_code": 1002}, "label_map"), ({"intent_name": b"label"}, "label_map"), ({"descrip": b"TE=85"}, "not_ct")],
)
def test_the_header_of_a_nifti_speaks(tmp_path, change, wanted):
    words = (LABELS["five"] if wanted == "label_map" else np.rint(mr())).astype(np.int16)
    image = nibabel.Nifti1Image(words.transpose(2, 1, 0), np.eye(4))
    for key, value in change.items():
        image.header[key] = value
    nibabel.save(image, tmp_path / "v.nii.gz")
    with pytest.raises(SeriesError, match="its name or header says so") as caught:
        examine_volume(tmp_path / "v.nii.gz", assume_hu=True)
    assert caught.value.reason == wanted


def nrrd_with(path: Path, lines: str, words: np.ndarray, sizes: str) -> Path:
    head = f"NRRD0005\ntype: uint8\ndimension: {len(sizes.split())}\nsizes: {sizes}\nencoding: raw\n{lines}\n"
    path.write_bytes(head.encode() + words.astype(np.uint8).tobytes())
    return path


@pytest.mark.parametrize("name", ["v.nrrd", "v.seg.nrrd"])
def test_segments_of_3d_slicer_are_known_in_one_layer_and_in_many(tmp_path, name):
    segment = "Segment0_ID:=Segment_1\nSegment0_LabelValue:=1\n"
    path = nrrd_with(tmp_path / name, segment, labels(2), "48 48 6")
    with pytest.raises(SeriesError, match="must hold HU, not labels") as caught:
        examine_volume(path, assume_hu=True)
    assert caught.value.reason == "label_map"
    layers = np.stack([labels(1), labels(2)], axis=-1)
    path = nrrd_with(tmp_path / name, f"kinds: list domain domain domain\n{segment}", layers, "2 48 48 6")
    with pytest.raises(SeriesError, match="got layers of segments") as caught:
        examine_volume(path)
    assert caught.value.reason == "label_map"


OTHER = {
    "probability": RNG.beta(0.3, 0.3, SHAPE).astype(np.float32),
    "suv": pet(),
    "dose_in_gray": (60 * np.exp(-np.indices(SHAPE)[1] / 20)).astype(np.float32),
    "bytes": RNG.integers(0, 256, SHAPE).astype(np.uint8),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", OTHER)
def test_values_that_no_offset_makes_ct_are_of_something_else(tmp_path, name, ending):
    path = save_words(tmp_path / f"v{ending}", OTHER[name])
    with pytest.raises(SeriesError, match=r"must hold HU, not another kind of image, got .*values from") as caught:
        examine_volume(path)
    assert caught.value.reason == "not_ct"
    assert examine_volume(path, assume_hu=True).problems == ("maybe_not_hu",)


def distance(scale: float) -> np.ndarray:
    """Signed distance to a ball, negative outside."""
    slices, rows, cols = np.indices(SHAPE)
    return scale * (10 - np.sqrt((2.5 * (slices - 3)) ** 2 + (rows - 24) ** 2 + (cols - 24) ** 2))


DOUBTFUL = {
    "distance_in_pixels": distance(10).astype(np.float32),
    "distance_beyond_300": distance(50).astype(np.float32),
    "distance_whole_and_clipped": np.rint(np.clip(distance(100), -1000, 1000)).astype(np.int16),
    "displacement": (300 * np.sin(np.indices(SHAPE)[2] * np.pi / 24)).astype(np.float32),
    "mr": whole(mr()),
    "mr_resampled": (mr() - 4).astype(np.float32),
    "pet_in_becquerels": (3000 * pet()).astype(np.float32),
    "adc": RNG.normal(900, 300, SHAPE).clip(0).astype(np.float32),
    "plus_1024": whole(np.clip(ct() + 1024, 0, 4095)).astype(np.uint16),
    "plus_1000": whole(ct() + 1000),
    "plus_1024_mostly_air": whole(np.where(np.indices(SHAPE)[2] < 38, RNG.normal(24, 20, SHAPE), ct() + 1024)),
    "normalised": ((ct() - ct().mean()) / ct().std()).astype(np.float32),
    "phase": RNG.uniform(-4096, 4095, SHAPE).astype(np.int16),
    "minus_1000_twice": whole(ct() - 1000),
    "within_the_liver": whole(RNG.normal(60, 10, SHAPE)),
    "water_plus_1024": whole(RNG.normal(1024, 2, SHAPE)),
    "air": np.full(SHAPE, -1000, np.int16),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_values_that_may_be_off_by_a_constant_or_no_ct_are_refused_without_assume_hu(tmp_path, name):
    path = save_words(tmp_path / "v.nii.gz", DOUBTFUL[name])
    for look in (examine_volume, read_volume):
        with pytest.raises(SeriesError, match=r"must hold HU, got .*; pass volume_offset_hu=-1024 if") as caught:
            look(path)
        assert caught.value.reason == "maybe_not_hu"
        assert look(path, assume_hu=True).problems == ("maybe_not_hu",)


@pytest.mark.parametrize("name", ["plus_1024", "plus_1000", "plus_1024_mostly_air", "water_plus_1024"])
def test_the_offset_makes_ct_of_values_off_by_a_constant(tmp_path, name):
    offset = -1000 if name == "plus_1000" else -1024
    assert examine_volume(save_words(tmp_path / "v.nii.gz", DOUBTFUL[name]), hu_offset=offset).problems == ()


@pytest.mark.parametrize("place", ["t1w", "sub-01_FLAIR", "MR/v", "SUV", "pet/v", "case_ADC", "softmax"])
@pytest.mark.parametrize("offset_hu", [0.0, -1000.0])
def test_names_of_other_images_are_believed_where_values_do_not_contradict(tmp_path, place, offset_hu):
    path = save_words(tmp_path / f"{place}.nii.gz", whole(mr()))
    with pytest.raises(SeriesError, match="its name or header says so") as caught:
        examine_volume(path, hu_offset=offset_hu, assume_hu=True)
    assert caught.value.reason == "not_ct"


@pytest.mark.parametrize("place", ["sdf", "distance_map", "dvf_x"])
def test_a_name_is_believed_where_gas_and_tissue_have_no_noise(tmp_path, place):
    path = save_words(tmp_path / f"{place}.nii.gz", np.rint(distance(50)).astype(np.int16))
    with pytest.raises(SeriesError, match="its name or header says so") as caught:
        examine_volume(path, assume_hu=True)
    assert caught.value.reason == "not_ct"


def test_ct_that_was_enlarged_has_noise_enough(tmp_path):
    words = whole(np.kron(ct(), np.ones((1, 2, 2))))
    words = (words[..., :-1] + words[..., 1:]) // 2  # between neighbours, as linear interpolation does
    assert examine_volume(save_words(tmp_path / "v.nii.gz", words)).problems == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("dose", "not_ct"), ("rt_dose", "not_ct"), ("quarter_dose", "maybe_not_hu"), ("dose_025", "maybe_not_hu")],
)
def test_a_dose_is_one_of_radiotherapy_only_where_the_name_says_nothing_else(tmp_path, name, reason):
    centigray = (7000 * np.exp(-np.indices(SHAPE)[1] / 20)).astype(np.float32)
    with pytest.raises(SeriesError, match="must hold HU") as caught:
        examine_volume(save_words(tmp_path / f"{name}.nii.gz", centigray))
    assert caught.value.reason == reason


def test_metaimage_s_modality_is_believed(tmp_path):
    path = save_words(tmp_path / "v.mha", whole(mr()))
    path.write_bytes(path.read_bytes().replace(b"ElementType", b"Modality = MET_MOD_MR\nElementType"))
    with pytest.raises(SeriesError, match="its name or header says so") as caught:
        examine_volume(path)
    assert caught.value.reason == "not_ct"


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize(("dtype", "reason"), [(np.uint8, "not_grayscale"), (np.float32, "not_ct")])
def test_colours_and_vectors_are_skipped_for_what_they_are(tmp_path, ending, dtype, reason):
    image = SimpleITK.GetImageFromArray(np.ones((*SHAPE, 3), dtype), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / f"v{ending}"))
    with pytest.raises(SeriesError, match="leave it out") as caught:
        examine_volume(tmp_path / f"v{ending}", assume_hu=True)
    assert caught.value.reason == reason


def test_complex_numbers_and_rgb_structures_of_nifti_are_skipped(tmp_path):
    rgb = np.zeros((4, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for name, words, reason in (("a", rgb, "not_grayscale"), ("b", np.ones((4, 4, 3), np.complex64), "not_ct")):
        nibabel.save(nibabel.Nifti1Image(words, np.eye(4)), tmp_path / f"{name}.nii.gz")
        with pytest.raises(SeriesError, match="leave it out") as caught:
            examine_volume(tmp_path / f"{name}.nii.gz")
        assert caught.value.reason == reason


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_single_value_that_is_no_number_is_found_wherever_it_lies(tmp_path, ending, bad):
    values = ct().astype(np.float32)
    values[-1, -1, -1] = bad
    with pytest.raises(SeriesError, match="must hold finite HU, got NaN or infinity; fill the gaps") as caught:
        examine_volume(save_words(tmp_path / f"v{ending}", values), assume_hu=True)
    assert caught.value.reason == "not_finite"


def test_gaps_do_not_make_errors_of_what_says_that_it_is_no_ct(tmp_path):
    values = pet()
    values[0] = np.nan
    with pytest.raises(SeriesError, match="must hold HU, not another kind of image"):
        examine_volume(save_words(tmp_path / "suv.nii.gz", values))
    with pytest.raises(SeriesError, match="must hold finite HU"):
        examine_volume(save_words(tmp_path / "v.nii.gz", values))
    with pytest.raises(SeriesError, match="must hold finite HU"):
        examine_volume(save_words(tmp_path / "empty_mask.nii.gz", np.full(SHAPE, np.nan, np.float32)))


def test_what_is_looked_at_does_not_depend_on_how_it_is_read(tmp_path, monkeypatch):
    """Only a part of a large volume of whole numbers is counted: here a slice."""
    monkeypatch.setattr("n2b_ct.io.value_histogram._N_ENOUGH", 48 * 48)
    monkeypatch.setattr("n2b_ct.io.volume_formats.stored_words._PIECE_WORDS", 48 * 48)
    words = whole(ct())
    words[1:] = 3
    path = save_words(tmp_path / "v.mha", words)
    assert examine_volume(path).problems == read_volume(path).problems == ()
    late = np.concatenate([np.zeros((3, 48, 48), np.int16), whole(ct())])
    assert examine_volume(save_words(tmp_path / "late_seg.mha", late)).problems == ()


def test_messages_name_no_more_than_the_file(tmp_path):
    path = save_words(tmp_path / "Mueller^Joerg" / "v_seg.nii.gz", LABELS["five"])
    with pytest.raises(SeriesError, match=r"^v_seg\.nii\.gz: must") as caught:
        examine_volume(path)
    assert "Mueller" not in json.dumps(str(caught.value))

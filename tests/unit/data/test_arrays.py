"""Slices handed over as arrays: roles as for files, and a line of its own for every array that cannot be HU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from n2b_ct.config.sections import DataSection
from n2b_ct.data.arrays import array_roles
from n2b_ct.data.ct_source import load_slices, slice_digests
from n2b_ct.data.manifest import load_manifest
from n2b_ct.errors import ConfigError, DataError
from n2b_ct.hu import LARGEST_HU, Window

WINDOW = Window(-100.0, 100.0)


def volume(n_slices: int = 2, first: float = 0.0, dtype: type = np.float32) -> np.ndarray:
    """Slices of 4x6 whose HU count up from ``first``."""
    return (first + np.arange(n_slices * 24).reshape(n_slices, 4, 6)).astype(dtype)


def test_slices_come_in_order_from_arrays_of_both_forms_and_of_several_sizes():
    roles = array_roles([volume(2), np.zeros((8, 5)), torch.ones(1, 4, 4)], clean=volume(3))
    assert [(one.series.name, one.index, one.series.size_px) for one in roles.noisy] == [
        ("noisy[0]", 0, (4, 6)),
        ("noisy[0]", 1, (4, 6)),
        ("noisy[1]", 0, (8, 5)),
        ("noisy[2]", 0, (4, 4)),
    ]
    assert [one.series.name for one in roles.clean] == ["clean[0]"] * 3
    assert (roles.validation, roles.test) == ((), ())


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int16, np.int32])
def test_values_of_any_type_of_number_reach_the_network_in_its_window(dtype):
    dataset = load_slices(array_roles([volume(dtype=dtype)]).noisy, WINDOW)
    expected = (volume() + 100) / 200
    for k, image in enumerate(dataset.images):
        np.testing.assert_allclose(image[0], expected[k], rtol=1e-6)


def test_references_lie_beside_their_slices():
    roles = array_roles(
        [volume(2), volume(1, 5)],
        references=[volume(2, 20), volume(1, 30)],
        validation=[volume(1)],
        truths=[volume(1, 40)],
    )
    noisy = load_slices(roles.noisy, WINDOW, with_reference=True)
    firsts = [float(image[0, 0, 0]) * 200 - 100 for image in noisy.targets["reference"]]
    assert firsts == pytest.approx([20, 44, 30], abs=1e-4)
    watched = load_slices(roles.validation, WINDOW, with_reference=True)
    assert float(watched.targets["reference"][0].min()) == pytest.approx(0.7)


def test_digests_follow_from_values_alone():
    as_floats, as_integers = (slice_digests(array_roles([volume(dtype=kind)]).noisy) for kind in (float, np.int16))
    assert as_floats == as_integers
    assert slice_digests(array_roles([volume(first=1)]).noisy) != as_floats


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.zeros(5), r"noisy\[0\]: must be \[rows, cols\] or \[slices, rows, cols\], got shape \[5\]; pass a slice"),
        (np.zeros((0, 4, 4)), r"noisy\[0\]: must be .*, got shape \[0, 4, 4\]"),
        (np.zeros((1, 2, 4, 4)), r"noisy\[0\]: must be .*, got shape \[1, 2, 4, 4\]"),
        (
            np.zeros((4, 4), np.uint16),
            r"must hold floats or signed integers .*, got uint16; convert stored words to HU",
        ),
        (np.zeros((4, 4), np.int8), "must hold floats or signed integers .*, got int8; convert it"),
        (np.zeros((4, 4), bool), "must hold floats or signed integers .*, got bool"),
        (np.zeros((4, 4), complex), "must hold floats or signed integers .*, got complex128"),
        (np.full((4, 4), "a"), "must hold floats or signed integers .*, got <U1"),
        (np.full((4, 4), np.nan), "HU must be finite, got 16 NaN or infinite values"),
        (np.full((4, 4), -2 * LARGEST_HU), r"must lie within ±1e\+09, got 2e\+09; convert values to HU first"),
    ],
)
def test_an_array_that_cannot_be_hu_is_refused(array, line):
    with pytest.raises(DataError, match=line):
        array_roles([array])


@pytest.mark.parametrize("given", ["data/noisy", Path("data"), None, 3, {"a": volume()}])
def test_what_is_no_array_gets_one_line(given):
    with pytest.raises(DataError, match=r"^noisy\[0\]: must be a NumPy array or a dense, real torch tensor, got .*$"):
        array_roles(given)


def test_every_array_that_cannot_be_used_gets_a_line():
    with pytest.raises(DataError, match=r"noisy\[1\]") as caught:
        array_roles([volume(), np.zeros(3)], [np.full((4, 4), np.inf)])
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["noisy[1]", "clean[0]"]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"references": [volume(1)]}, r"references: must hold one array for each of noisy \(2\), got 1; pass"),
        (
            {"references": [volume(2), volume(2)]},
            r"references\[1\]: must have the shape of noisy\[1\], \[1, 4, 6\], got",
        ),
        ({"validation": [volume(1)]}, r"truths: must hold one array for each of validation \(1\), got 0"),
    ],
)
def test_arrays_that_do_not_pair_are_refused(given, line):
    with pytest.raises(DataError, match=line):
        array_roles([volume(2), volume(1)], **given)


def test_a_pipeline_of_arrays_names_no_manifest_and_cannot_be_run_from_files():
    section = DataSection(manifest=None)
    with pytest.raises(
        ConfigError, match=r"data\.manifest: must name a data manifest, got null; name one, or pass arrays"
    ):
        load_manifest(section.manifest)

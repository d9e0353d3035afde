"""Images in one flat tensor: still a sequence of images, each writable where it lies, in memory or in a file."""

from __future__ import annotations

import pytest
import torch

from n2b_ct.data.image_store import ImageStore, n_bytes
from n2b_ct.errors import DataError

SHAPES = [(1, 2, 3), (1, 4, 1), (1, 2, 2)]


@pytest.mark.parametrize("in_file", [False, True])
def test_an_image_is_a_view_that_can_be_filled(tmp_path, in_file):
    store = ImageStore(SHAPES, tmp_path if in_file else None)
    for k, image in enumerate(store):
        image.fill_(k)
    assert store.flat.tolist() == [0.0] * 6 + [1.0] * 4 + [2.0] * 4
    assert [tuple(image.shape) for image in store] == SHAPES
    assert store[-1].eq(2).all()
    assert [tuple(image.shape) for image in store[1:]] == SHAPES[1:]
    assert len(store) == 3


def test_a_file_has_no_name_and_outlives_its_folder(tmp_path):
    folder = tmp_path / "run"
    store = ImageStore(SHAPES, folder)
    folder.rmdir()
    store[0].fill_(7)
    assert store[0].tolist() == [[[7.0] * 3] * 2]


def test_a_store_is_not_copied_again():
    store = ImageStore.of([torch.ones(1, 2, 2)])
    assert ImageStore.of(store) is store


def test_no_images_make_an_empty_store():
    assert len(ImageStore([])) == 0
    assert ImageStore([]).flat.numel() == 0


def test_bytes_are_counted_as_float32():
    assert n_bytes(SHAPES) == 4 * 14


def test_an_index_beyond_the_last_image_is_refused():
    with pytest.raises(IndexError, match="out of range"):
        ImageStore(SHAPES)[3]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"must take a file of all images, got .*; free space there"):
        ImageStore(SHAPES, tmp_path / "file" / "run")

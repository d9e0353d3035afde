"""Which images a training reads: any change of them gives another digest, and is named."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.data.fingerprint import DataFingerprint, image_digest

BEFORE = DataFingerprint({"noisy": ["a", "b", "c"], "clean": ["d"]}, {"window": [-160.0, 240.0], "labels": None})


def test_a_digest_follows_values_and_size_and_not_how_they_lie_in_memory():
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert image_digest(image) == image_digest(np.asfortranarray(image)) == image_digest(image.astype(">f4"))
    other = image.copy()
    other[1, 2] = np.nextafter(other[1, 2], np.float32(99))
    assert len({image_digest(one) for one in (image, other, image.reshape(4, 3), image[::-1])}) == 4


@pytest.mark.parametrize(
    ("images", "seen_as", "said"),
    [
        ({"noisy": ["a", "x", "c"], "clean": ["d"]}, {}, "1 of 3 noisy images changed (number 2)"),
        ({"noisy": ["c", "b", "a"], "clean": ["d"]}, {}, "noisy images in another order"),
        ({"noisy": ["a", "b"], "clean": ["d"]}, {}, "2 noisy images for 3"),
        ({"noisy": ["a", "b", "c"], "clean": []}, {}, "0 clean images for 1"),
        ({"noisy": ["a", "b", "d"], "clean": ["c"]}, {}, "1 of 3 noisy images changed (number 3), 1 of 1 clean "
         "images changed (number 1)"),
        ({"noisy": ["a", "b", "c"], "clean": ["d"], "validation": ["a"]}, {}, "1 validation images for 0"),
        ({"noisy": ["a", "b", "c"], "clean": ["d"]}, {"window": [-160.0, 250.0]}, "other window"),
        ({"noisy": ["a", "b", "c"], "clean": ["d"]}, {"labels": {"filter": "mean"}}, "other labels"),
    ],
)  # fmt: skip
def test_every_change_gives_another_digest_and_is_named(images, seen_as, said):
    now = DataFingerprint(images, {**BEFORE.seen_as, **seen_as})
    assert now.digest != BEFORE.digest
    assert now.changes_since(BEFORE.state_dict()) == said


def test_the_same_images_are_the_same_whether_listed_or_known_by_digest_alone():
    again = DataFingerprint({"clean": ("d",), "noisy": ("a", "b", "c")}, {"labels": None, "window": [-160.0, 240.0]})
    assert again.digest == BEFORE.digest
    assert again.changes_since(BEFORE.state_dict()) == again.changes_since({"digest": BEFORE.digest}) == ""


def test_a_digest_alone_tells_that_something_changed_and_nothing_at_all_is_no_proof():
    assert BEFORE.changes_since({"digest": "ab"}) == "other images"
    assert BEFORE.changes_since({}) == "no record of them"


def test_many_changed_images_are_counted_and_the_first_are_named():
    now = DataFingerprint({"noisy": ["x"] * 8}, {})
    earlier = DataFingerprint({"noisy": list("abcdefgh")}, {})
    assert now.changes_since(earlier.state_dict()) == "8 of 8 noisy images changed (number 1, 2, 3, 4, 5 …)"

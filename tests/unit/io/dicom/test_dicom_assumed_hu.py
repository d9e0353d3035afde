"""What is assumed is filled in, and what the file says stays."""

from __future__ import annotations

import pytest

from n2b_ct.io.dicom.reading.dicom_file import parse_file, with_assumed_hu
from tests.helpers import make_ct_dataset, save


@pytest.mark.parametrize(
    ("changes", "slope", "intercept", "rescale_type"),
    [
        ({"RescaleSlope": None, "RescaleIntercept": None}, 1, 0, None),
        ({"RescaleIntercept": None}, 2, 0, None),
        ({"RescaleSlope": ""}, 1, -1024, None),
        ({"RescaleType": "US"}, 2, -1024, "HU"),
    ],
)
def test_only_what_is_missing_or_assumed_changes(tmp_path, changes, slope, intercept, rescale_type):
    path = save(make_ct_dataset(slope="2", **changes), tmp_path / "slice")
    assumed = with_assumed_hu(parse_file(path, with_pixels=False))
    assert assumed.notes == ("assumed_hu",)
    assert (assumed.dataset.RescaleSlope, assumed.dataset.RescaleIntercept) == (slope, intercept)
    assert assumed.dataset.get("RescaleType") == rescale_type


def test_a_file_that_says_it_itself_is_left_alone(tmp_path):
    parsed = parse_file(save(make_ct_dataset(RescaleType="HU"), tmp_path / "slice"), with_pixels=False)
    assert with_assumed_hu(parsed) is parsed

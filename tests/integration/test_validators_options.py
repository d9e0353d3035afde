"""Every way in which derived series can be written passes the validators."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

from n2b_ct.io.dicom.ct_reader import read_slice, stored_values
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from tests.dicom_tools import dcentvfy, dciodvfy_all, errors, new_complaints, require_tools
from tests.enhanced_ct import make_frames, save_enhanced
from tests.integration.odd_headers import write_odd_series
from tests.integration.twins import Twin, TwinMaker
from tests.integration.verdicts import (
    assert_dciodvfy_finds_no_error,
    assert_dciodvfy_finds_nothing_new,
    assert_entities_agree,
    assert_iod_tables_find_nothing_new,
    assert_slices_agree,
)

WRITE_OPTIONS = {
    "private": WriteOptions(keep_private=True),
    "equipment": WriteOptions(equipment="n2b"),
    "wide": WriteOptions(widen_bits=True),
    "type2": WriteOptions(fill_type_2=True),
    "product": WriteOptions(content_qualification="PRODUCT", series_number_offset=7),
    "jpegls": WriteOptions(compression="jpeg-ls"),
    "jpeg2000": WriteOptions(compression="jpeg2000"),
    "rle": WriteOptions(compression="rle"),
    "all": WriteOptions(keep_private=True, equipment="n2b", widen_bits=True, fill_type_2=True, compression="jpeg-ls"),
}
SYNTAXES = {"jpegls": "1.2.840.10008.1.2.4.80", "jpeg2000": "1.2.840.10008.1.2.4.90", "rle": "1.2.840.10008.1.2.5"}
REAL_SERIES = (
    "ct_head/ge_hispeed_tilt_variable_spacing",
    "ct_lowdose_pairs/mayo_L192_3mm_D45/QD",
    "ct_phantom/philips_head_1mm_YA_sharp_noisy",
    "formats/CT_small.dcm",
    "formats/CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm",
)


@pytest.fixture(scope="module")
def twins_of(tmp_path_factory: pytest.TempPathFactory) -> TwinMaker:
    return TwinMaker(tmp_path_factory.mktemp("twins"))


@pytest.fixture(scope="module")
def odd_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_odd_series(tmp_path_factory.mktemp("odd") / "everything", "everything")


@pytest.fixture(scope="module")
def enhanced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("enhanced") / "enhanced.dcm"
    return save_enhanced(path, make_frames(), PatientBirthDate="19500101", PatientSex="M", StudyID="1")


def assert_valid(twins: list[Twin], scratch_dir: Path, *, is_filled: bool = False) -> None:
    """An empty element that the source lacks makes another patient of it, for dcentvfy: no comparison then."""
    assert_entities_agree(twins, beside_source=not is_filled)
    assert_slices_agree(twins)
    assert_iod_tables_find_nothing_new(twins, scratch_dir)
    assert_dciodvfy_finds_nothing_new(twins, scratch_dir)


@pytest.mark.parametrize("name", WRITE_OPTIONS)
def test_validators_are_content_with_an_odd_series_written_so(name, odd_series, twins_of, tmp_path):
    twins = twins_of(odd_series, write=WRITE_OPTIONS[name])
    assert_dciodvfy_finds_no_error(twins)
    assert_valid(twins, tmp_path)


@pytest.mark.parametrize("name", [name for name in WRITE_OPTIONS if name != "jpeg2000"])
def test_validators_are_content_with_the_frames_of_an_enhanced_image_written_so(name, enhanced, twins_of):
    """JPEG 2000 is left out: these frames are too small for its five halvings."""
    require_tools("dcentvfy")
    twins = twins_of(enhanced, write=WRITE_OPTIONS[name])
    assert_dciodvfy_finds_no_error(twins)
    assert_slices_agree(twins, beside_source=False)
    assert dcentvfy([enhanced, *(path for twin in twins for path in twin.written)]) == (0, "")


@pytest.mark.real_data
@pytest.mark.parametrize("series", REAL_SERIES)
@pytest.mark.parametrize("name", WRITE_OPTIONS)
def test_validators_are_content_with_a_real_series_written_so(name, series, shared_data, twins_of, tmp_path):
    options = WRITE_OPTIONS[name]
    assert_valid(twins_of(shared_data / series, write=options), tmp_path, is_filled=options.fill_type_2)


@pytest.mark.real_data
def test_filled_type_2_elements_silence_the_errors_that_the_source_earns(shared_data, twins_of):
    require_tools("dciodvfy")
    twins = twins_of(shared_data / REAL_SERIES[0], write=WRITE_OPTIONS["type2"])
    said = dciodvfy_all(path for twin in twins for path in (twin.source, twin.derived))
    for twin in twins:
        assert any("Type 2 Required" in line for line in said[twin.source])
        assert not any("Type 2 Required" in line for line in errors(new_complaints(said[twin.derived], [])))


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_compressed_series_holds_the_very_words_of_the_source(name, odd_series, twins_of):
    for twin in twins_of(odd_series, write=WRITE_OPTIONS[name]):
        assert pydicom.dcmread(twin.derived).file_meta.TransferSyntaxUID == SYNTAXES[name]
        before, after = read_slice(twin.source), read_slice(twin.derived)
        np.testing.assert_array_equal(stored_values(after.dataset), stored_values(before.dataset))


@pytest.mark.parametrize("name", SYNTAXES)
def test_compression_changes_the_encoding_of_the_pixels_and_no_element(name, odd_series, twins_of):
    created = datetime(2026, 3, 4, tzinfo=UTC)
    native = twins_of(odd_series, created=created)
    for one, other in zip(native, twins_of(odd_series, created=created, write=WRITE_OPTIONS[name]), strict=True):
        before, after = (pydicom.dcmread(twin.derived, stop_before_pixels=True) for twin in (one, other))
        assert before.to_json_dict() == after.to_json_dict()

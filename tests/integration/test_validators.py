"""What the field's own validators say of derived series: nothing that they do not say of the source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from n2b_ct.cli import run
from n2b_ct.errors import DataError
from tests.conftest import SHARED_DATA
from tests.dicom_tools import dcentvfy, dciodvfy_all, errors, new_complaints, require_tools
from tests.integration.odd_headers import ODD_HEADERS, write_odd_series
from tests.integration.twins import TwinMaker
from tests.integration.verdicts import (
    assert_dciodvfy_finds_no_error,
    assert_dciodvfy_finds_nothing_new,
    assert_entities_agree,
    assert_iod_tables_find_nothing_new,
    assert_slices_agree,
)
from tests.iod_check import iod_findings

REAL_FOLDERS = ("ct_clean", "ct_head", "ct_lowdose_pairs", "ct_noisy", "ct_phantom")
NOT_READ = {
    "eCT_Supplemental.dcm": "must be monochrome, got COLOR",
    "no_meta.dcm": "must hold DICOM, got other content",
}
FORMATS = [path.name for path in sorted(SHARED_DATA.glob("formats/*")) if path.name not in NOT_READ]


@pytest.fixture(scope="module")
def twins_of(tmp_path_factory: pytest.TempPathFactory) -> TwinMaker:
    return TwinMaker(tmp_path_factory.mktemp("twins"))


@pytest.fixture(scope="module")
def piglet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("piglet") / "piglet"
    assert run(["simulate", "piglet", str(folder), "--slices", "8", "--size", "64", "--workers", "1"]) == 0
    return folder


@pytest.mark.real_data
@pytest.mark.parametrize("folder", REAL_FOLDERS)
class TestRealSeries:
    def test_dciodvfy_finds_nothing_that_the_source_lacks(self, folder, shared_data, twins_of, tmp_path):
        assert_dciodvfy_finds_nothing_new(twins_of(shared_data / folder), tmp_path)

    def test_dcentvfy_is_silent_on_source_derived_and_residual(self, folder, shared_data, twins_of):
        assert_entities_agree(twins_of(shared_data / folder))

    def test_slices_agree_on_all_that_a_series_shares(self, folder, shared_data, twins_of):
        assert_slices_agree(twins_of(shared_data / folder))

    def test_the_iod_tables_find_nothing_that_the_source_lacks(self, folder, shared_data, twins_of, tmp_path):
        assert_iod_tables_find_nothing_new(twins_of(shared_data / folder), tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("name", FORMATS)
class TestEveryFormat:
    def test_dciodvfy_finds_nothing_that_the_source_lacks(self, name, shared_data, twins_of, tmp_path):
        assert_dciodvfy_finds_nothing_new(twins_of(shared_data / "formats" / name), tmp_path)

    def test_dcentvfy_is_silent_on_source_derived_and_residual(self, name, shared_data, twins_of):
        assert_entities_agree(twins_of(shared_data / "formats" / name))

    def test_the_iod_tables_find_nothing_that_the_source_lacks(self, name, shared_data, twins_of, tmp_path):
        assert_iod_tables_find_nothing_new(twins_of(shared_data / "formats" / name), tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("name", NOT_READ)
def test_a_format_that_is_left_out_here_does_not_read(name, shared_data, twins_of):
    with pytest.raises(DataError, match=NOT_READ[name]):
        twins_of(shared_data / "formats" / name)


@pytest.mark.parametrize("name", ODD_HEADERS)
class TestOddHeaders:
    def test_dciodvfy_finds_no_error_at_all(self, name, twins_of, odd_series):
        assert_dciodvfy_finds_no_error(twins_of(odd_series(name)))

    def test_dcentvfy_is_silent_on_source_derived_and_residual(self, name, twins_of, odd_series):
        assert_entities_agree(twins_of(odd_series(name)))

    def test_slices_agree_on_all_that_a_series_shares(self, name, twins_of, odd_series):
        assert_slices_agree(twins_of(odd_series(name)))

    def test_the_iod_tables_find_nothing_at_all(self, name, twins_of, odd_series):
        for twin in twins_of(odd_series(name)):
            assert [iod_findings(pydicom.dcmread(path)) for path in twin.written] == [[], []]


@pytest.fixture(scope="module")
def odd_series(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("odd")
    return lambda name: root / name if (root / name).exists() else write_odd_series(root / name, name)


def test_dciodvfy_finds_no_error_in_the_digital_piglet_nor_in_what_is_derived_from_it(piglet, twins_of):
    twins = twins_of(piglet)
    assert_dciodvfy_finds_no_error(twins)
    assert errors(new_complaints(frozenset().union(*dciodvfy_all(twin.source for twin in twins).values()), [])) == []


def test_dcentvfy_is_silent_on_every_dose_of_the_piglet_with_all_that_is_derived_from_it(piglet, twins_of):
    require_tools("dcentvfy")
    twins = twins_of(piglet)
    assert dcentvfy([path for twin in twins for path in (twin.source, *twin.written)]) == (0, "")


def test_the_iod_tables_find_nothing_in_the_piglet_nor_in_what_is_derived_from_it(piglet, twins_of):
    for twin in twins_of(piglet):
        assert [iod_findings(pydicom.dcmread(path)) for path in (twin.source, *twin.written)] == [[], [], []]

"""A PACS takes source and derived series as one study, gives them back unchanged, and answers for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest

from n2b_ct.io.dicom.elements import quiet_pydicom
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from tests.conftest import REPOSITORY
from tests.dicom_tools import find_tool, require_tools
from tests.integration.odd_headers import write_odd_series
from tests.integration.twins import Twin, TwinMaker

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed: PyPI's pynetdicom brings it")

_LIMIT_S = 120
_N_SLICES = 3


@pytest.fixture(scope="module")
def network() -> list[str]:
    """The words that start a program in a network namespace of its own."""
    require_tools("Orthanc", "unshare")
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    pytest.skip("network namespaces are not permitted here; Orthanc would listen on every interface of this machine")


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> list[Twin]:
    """A study whose derived series are compressed; the real series below go native."""
    root = tmp_path_factory.mktemp("study")
    source = write_odd_series(root / "source", "everything")
    return TwinMaker(root)(source, write=WriteOptions(compression="jpeg-ls"))


@pytest.fixture(scope="module")
def trip(network, twins, tmp_path_factory) -> dict[str, Any]:
    """What became of the study on its way to Orthanc and back."""
    return travel(network, twins, tmp_path_factory.mktemp("orthanc"))


def travel(network: Sequence[str], twins: list[Twin], work_dir: Path) -> dict[str, Any]:
    """Run the driver; whatever happens, nothing of it stays behind."""
    folders = dict.fromkeys(str(path.parent) for twin in twins for path in (twin.source, *twin.written))
    command = [*network, sys.executable, "-m", "tests.integration.orthanc_driver", str(find_tool("Orthanc"))]
    driver = subprocess.Popen(
        [*command, str(work_dir), *folders],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = driver.communicate(timeout=_LIMIT_S)
    finally:
        _kill_group(driver.pid)
    assert driver.returncode == 0, err
    return {"work_dir": work_dir, **json.loads(out)}


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def assert_unchanged(path: Path, come_back_dir: Path) -> None:
    """Hold that all elements, pixels among them, are those of the file; padding at its end stays at home."""
    with quiet_pydicom():
        sent = pydicom.dcmread(path)
        sent.pop("DataSetTrailingPadding", None)
        come_back = pydicom.dcmread(come_back_dir / str(sent.SOPInstanceUID))
        differing = [str(e.tag) for e in sent if e.tag not in come_back or come_back[e.tag] != e]
        assert differing == []
        assert [str(e.tag) for e in come_back if e.tag not in sent] == []


def test_it_answers_an_echo(trip):
    assert trip["echo"] == 0x0000


def test_it_accepts_every_instance(trip, twins):
    assert trip["first"]["stored"] == {"0x0000": 3 * len(twins)}


def test_source_derived_and_residual_are_three_series_of_one_study(trip, twins):
    (series,) = trip["first"]["series"].values()
    assert len(series) == 3
    assert set(series.values()) == {len(twins)} == {_N_SLICES}


def test_every_data_set_comes_back_as_it_was_sent(trip, twins):
    assert trip["first"]["fetched"] == 3 * len(twins)
    for twin in twins:
        for path in (twin.source, *twin.written):
            assert_unchanged(path, trip["work_dir"] / "first")


def test_sending_again_changes_nothing(trip, twins):
    assert trip["second"] == trip["first"]
    first, second = trip["work_dir"] / "first", trip["work_dir"] / "second"
    assert {path.name: path.read_bytes() for path in second.iterdir()} == {
        path.name: path.read_bytes() for path in first.iterdir()
    }


def test_it_commits_itself_to_keep_every_instance(trip, twins):
    uids = sorted(pydicom.dcmread(path).SOPInstanceUID for twin in twins for path in (twin.source, *twin.written))
    assert trip["committed"] == {"action": 0x0000, "event": 1, "committed": uids, "failed": []}


def test_it_does_not_commit_itself_to_what_it_never_got(trip):
    told = trip["committed_with_a_made_up_one"]
    assert (told["event"], told["failed"]) == (2, [trip["made_up_uid"]])
    assert told["committed"] == trip["committed"]["committed"]


@pytest.mark.real_data
@pytest.mark.parametrize("folder", ["ct_head/ge_hispeed_tilt_variable_spacing", "ct_noisy/rider_pilot_chest_1.25mm"])
def test_a_real_series_makes_the_same_trip(folder, shared_data, network, tmp_path):
    twins = TwinMaker(tmp_path)(shared_data / folder, residual=False)
    (tmp_path / "orthanc").mkdir()
    told = travel(network, twins, tmp_path / "orthanc")
    (series,) = told["first"]["series"].values()
    assert list(series.values()) == [len(twins), len(twins)]
    assert told["second"] == told["first"]
    assert told["committed"]["event"] == 1
    for twin in twins:
        assert_unchanged(twin.source, tmp_path / "orthanc" / "first")
        assert_unchanged(twin.derived, tmp_path / "orthanc" / "first")

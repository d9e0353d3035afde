"""Laws that written series are held to by other people's validators, each beside what they say of the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from tests.dicom_tools import dcentvfy, dciodvfy_all, errors, judgeable, new_complaints, require_tools
from tests.integration.twins import Twin, by_series
from tests.iod_check import iod_findings, series_disagreements


def assert_dciodvfy_finds_nothing_new(twins: list[Twin], scratch_dir: Path) -> None:
    """Hold that no error and no warning is of a kind that the source lacks."""
    require_tools("dciodvfy")
    sources = {twin: judgeable(twin.source, scratch_dir) for twin in twins}
    said = dciodvfy_all(path for twin in twins for path in (sources[twin], *twin.written))
    new = {line for twin in twins for path in twin.written for line in new_complaints(said[path], said[sources[twin]])}
    assert sorted(new) == []


def assert_dciodvfy_finds_no_error(twins: list[Twin]) -> None:
    """Hold that a source without errors has derived series without errors."""
    require_tools("dciodvfy")
    said = dciodvfy_all(path for twin in twins for path in twin.written)
    assert errors(new_complaints(frozenset().union(*said.values()), [])) == []


def assert_entities_agree(twins: list[Twin], *, beside_source: bool = True) -> None:
    """Hold derived series together, alone and in one study with a source that agrees with itself."""
    require_tools("dcentvfy")
    for series in by_series(twins).values():
        sources = list(dict.fromkeys(twin.source for twin in series))
        for written in zip(*(twin.written for twin in series), strict=True):
            assert dcentvfy(written) == (0, "")
        if beside_source and dcentvfy(sources) == (0, ""):
            assert dcentvfy([*sources, *(path for twin in series for path in twin.written)]) == (0, "")


def assert_slices_agree(twins: list[Twin], *, beside_source: bool = True) -> None:
    """Hold that a series has one scanner, one frame of reference, one time, as far as its source has one."""
    for series in by_series(twins).values():
        sources = [twin.source for twin in series] if beside_source else []
        apart = set(series_disagreements(headers(sources)))
        for written in zip(*(twin.written for twin in series), strict=True):
            assert [one for one in series_disagreements(headers(written)) if one not in apart] == []


def headers(paths: Iterable[Path]) -> Iterator[Dataset]:
    """Data sets without their pixels."""
    return (pydicom.dcmread(path, stop_before_pixels=True) for path in paths)


def assert_iod_tables_find_nothing_new(twins: list[Twin], scratch_dir: Path) -> None:
    """Hold that the Standard's tables miss nothing that the source had, and meet nothing strange."""
    new: set[str] = set()
    for twin in twins:
        source = set(iod_findings(pydicom.dcmread(judgeable(twin.source, scratch_dir), stop_before_pixels=True)))
        for path in twin.written:
            new.update(set(iod_findings(pydicom.dcmread(path, stop_before_pixels=True))) - source)
    assert sorted(new) == []

"""Other people's DICOM tools: what each says of a file, in a form that two files can be compared by.

A tool that is not installed skips the test and names the Debian package that brings it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from n2b_ct.io.dicom.elements import quiet_pydicom, stable_uid

DEBIAN_PACKAGES = {
    "dciodvfy": "dicom3tools",
    "dcentvfy": "dicom3tools",
    "dcmftest": "dcmtk",
    "gdcminfo": "libgdcm-tools",
    "dcm2niix": "dcm2niix",
    "Orthanc": "orthanc",
    "unshare": "util-linux",
}
KNOWN_STALE = re.compile(
    r"</ContributingEquipmentSequence\(0018,a001\)/DeviceUID\(0018,1002\)> - Attribute is not present in standard"
    r"|</\(0008,001c\)> - (Attribute with an even group|Attribute is not present in standard|Unrecognized tag)"
    r"|</ImageType\(0008,0008\)> - Unrecognized defined term = <(ADD|CT_SOM5 SPI)>"
)
"""What dciodvfy of 2022 says of things that the Standard has known since, such as SyntheticData (0008,001C), or that
scanners write in ImageType."""

_LIMIT_S = 120
_N_THREADS = 4
_ITEM_NUMBER = re.compile(r"\[\d+\](?=[/>])")
_VALUE = re.compile(r" = <.*", re.DOTALL)
_UID_REMARK = re.compile(r"(for UID|\[UI\]) = <")


def require_tools(*names: str) -> None:
    """Skip the test where one of these programs is absent."""
    for name in names:
        if find_tool(name) is None:
            pytest.skip(f"{name} is not installed: Debian's {DEBIAN_PACKAGES[name]} brings it")


def find_tool(name: str) -> str | None:
    """Where a program lies; servers hide in sbin, which is not on everybody's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def dciodvfy(path: Path) -> frozenset[str]:
    """The errors and warnings of dciodvfy for one file, item numbers left out.

    Raises:
        AssertionError: It died, so it said nothing.
    """
    done = _run(["dciodvfy", "-new", str(path)])
    assert done.returncode in (0, 1), f"dciodvfy died of {path}: {done.returncode}"
    lines = (line for line in done.stderr.splitlines() if line.startswith(("Error - ", "Warning - ")))
    return frozenset(_ITEM_NUMBER.sub("", line) for line in lines)


def dciodvfy_all(paths: Iterable[Path]) -> dict[Path, frozenset[str]]:
    """Run dciodvfy over files, several at a time."""
    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(_N_THREADS) as pool:
        return dict(zip(wanted, pool.map(dciodvfy, wanted), strict=True))


def new_complaints(derived: Iterable[str], source: Iterable[str]) -> list[str]:
    """What a derived file earns and its source did not, apart from :data:`KNOWN_STALE`.

    The same complaint about the very same UID at another place is the source's too: a reference to an illegal
    UID is as illegal as the UID.
    """
    known = set(source)
    kinds = {_kind(line) for line in known}
    remarks = {_remark(line) for line in known if _UID_REMARK.search(line)}
    return sorted(
        line for line in derived if not (_kind(line) in kinds or _remark(line) in remarks or KNOWN_STALE.search(line))
    )


def errors(complaints: Iterable[str]) -> list[str]:
    """The errors among the complaints."""
    return [line for line in complaints if line.startswith("Error - ")]


def dcentvfy(paths: Sequence[Path]) -> tuple[int, str]:
    """The exit code and words of dcentvfy: do these files agree on patient, study, series and equipment?"""
    done = _run(["dcentvfy", *map(str, paths)])
    return done.returncode, (done.stdout + done.stderr).strip()


def dcmftest(paths: Sequence[Path]) -> list[str]:
    """The files that DCMTK does not take for DICOM files of PS3.10."""
    done = _run(["dcmftest", *map(str, paths)])
    return [line for line in done.stdout.splitlines() if not line.startswith("yes:")]


def gdcminfo(path: Path) -> list[str]:
    """GDCM's description of an image: kind, size, bits, spacing, origin, rescale; without the transfer syntax.

    Raises:
        AssertionError: GDCM does not take it for an image.
    """
    done = _run(["gdcminfo", str(path)])
    assert done.returncode == 0, f"gdcminfo refused {path}: {done.stderr}"
    return [line for line in done.stdout.splitlines() if not line.startswith(("TransferSyntax", "Encapsulated"))]


def dcm2niix(folder: Path, out_dir: Path, *options: str) -> dict[str, Path]:
    """Convert a series folder with dcm2niix; the volumes by name, which tells what it made of the geometry."""
    out_dir.mkdir(parents=True)
    done = _run(["dcm2niix", *options, "-b", "n", "-z", "n", "-o", str(out_dir), "-f", "volume", str(folder)])
    assert done.returncode in (0, 1, 2), f"dcm2niix died: {done.returncode}"
    return {path.name: path for path in sorted(out_dir.glob("*.nii"))}


def judgeable(source: Path, scratch_dir: Path) -> Path:
    """A source that the validators can judge: itself, or a copy with as little changed as they need.

    They read no deflated files, and say nothing of a file whose SOP class or UIDs are blank: it gets those of its
    file meta information, or made-up ones.
    """
    with quiet_pydicom():
        return _judgeable(pydicom.dcmread(source), source, scratch_dir)


def _judgeable(dataset: Dataset, source: Path, scratch_dir: Path) -> Path:
    is_deflated = dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    if dataset.get("SOPClassUID") and dataset.get("SOPInstanceUID") and not is_deflated:
        return source
    if is_deflated:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _fill_blank_uids(dataset, source)
    target = scratch_dir / f"{stable_uid(str(source))}.dcm"
    dataset.save_as(target, enforce_file_format=True)
    return target


def _fill_blank_uids(dataset: Dataset, source: Path) -> None:
    dataset.SOPClassUID = dataset.get("SOPClassUID") or dataset.file_meta.MediaStorageSOPClassUID
    for keyword, key in (
        ("SOPInstanceUID", str(source)),
        ("SeriesInstanceUID", str(source.parent)),
        ("StudyInstanceUID", "study"),
    ):
        setattr(dataset, keyword, dataset.get(keyword) or stable_uid(keyword, key))


def _kind(line: str) -> str:
    """A complaint without the values that differ from file to file."""
    return _VALUE.sub("", line)


def _remark(line: str) -> str:
    """A complaint without its place."""
    return line.partition("> - ")[2]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S, check=False)

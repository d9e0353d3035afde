"""A full disk: said before the work where it can be foreseen, and nothing half-written where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from n2b_ct.errors import OutputError
from n2b_ct.io.atomic import require_free_space
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from tests.conftest import REPOSITORY
from tests.helpers import make_derivation, save_series, water_ramp

_N_DISK_BYTES = 300_000
_WRITE = """
import sys
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from tests.helpers import make_derivation

if __name__ == "__main__":
    source, disk, is_foreseen = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "foreseen"
    (series,) = scan(source).series
    try:
        with (
            nullcontext() if is_foreseen else patch("n2b_ct.io.dicom.derived_series.require_free_space"),
            DerivedSeriesWriter(series, disk / "a" / "derived", make_derivation()) as writer,
        ):
            for instance in series.instances:
                ct_slice = read_slice(instance)
                writer.add(ct_slice, ct_slice.hu)
    except Exception as error:
        print(type(error).__name__, error)
    print(sorted(str(path) for path in disk.rglob("*")))
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four slices of 128 KB each."""
    positions_mm = [0.0, 2.0, 4.0, 6.0]
    save_series(tmp_path / "source", positions_mm, stored=water_ramp(256, 256) % 4096)
    return tmp_path / "source"


def on_a_small_disk(tmp_path: Path, source: Path, how: str, script: str = _WRITE) -> list[str]:
    """Run the script in a mount namespace of its own, where a folder is a file system of 300 kB."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "write.py").write_text(script)
    mount = f"mount -t tmpfs -o size={_N_DISK_BYTES} tmpfs {tmp_path}/disk || exit 77; exec "
    command = f"{sys.executable} {tmp_path}/write.py {source} {tmp_path}/disk {how}"
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount + command],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        timeout=120,
        check=False,
    )
    if ended.returncode == 77 or "unshare failed" in ended.stderr:
        pytest.skip("mounting a small disk is not permitted here")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


needs_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="mounting a small disk needs root and unshare (Debian package util-linux)",
)


@needs_root
def test_a_disk_that_fills_up_in_mid_series_leaves_nothing(tmp_path, source):
    error, left = on_a_small_disk(tmp_path, source, "unforeseen")
    assert error.startswith("OutputError ")
    assert "must be writable, got No space left on device; choose another place" in error
    assert left == "[]"


_STORE = """
import sys
from pathlib import Path
from n2b_ct.data.image_store import ImageStore

disk = Path(sys.argv[2])
try:
    kept = ImageStore([(1, 100, 100)] * 6, disk)
    kept.flat.fill_(1.0)
    ImageStore([(1, 200, 200)], disk).flat.fill_(1.0)
except Exception as error:
    print(type(error).__name__, error)
print(sorted(str(path) for path in disk.rglob("*")))
"""


@needs_root
def test_images_that_the_disk_cannot_hold_are_an_error_and_no_dead_process(tmp_path, source):
    error, left = on_a_small_disk(tmp_path, source, "", _STORE)
    assert error.startswith(f"DataError {tmp_path}/disk: must take a file of all images, got No space left on device;")
    assert left == "[]"


@needs_root
def test_a_disk_that_is_too_small_is_said_before_the_work(tmp_path, source):
    error, left = on_a_small_disk(tmp_path, source, "foreseen")
    assert error.startswith(f"OutputError {tmp_path}/disk/a/derived: needs 0.6 MB, got 0.3 MB free; make room")
    assert left == "[]"


def test_needed_and_free_bytes_are_told(tmp_path):
    require_free_space(tmp_path / "not" / "there" / "yet", 1)
    with pytest.raises(OutputError, match=r"yet: needs 1,000,000,000,000\.0 MB, got [\d,]+\.\d MB free; make room or"):
        require_free_space(tmp_path / "yet", 10**18)


def test_an_estimate_holds_for_what_is_written(tmp_path, source):
    (series,) = scan(source).series
    n_source_bytes = sum(path.stat().st_size for path in source.iterdir())
    plain = DerivedSeriesWriter(series, tmp_path / "derived", make_derivation())
    assert n_source_bytes <= plain.n_bytes_expected < 1.1 * n_source_bytes
    options = WriteOptions(compression="jpeg-ls")
    smaller = DerivedSeriesWriter(series, tmp_path / "derived", make_derivation(options=options))
    assert smaller.n_bytes_expected < 0.6 * plain.n_bytes_expected


def test_a_series_that_will_not_fit_is_not_begun(tmp_path, source, monkeypatch):
    (series,) = scan(source).series
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 1000))  # type: ignore[attr-defined]
    with (
        pytest.raises(OutputError, match=r"needs 0\.6 MB, got 0\.0 MB free"),
        DerivedSeriesWriter(series, tmp_path / "a" / "derived", make_derivation()),
    ):
        pass
    assert not (tmp_path / "a").exists()

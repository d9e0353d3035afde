"""Where the data files of a volume may lie: in their header's folder, links followed, and nowhere else."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest

from n2b_ct.errors import SeriesError
from n2b_ct.io import volumes
from n2b_ct.io.volumes import data_paths
from tests.unit.io.text_header_files import WORDS, metaimage, nrrd

read_volume = partial(volumes.read_volume, assume_hu=True)  # words of any kind; test_volume_kind.py asks what is CT

ESCAPES = ("../a.raw", "/etc/passwd", "x/../../a.raw", "..\\a.raw", "C:\\a.raw", "C:a.raw", "../a_%d.raw 1 3 1")


@pytest.mark.parametrize(
    "name", [*ESCAPES, "LIST", "LIST 2", "a_%d_%d.raw 1 3 1", "a_%n.raw 1 3 1", "a%d 3 1 1", "a%99999d 1 3 1"]
)
@pytest.mark.parametrize("form", ["mhd", "nhdr"])
def test_a_data_file_outside_the_folder_or_in_a_list_is_refused(tmp_path, form, name):
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    for place in (tmp_path, folder.parent, folder):
        (place / "a.raw").write_bytes(WORDS.tobytes())
    make = {
        "mhd": lambda p: metaimage(p, b"", ElementDataFile=name),
        "nhdr": lambda p: nrrd(p, b"", f"data file: {name}\n"),
    }
    path = make[form](folder / f"a.{form}")
    with pytest.raises(SeriesError, match=r"must (name|number) (a|its) data files?") as caught:
        read_volume(path)
    assert caught.value.reason == "data_file_refused"
    assert data_paths(path) == ()


def linked(form: str, folder: Path) -> Path:
    """Write a header that names ``a.raw`` (``a.img``), and one that numbers ``a_1.raw`` for ``numbered``."""
    if form == "hdr":
        nibabel.save(nibabel.Nifti1Pair(WORDS.transpose(2, 1, 0), np.eye(4)), folder / "a.hdr")
        (folder / "a.img").unlink()
        return folder / "a.hdr"
    name = "a_%d.raw 1 1 1" if form.startswith("numbered") else "a.raw"
    if form.endswith("mhd"):
        return metaimage(folder / "a.mhd", b"", ElementDataFile=name)
    return nrrd(folder / "a.nhdr", b"", f"data file: {name}\n")


DATA_NAMES = {"hdr": "a.img", "mhd": "a.raw", "nhdr": "a.raw", "numbered.mhd": "a_1.raw", "numbered.nhdr": "a_1.raw"}


@pytest.mark.parametrize("is_relative", [True, False])
@pytest.mark.parametrize("form", DATA_NAMES)
def test_a_data_file_that_is_a_link_out_of_the_folder_is_refused(tmp_path, form, is_relative):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(WORDS.tobytes())
    path = linked(form, tmp_path / "in")
    target = Path("../secret") if is_relative else tmp_path / "secret"
    (tmp_path / "in" / DATA_NAMES[form]).symlink_to(target)
    with pytest.raises(SeriesError, match="must name a data file in its own folder, got a link out of it") as caught:
        read_volume(path)
    assert caught.value.reason == "data_file_refused"
    assert data_paths(path) == ()


@pytest.mark.parametrize("form", DATA_NAMES)
def test_a_data_file_that_is_a_link_within_the_folder_is_read(tmp_path, form):
    path = linked(form, tmp_path)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "words").write_bytes(WORDS.tobytes())
    (tmp_path / DATA_NAMES[form]).symlink_to(Path("deeper") / "words")
    assert read_volume(path).hu.max() == WORDS.max()


def test_a_link_to_a_folder_elsewhere_is_a_way_out_too(tmp_path):
    for name in ("in", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "elsewhere" / "a.raw").write_bytes(WORDS.tobytes())
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SeriesError, match="got a link out of it"):
        read_volume(metaimage(tmp_path / "in" / "a.mhd", b"", ElementDataFile="sub/a.raw"))


def test_a_folder_that_is_itself_a_link_holds_its_data(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.raw").write_bytes(WORDS.tobytes())
    metaimage(tmp_path / "store" / "a.mhd", b"", ElementDataFile="a.raw")
    (tmp_path / "in").symlink_to(tmp_path / "store")
    assert read_volume(tmp_path / "in" / "a.mhd").hu.max() == WORDS.max()


def test_a_data_file_that_is_missing_or_no_file_is_told(tmp_path):
    path = metaimage(tmp_path / "a.mhd", b"", ElementDataFile="a.raw")
    with pytest.raises(SeriesError, match="must have its data file, got none that can be opened") as caught:
        read_volume(path)
    assert caught.value.reason == "unreadable"
    os.mkfifo(tmp_path / "a.raw")
    with pytest.raises(SeriesError, match="must have a regular data file") as caught:
        read_volume(path)
    assert caught.value.reason == "not_regular"


HIDDEN = {
    "nul_in_the_key.mhd": "ElementDataFile\0 = ../secret\n",
    "tab_before_the_key.mhd": "\x0bElementDataFile = ../secret\n",
    "return_in_a_value.nhdr": "content: x\rdata file: ../secret\n",
}
"""Lines that SimpleITK takes for the name of a data file and opens."""


@pytest.mark.parametrize("name", HIDDEN)
def test_a_data_file_that_a_header_hides_from_readers_of_lines_is_not_opened(tmp_path, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes((WORDS + 7000).tobytes())
    (tmp_path / "in" / "a.raw").write_bytes(WORDS.tobytes())
    path = tmp_path / "in" / name
    if name.endswith("mhd"):
        metaimage(path, b"", ElementDataFile="a.raw")
        path.write_bytes(path.read_bytes().replace(b"ElementDataFile", HIDDEN[name].encode() + b"ElementDataFile"))
    else:
        nrrd(path, b"", HIDDEN[name] + "data file: a.raw\n")
    assert read_volume(path).hu.max() == WORDS.max()
    assert data_paths(path) == (tmp_path / "in" / "a.raw",)

"""Bad input, rows 39 to 53: many frames in one file, the file system, identities, texts, and what lies in archives."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import resource
import socket
import tarfile
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from n2b_ct.cli import run
from n2b_ct.io.dicom.scan import scan
from tests.bad_input import Tree, assert_only_whole_series, digests, patched, slice_file
from tests.encodings import encoded_dataset
from tests.enhanced_ct import make_enhanced, make_frames
from tests.helpers import make_ct_dataset, save, save_series, water_ramp
from tests.integration.scenes import tissue_hu, with_noise

SQUARE = {"PixelSpacing": ["0.5", "0.5"]}
USED = {"slice": "used"}


def problems_of(tree: Tree, **rules: bool) -> tuple[str, ...]:
    """Problems of the one series in ``bad``."""
    (series,) = [one for one in scan(tree.source, **rules).series if one.directory.name != "good"]
    return series.problems


# ── 39: many frames ──


def test_row_39_every_frame_of_multi_frame_ct_is_a_slice(tree):
    save(make_enhanced(make_frames()), tree.bad / "many")
    (told,) = tree.holds({"many": "used"}, status=0)
    assert (told["status"], told["n_slices"]) == ("done", 3)


@pytest.mark.parametrize("keyword", ["NumberOfFrames", "PerFrameFunctionalGroupsSequence"])
def test_row_39_multi_frame_ct_that_does_not_describe_its_frames_is_refused(tree, keyword):
    dataset = make_enhanced(make_frames())
    del dataset[keyword]
    save(dataset, tree.bad / "many")
    (verdict,) = {f"{one.action}:{one.reason}" for one in scan(tree.bad).records}
    assert verdict in ("error:header_incomplete", "skipped:enhanced_ct_unsupported")
    tree.holds({"many": verdict}, status=1 if verdict.startswith("error") else 0)


# ── 40–44: the file system ──


def test_row_40_loops_of_links_trap_nobody(tree):
    slice_file(tree.bad / "slice")
    (tree.bad / "up").symlink_to("..")
    (tree.bad / "down").symlink_to(".", target_is_directory=True)
    (tree.bad / "a").symlink_to("b")
    (tree.bad / "b").symlink_to("a")
    linked = "skipped:linked_folder"
    unreadable = dict.fromkeys(("a", "b"), "error:unreadable")
    tree.holds({**USED, "up": linked, "down": linked, **unreadable}, status=1)


def test_row_40_a_file_that_links_lead_to_counts_once(tree):
    path = slice_file(tree.bad / "slice")
    for name in ("a", "z"):
        (tree.bad / name).symlink_to(path)
    tree.holds({**USED, "a": "skipped:duplicate", "z": "skipped:duplicate"}, status=0)


def test_row_40_a_link_to_a_file_elsewhere_is_followed_once(tree, tmp_path):
    elsewhere = slice_file(tmp_path / "elsewhere" / "slice")
    for name in ("a", "b"):
        (tree.bad / name).symlink_to(elsewhere)
    tree.holds({"a": "used", "b": "skipped:duplicate"}, status=0)


def test_row_41_what_is_no_file_is_never_opened(tree, monkeypatch):
    os.mkfifo(tree.bad / "pipe.dcm")
    (tree.bad / "device.dcm").symlink_to("/dev/zero")
    monkeypatch.chdir(tree.bad)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.dcm")
        expected = dict.fromkeys(("pipe.dcm", "device.dcm", "socket.dcm"), "skipped:not_regular")
        tree.holds(expected, status=0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_row_42_files_and_folders_without_permission_are_errors(tree):
    path = slice_file(tree.bad / "slice")
    closed = tree.bad / "closed"
    closed.mkdir()
    path.chmod(0)
    closed.chmod(0)
    try:
        assert {record.path.name: record.reason for record in scan(tree.bad).records} == {
            "slice": "unreadable",
            "closed": "unreadable",
        }
        assert tree.denoise() == 1
    finally:
        path.chmod(0o600)
        closed.chmod(0o700)


def test_row_42_a_file_that_fails_while_it_is_read_is_an_error(tree):
    if not Path("/proc/self/mem").exists():
        pytest.skip("no file here that opens and cannot be read: /proc/self/mem is absent")
    (tree.bad / "slice").symlink_to("/proc/self/mem")
    tree.holds({"slice": "error:unreadable"}, status=1)


def test_row_42_a_link_that_leads_nowhere_is_an_error(tree):
    (tree.bad / "slice").symlink_to("nowhere")
    tree.holds({"slice": "error:unreadable"}, status=1)


def test_row_43_a_full_disk_leaves_no_partial_file(tree, capsys):
    save_series(tree.bad, series_uid="1.2.3")
    before = digests(tree.source)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        status = tree.denoise()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2
    assert "Traceback" not in capsys.readouterr().err
    assert [path for path in tree.root.rglob("*") if path.name.startswith(".")] == []
    assert not tree.output.exists() or not list(tree.output.iterdir())
    assert digests(tree.source) == before
    assert tree.denoise("--resume") == 0


@pytest.mark.parametrize("output", ["in", "in/out", "."])
def test_row_44_an_output_inside_or_around_the_input_is_refused(tree, capsys, output):
    before = digests(tree.root)
    assert run(["denoise", str(tree.source), str(tree.root / output), "--model", str(tree.model)]) == 2
    assert "must lie outside the input folder" in capsys.readouterr().err
    assert digests(tree.root) == before


def test_row_44_an_output_that_exists_is_kept_unless_it_may_be_replaced(tree, capsys):
    slice_file(tree.bad / "slice")
    assert tree.denoise() == 0
    before = digests(tree.output)
    assert tree.denoise() == 2
    assert "must not be there yet" in capsys.readouterr().err
    assert digests(tree.output) == before
    assert tree.denoise("--overwrite") == 0


# ── 45–48: texts and identities ──


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 192", "山田^太郎=Ωmega"),
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Люкceмбypг"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
def test_row_45_names_in_other_alphabets_come_through_byte_for_byte(tree, character_set, name):
    slice_file(tree.bad / "slice", SpecificCharacterSet=character_set, PatientName=name, **SQUARE)
    tree.holds(USED, status=0)
    assert problems_of(tree) == ()
    assert name_bytes(tree.written()[0]) == name_bytes(pydicom.dcmread(tree.bad / "slice"))
    assert tree.written()[0].PatientName == name


def name_bytes(dataset: pydicom.Dataset) -> bytes:
    """PatientName as the file has it."""
    return bytes(dataset.get_item("PatientName").value).rstrip()


def test_row_46_a_name_that_does_not_fit_its_character_set_comes_through_byte_for_byte(tree):
    path = slice_file(tree.bad / "slice", SpecificCharacterSet="ISO_IR 6", PatientName="Mxller")
    patched(path, b"Mxller", b"M\xfcller")
    tree.holds(USED, status=0)
    assert name_bytes(tree.written()[0]) == b"M\xfcller"


@pytest.mark.parametrize("bogus", [b"ISO_IR 999", b"NONSENSE  ", b"\xff\xfe\xfd\xfc\xfb\xfa    "])
def test_row_46_a_character_set_that_does_not_exist_is_reported_and_its_bytes_are_kept(tree, bogus):
    path = slice_file(tree.bad / "slice", PatientName="Mxller", **SQUARE)
    patched(patched(path, b"ISO_IR 100", bogus), b"Mxller", b"M\xfcller")
    (told,) = tree.holds(USED, status=0)
    assert told["problems"] == ["unknown_character_set"]
    assert name_bytes(tree.written()[0]) == b"M\xfcller"


@pytest.mark.parametrize(
    "uid", [b"x.2.826.0.1.3", b"1.02.826.0.1.", b"../../../../x", b"/etc/passwd  ", b"1..2         "]
)
def test_row_47_a_uid_of_another_form_is_reported_and_never_becomes_a_path(tree, uid):
    path = slice_file(tree.bad / "slice", series_uid="1.2.826.0.1.3", **SQUARE)
    patched(path, b"\x20\x00\x0e\x00UI\x0e\x001.2.826.0.1.3", b"\x20\x00\x0e\x00UI\x0e\x00" + uid)
    (told,) = tree.holds(USED, status=0)
    assert told["problems"] == ["invalid_uid"]
    assert sorted(path.name for path in tree.root.iterdir()) == ["in", "out", "out.json"]
    assert {path.name for path in tree.output.iterdir()} == {"bad", "good"}


def test_row_47_a_uid_that_is_too_long_is_reported(tree):
    slice_file(tree.bad / "slice", **SQUARE)
    path = slice_file(tree.bad / "slice", series_uid="1.2.3", **SQUARE)
    long_uid = b"1." + b"2" * 98
    patched(path, b"\x20\x00\x0e\x00UI\x06\x001.2.3\0", b"\x20\x00\x0e\x00UI\x64\x00" + long_uid)
    (told,) = tree.holds(USED, status=0)
    assert told["problems"] == ["invalid_uid"]


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_row_48_a_missing_uid_is_refused_or_repaired(tree, keyword, value):
    slice_file(tree.bad / "slice", **{keyword: value}, **SQUARE)
    tree.holds({"slice": "error:missing_uid"}, status=1)
    (told,) = tree.holds(USED, status=0, options=("--repair-uids", "--overwrite"))
    assert told["problems"] == ["repaired_uids"]


def test_row_48_a_missing_class_is_taken_from_the_file_meta_information(tree):
    path = tree.bad / "slice"
    whole = save(make_ct_dataset(series_uid="1.2.3"), path).read_bytes()
    class_uid = b"1.2.840.10008.5.1.4.1.1.2\0"
    place = whole.rindex(class_uid)
    path.write_bytes(whole[: place - 2] + b"\0\0" + whole[place + len(class_uid) :])
    tree.holds(USED, status=0)
    assert tree.written()[0].SOPClassUID == class_uid[:-1].decode()


@pytest.mark.real_data
def test_row_48_a_real_series_without_uids(shared_data):
    folder = shared_data / "ct_clean" / "totalseg_body_3mm_J2K"
    assert {record.reason for record in scan(folder).records} == {"missing_uid"}
    assert [one.problems for one in scan(folder, repair_uids=True).series] == [("patient_id_missing", "repaired_uids")]


# ── 49–53: forms ──


def without_syntax(path: Path) -> Path:
    """Take TransferSyntaxUID out of the file meta information."""
    whole = path.read_bytes()
    start = whole.index(b"\x02\x00\x10\x00UI")
    end = start + 8 + int.from_bytes(whole[start + 6 : start + 8], "little")
    n_meta_bytes = int.from_bytes(whole[140:144], "little") - (end - start)
    path.write_bytes(whole[:140] + n_meta_bytes.to_bytes(4, "little") + whole[144:start] + whole[end:])
    return path


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_row_49_a_native_form_without_a_name_is_recognised(tree, syntax):
    without_syntax(slice_file(tree.bad / "slice", transfer_syntax=syntax, **SQUARE))
    (told,) = tree.holds(USED, status=0)
    assert told["problems"] == ["transfer_syntax_assumed"]
    assert tree.written()[0].pixel_array[0, 0] == 900


def test_row_49_without_a_name_the_pixels_must_be_native_for_certain(tree):
    dataset = encoded_dataset(RLELossless, water_ramp(), bits_stored=12, is_signed=False, series_uid="1.2.3")
    without_syntax(save(dataset, tree.bad / "rle"))
    path = without_syntax(slice_file(tree.bad / "more"))
    head = b"\xe0\x7f\x10\x00OW\0\0"
    patched(path, head + (1536).to_bytes(4, "little"), head + (1540).to_bytes(4, "little"))
    path.write_bytes(path.read_bytes() + bytes(4))
    tree.holds(dict.fromkeys(("more", "rle"), "error:unsupported_transfer_syntax"), status=1)


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({"StudyDate": "20200102"}, b"DA\x08\x0020200102", b"DA\x08\x002020-1-2"),
        ({"StudyTime": "101112"}, b"TM\x06\x00101112", b"TM\x06\x0010:1:2"),
        ({"InstanceNumber": 12}, b"IS\x02\x0012", b"IS\x02\x00A1"),
        ({"SeriesNumber": 123}, b"IS\x04\x00123 ", b"IS\x04\x003.5 "),
        ({"BodyPartExamined": "CHEST"}, b"CS\x06\x00CHEST ", b"CS\x06\x00chest!"),
        ({"KVP": "120.25"}, b"DS\x06\x00120.25", b"DS\x06\x00120,25"),
        ({"SliceLocation": "12.5"}, b"DS\x04\x0012.5", b"DS\x04\x00here"),
        ({"PatientName": "A^B^C^D^EF"}, b"A^B^C^D^EF", b"A^B^C^D^E^"),
        ({"PatientAge": "012Y"}, b"AS\x04\x00012Y", b"AS\x04\x0012 y"),
    ],
)
def test_row_50_values_that_break_their_vr_do_no_harm_and_are_not_corrected(tree, changes, old, new):
    path = slice_file(tree.bad / "slice", **changes, **SQUARE)
    patched(path, old, new)
    tree.holds(USED, status=0)
    keyword = next(iter(changes))
    kept = tree.written()[0].get_item(keyword)
    if keyword != "SeriesNumber":  # ours: the source's plus 1000, or empty
        assert bytes(kept.value).rstrip() == new.partition(b"\x00")[2].strip() or bytes(kept.value) in new


def test_row_50_a_description_that_is_too_long_is_cut_to_make_room(tree):
    path = slice_file(tree.bad / "slice", SeriesDescription="x" * 40, **SQUARE)
    long = b"y" * 200
    patched(path, b"LO\x28\x00" + b"x" * 40, b"LO" + len(long).to_bytes(2, "little") + long)
    tree.holds(USED, status=0)
    assert len(tree.written()[0].SeriesDescription) == 64


@pytest.mark.parametrize("vr", [b"LO", b"CS", b"SH", b"ST"])
def test_row_51_a_class_of_another_vr_is_still_read_as_text(tree, vr):
    path = slice_file(tree.bad / "slice")
    patched(path, b"\x08\x00\x16\x00UI", b"\x08\x00\x16\x00" + vr)
    tree.holds(USED, status=0)


@pytest.mark.parametrize("vr", [b"OB", b"UN", b"SQ", b"FD", b"ZZ"])
@pytest.mark.parametrize("head", [b"\x08\x00\x16\x00UI", b"\x20\x00\x0e\x00UI", b"\x28\x00\x53\x10DS"])
def test_row_51_no_vr_makes_anything_crash(tree, head, vr, capsys):
    patched(slice_file(tree.bad / "slice"), head, head[:4] + vr)
    (verdict,) = {one.reason for one in scan(tree.bad).records}
    status = tree.denoise()
    assert status == (0 if verdict in ("", "not_ct_image_storage") else 1)
    assert "internal error" not in capsys.readouterr().err
    assert_only_whole_series(tree.output, json.loads((tree.root / "out.json").read_text())["series"])


def test_row_52_a_derived_image_is_used_and_reported(tree, capsys):
    slice_file(tree.bad / "slice", ImageType=["DERIVED", "PRIMARY", "MPR"], **SQUARE)
    (told,) = tree.holds(USED, status=0)
    assert told["problems"] == ["already_derived"]
    assert "should be original images" in capsys.readouterr().err


def test_row_52_our_own_output_is_not_denoised_again(tree, tmp_path):
    slice_file(tree.bad / "slice")
    assert tree.denoise() == 0
    (tree.output / "bad").rename(tree.bad / "derived")
    again = Tree(tree.root, tree.model)
    status = again.denoise("--overwrite")
    told = {Path(one["source"]).name: one for one in json.loads((tree.root / "out.json").read_text())["series"]}
    assert (status, told["derived"]["status"], told["derived"]["reason"]) == (1, "failed", "own_output")
    assert not (tree.output / "bad" / "derived").exists()


def archive(kind: str, member: Path) -> bytes:
    """Pack one file."""
    content, packed = member.read_bytes(), io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("../../slice", content)
    elif kind == "tar":
        with tarfile.open(fileobj=packed, mode="w") as file:
            file.add(member, "slice")
    elif kind == "tar.gz":
        with tarfile.open(fileobj=packed, mode="w:gz") as file:
            file.add(member, "slice")
    else:
        packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
        heads = {"7z": b"7z\xbc\xaf\x27\x1c", "rar": b"Rar!\x1a\x07\x00", "zst": b"\x28\xb5\x2f\xfd"}
        packed.write(packers[kind](content) if kind in packers else heads[kind] + bytes(500))
    return packed.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "gz", "bz2", "xz", "7z", "rar", "zst"])
@pytest.mark.parametrize("name", ["study.zip", "slice.dcm", "noname"])
def test_row_53_an_archive_is_skipped_with_a_word_on_what_to_do(tree, tmp_path, kind, name):
    member = slice_file(tmp_path / "member")
    (tree.bad / name).write_bytes(archive(kind, member))
    tree.holds({name: "skipped:archive"}, status=0)
    (record,) = scan(tree.bad).records
    assert "unpack it and name the folder" in record.detail
    assert sorted(path.name for path in tree.root.iterdir()) == ["in", "member", "out", "out.json"]


def test_row_53_a_compressed_volume_is_no_archive(tree):
    hu = with_noise(tissue_hu(1), 1).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(hu.transpose(2, 1, 0), np.diag([-1, -1, 1, 1])), tree.bad / "volume.nii.gz")
    assert tree.denoise() == 0
    assert (tree.output / "bad" / "volume.nii.gz").is_file()
    assert "archive" not in {record.reason for record in scan(tree.source).records}

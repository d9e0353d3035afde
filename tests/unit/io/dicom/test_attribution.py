"""A file that cannot say its series is attributed to the series around it, never against none."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom import scan as scan_module
from n2b_ct.io.dicom.scan import examine_file, scan
from n2b_ct.io.series import FileRecord
from tests.enhanced_ct import make_enhanced, make_frames
from tests.helpers import make_ct_dataset, save, save_series, water_ramp

UIDS = {"a": "1.2.3.1", "b": "1.2.3.2", "c": "1.2.3.3"}
N_CUT_BYTES = 560


def write(folder: Path, order: str, form: str = "IM{:04d}.dcm", first: int = 0) -> list[Path]:
    """Write slices of series a, b and c, one for each letter, under running numbers."""
    paths = []
    for index, letter in enumerate(order):
        dataset = make_ct_dataset(
            series_uid=UIDS[letter],
            study_uid="1.2.3",
            instance_number=first + index + 1,
            position_mm=(-16.0, -12.0, 2.0 * (first + index)),
            stored=water_ramp(first=900 + index),
        )
        paths.append(save(dataset, folder / form.format(first + index)))
    return paths


def cut(path: Path, n_bytes: int = N_CUT_BYTES) -> Path:
    """Break a copy off before its UIDs of study and series."""
    path.write_bytes(path.read_bytes()[:n_bytes])
    return path


def record_of(path: Path, root: Path | None = None) -> FileRecord:
    (found,) = [one for one in scan(root or path.parent).records if one.path == path]
    return found


def held(path: Path, root: Path | None = None) -> str:
    """Letters of the series that a file is attributed to without naming one."""
    found = record_of(path, root)
    assert found.action == "error"
    assert found.series == (found.inferred_series[0] if len(found.inferred_series) == 1 else "")
    return "".join(letter for letter, uid in UIDS.items() if uid in found.inferred_series)


# ── What a slice may have become ──


def test_wherever_a_header_ends_the_slice_is_an_error_and_names_its_own_series_or_none(tmp_path):
    path = save(make_ct_dataset(), tmp_path / "slice")
    whole = path.read_bytes()
    named = set()
    for n_bytes in range(132, whole.rindex(b"\xe0\x7f\x10\x00") + 12):
        path.write_bytes(whole[:n_bytes])
        (found,) = examine_file(path)
        assert (n_bytes, found.action) == (n_bytes, "error")
        named.add(found.series)
    assert named == {"", "1.2.826.0.1.3680043.8.498.1.1"}


@pytest.mark.parametrize("fill", [bytes, np.random.default_rng(1).bytes, lambda n: b"\xff" * n])
def test_whatever_is_overwritten_in_a_header_never_makes_another_object_of_a_slice(tmp_path, fill):
    path = save(make_ct_dataset(), tmp_path / "slice")
    whole = path.read_bytes()
    for start in range(132, whole.rindex(b"\xe0\x7f\x10\x00"), 16):
        for n_bytes in (16, 128, 512):
            path.write_bytes(whole[:start] + fill(n_bytes) + whole[start + n_bytes :])
            (found,) = examine_file(path)
            assert getattr(found, "action", "used") != "skipped", (start, n_bytes, found)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_folder(path: Path) -> None:
    path.unlink()
    (path.parent.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent.parent / "elsewhere")


def replaced_by(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


LOSSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut before its UIDs": (cut, "header_incomplete"),
    "cut in its preamble": (lambda path: cut(path, 100), "unrecognisable"),
    "no bytes": (lambda path: cut(path, 0), "unrecognisable"),
    "zeros": (lambda path: path.write_bytes(bytes(3000)), "unrecognisable"),
    "a block of zeros over its start": (
        lambda path: path.write_bytes(bytes(512) + path.read_bytes()[512:]),
        "unrecognisable",
    ),
    "random bytes": (lambda path: path.write_bytes(np.random.default_rng(2).bytes(3000)), "unrecognisable"),
    "no magic word": (lambda path: path.write_bytes(bytes(132) + path.read_bytes()[132:]), "unrecognisable"),
    "a page of errors": (lambda path: path.write_text("<html>404</html>" * 99), "unrecognisable"),
    "packed": (lambda path: path.write_bytes(gzip.compress(path.read_bytes())), "unrecognisable"),
    "a pipe": (replaced_by(os.mkfifo), "unrecognisable"),
    "an empty folder": (folder_instead, "unrecognisable"),
    "a link to a folder": (link_to_folder, "unrecognisable"),
    "a link to nowhere": (replaced_by(lambda path: path.symlink_to("nowhere")), "unreadable"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_slice_that_was_lost_is_held_against_the_series_of_its_folder(tmp_path, loss):
    paths = write(tmp_path / "ct", "aaaa")
    change, reason = LOSSES[loss]
    change(paths[1])
    found = record_of(paths[1])
    assert (found.action, found.reason) == ("error", reason)
    assert (found.series, found.inferred_series) == (UIDS["a"], (UIDS["a"],))
    assert found.detail.startswith(f"{paths[1].name}: ")
    assert "it does not say its series: taken for a slice of the series in its folder" in found.detail


@pytest.mark.parametrize("form", ["I{}", "1.2.3.4.{}", "{:08x}b7c1d2e3", "CT.1.2.840.{}.5.dcm", "img {} (1).IMA"])
def test_slices_are_known_by_their_names_in_any_custom(tmp_path, form):
    paths = write(tmp_path, "aaaa", form)
    assert held(cut(paths[1], 0)) == "a"


@pytest.mark.parametrize("reason", ["reader_crashed", "time_limit", "memory_limit"])
def test_a_slice_that_its_reader_dies_of_is_held_against_its_series_and_named(tmp_path, monkeypatch, reason):
    paths = write(tmp_path, "aaa")
    ask_each = scan_module.shared_sandbox().ask_each

    class Dying:
        def ask_each(self, *arguments, **options):
            for number, outcome in enumerate(ask_each(*arguments, **options)):
                yield (
                    SeriesError(reason, "file: must be readable, got a crash; leave it out") if number == 1 else outcome
                )

    monkeypatch.setattr(scan_module, "shared_sandbox", Dying)
    found = record_of(paths[1])
    assert (found.reason, found.inferred_series) == (reason, (UIDS["a"],))
    assert found.detail.startswith("IM0001.dcm: must be readable, got a crash; leave it out (")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here that opens and cannot be read")
def test_a_slice_that_fails_while_it_is_read_is_held_against_its_series(tmp_path):
    paths = write(tmp_path, "aaa")
    replaced_by(lambda path: path.symlink_to("/proc/self/mem"))(paths[1])
    assert (record_of(paths[1]).reason, held(paths[1])) == ("unreadable", "a")


def test_a_multi_frame_file_that_was_cut_is_held_against_the_series_beside_it(tmp_path):
    save(make_enhanced(make_frames(), SeriesInstanceUID=UIDS["a"]), tmp_path / "E1.dcm")
    broken = save(make_enhanced(make_frames()), tmp_path / "E2.dcm")
    assert held(cut(broken)) == "a"


# ── What never was a slice ──


@pytest.mark.parametrize(
    "name", ["README", "notes.txt", "._IM0001.dcm", ".IM0001.dcm.Xy12", "notes7.txt", "VERSION", "IM0001.png", "v.nii"]
)
@pytest.mark.parametrize("content", [b"", b"these are words " * 99, bytes(900)])
def test_other_files_beside_slices_stay_skipped(tmp_path, name, content):
    write(tmp_path, "aaa")
    (tmp_path / name).write_bytes(content)
    found = record_of(tmp_path / name)
    assert (found.action, found.series) == ("skipped", "")


@pytest.mark.parametrize("name", ["notes.txt", ".#lock", "report.pdf"])
def test_what_cannot_be_read_and_is_named_as_another_kind_fails_no_series(tmp_path, name):
    write(tmp_path, "aaa")
    (tmp_path / name).symlink_to("nowhere")
    found = record_of(tmp_path / name)
    assert (found.action, found.attributed_to) == ("error", ())


def test_a_folder_that_cannot_be_listed_fails_no_series_beside_it(tmp_path, monkeypatch):
    write(tmp_path, "aaa")
    (tmp_path / "lost+found").mkdir()
    walk = os.walk

    def walk_with_a_closed_folder(root, followlinks, onerror):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "lost+found")))
        return walk(root, followlinks=followlinks)

    monkeypatch.setattr(os, "walk", walk_with_a_closed_folder)
    assert record_of(tmp_path / "lost+found").attributed_to == ()


def test_an_empty_folder_with_a_name_of_its_own_has_no_record(tmp_path):
    write(tmp_path, "aaa")
    (tmp_path / "empty").mkdir()
    assert len(scan(tmp_path).records) == 3


def test_a_lonely_file_that_is_no_dicom_stays_skipped_whatever_its_name(tmp_path):
    (tmp_path / "IM0001.dcm").touch()
    assert record_of(tmp_path / "IM0001.dcm").reason == "empty"


def test_another_object_is_skipped_even_if_it_is_named_like_slices(tmp_path):
    write(tmp_path, "aa")
    report = save(make_ct_dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.22"), tmp_path / "IM0002.dcm")
    assert record_of(report).action == "skipped"


# ── Several series ──


@pytest.mark.parametrize(
    ("order", "lost", "expected"),
    [
        ("aaaabbbb", 1, "a"),
        ("aaaabbbb", 6, "b"),
        ("aaaabbbb", 0, "a"),
        ("aaaabbbb", 7, "b"),
        ("aaaabbbb", 3, "ab"),
        ("aaaabbbb", 4, "ab"),
        ("abababab", 3, "ab"),
        ("abababab", 7, "ab"),
        ("aabaabaab", 2, "ab"),
        ("aabbcc", 5, "abc"),
        ("aaabbbccc", 4, "b"),
        ("aaabbbccc", 5, "abc"),
    ],
)
def test_among_several_series_the_files_around_tell_or_all_are_held(tmp_path, order, lost, expected):
    paths = write(tmp_path, order)
    assert held(cut(paths[lost])) == expected


def test_numbers_are_ordered_as_numbers(tmp_path):
    write(tmp_path, "aaa", "IM{}.dcm", first=8)
    write(tmp_path, "bbbb", "IM{}.dcm", first=100)
    assert held(cut(tmp_path / "IM9.dcm")) == "a"


def test_names_of_one_kind_tell_the_series_whatever_the_order(tmp_path):
    write(tmp_path, "aaa", "CT{}.dcm")
    write(tmp_path, "bb", "IM{}.dcm")
    assert held(cut(tmp_path / "CT2.dcm")) == "a"
    (tmp_path / "scan.dcm").write_bytes((tmp_path / "CT2.dcm").read_bytes())
    assert held(tmp_path / "scan.dcm") == "ab"


@pytest.mark.parametrize(("order", "is_slice"), [("aaa", True), ("aab", False)])
def test_an_ending_tells_nothing_among_several_series_whose_names_follow_no_custom(tmp_path, order, is_slice):
    for path, name in zip(write(tmp_path, order), ("head.dcm", "neck.dcm", "chest.dcm"), strict=True):
        path.rename(tmp_path / name)
    (tmp_path / "scan.dcm").write_bytes(bytes(900))
    found = record_of(tmp_path / "scan.dcm")
    assert (found.action, found.attributed_to) == (("error", (UIDS["a"],)) if is_slice else ("skipped", ()))


def test_an_ending_tells_where_every_series_has_names_of_its_own_kind(tmp_path):
    write(tmp_path, "aaa", "CT{}.dcm")
    write(tmp_path, "bb", "IM{}.dcm")
    (tmp_path / "scan.dcm").write_bytes(bytes(900))
    assert held(tmp_path / "scan.dcm") == "ab"


def test_the_order_of_hashes_tells_nothing(tmp_path):
    paths = write(tmp_path, "aaaabbbb", "{:08x}b7c1d2e3")
    assert held(cut(paths[1])) == "ab"


def test_a_file_among_refused_slices_of_a_known_series_is_not_held_against_another(tmp_path):
    paths = write(tmp_path, "aaabbb")
    for path in paths[3:]:
        path.write_bytes(path.read_bytes()[:-700])
    assert record_of(paths[5]).inferred_series == ()
    assert held(cut(paths[4])) == "b"


def test_a_series_uid_that_was_overwritten_names_no_series(tmp_path):
    paths = write(tmp_path, "aaa")
    content = paths[1].read_bytes()
    place = content.rindex(UIDS["a"].encode())
    paths[1].write_bytes(content[:place] + bytes(4) + content[place + 4 : -700])
    assert held(paths[1]) == "a"


# ── Folders without a series ──


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ({"p/1": "a", "p/2": "a"}, "a"),
        ({"p/1": "a", "p/2": "b"}, ""),
        ({"p/1": "a"}, ""),
        ({"p/1": "a", "p/2": "a", "p/4": "b"}, ""),
        ({"p/1/x": "a", "p/2/x": "a"}, "a"),
        ({"q/1": "a", "q/2": "a", "p/1": "b"}, ""),
        ({"q/1": "a", "q/2": "a"}, "a"),
    ],
)
@pytest.mark.parametrize("loss", [cut, lambda path: cut(path, 0)])
def test_a_folder_without_a_series_belongs_to_the_one_that_is_spread_beside_it(tmp_path, folders, expected, loss):
    for number, (folder, letters) in enumerate(folders.items()):
        write(tmp_path / folder, letters, first=number)
    is_deep = any(folder.count("/") > 1 for folder in folders)
    (lost,) = write(tmp_path / ("p/3/x" if is_deep else "p/3"), "c", first=9)
    loss(lost)
    found = record_of(lost, tmp_path)
    assert found.inferred_series == tuple(UIDS[letter] for letter in expected)
    assert found.action == "error"


def test_a_file_that_is_scanned_alone_is_held_against_nothing(tmp_path):
    write(tmp_path, "aaa")
    assert record_of(cut(tmp_path / "IM0001.dcm"), tmp_path / "IM0001.dcm").attributed_to == ()


def test_a_file_that_says_its_series_is_not_inferred(tmp_path):
    paths = save_series(tmp_path, [0.0, 2.0, 4.0], series_uid=UIDS["a"])
    paths[1].write_bytes(paths[1].read_bytes()[:-700])
    found = record_of(paths[1])
    assert (found.series, found.inferred_series, found.attributed_to) == (UIDS["a"], (), (UIDS["a"],))


def test_every_file_keeps_one_record_in_the_order_of_the_paths(tmp_path):
    paths: Sequence[Path] = write(tmp_path, "aaaa")
    folder_instead(paths[2])
    cut(paths[1])
    assert [one.path for one in scan(tmp_path).records] == paths

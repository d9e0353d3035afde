"""Bad input, rows 31 to 38: files cut short, lengths that lie, and bombs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.reading.stored_words import stored_values
from tests.bad_input import (
    Tree,
    cut,
    deflated_file,
    inserted_before_pixels,
    nested_sequences,
    patched,
    slice_file,
    wide_sequence,
)
from tests.encodings import encoded_dataset
from tests.helpers import make_ct_dataset, save, water_ramp

N_MEMORY_BYTES = 2 * 2**30
N_SECONDS = 30
USED = {"slice": "used"}


def compressed(tree: Tree, syntax: str = RLELossless, size_px: int = 64) -> Path:
    """Write one compressed slice."""
    words = water_ramp(size_px, size_px)
    dataset = encoded_dataset(syntax, words, bits_stored=16, is_signed=False, series_uid="1.2.3")
    return save(dataset, tree.bad / "slice")


def inspected_in_little_memory(folder: Path) -> dict[str, str]:
    """Reasons by file name, found by ``n2b-ct inspect`` in a process of its own with 2 GiB and 30 seconds."""
    command = [sys.executable, "-c", "from n2b_ct.cli import main; main()", "inspect", str(folder), "--json"]
    started = time.monotonic()
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=N_SECONDS,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (N_MEMORY_BYTES, N_MEMORY_BYTES)),
    )
    assert done.returncode in (0, 1, 2), done.stderr
    assert time.monotonic() - started < N_SECONDS
    return {Path(record["path"]).name: record["reason"] for record in json.loads(done.stdout)["files"]}


# ── 31–35: cut short ──


@pytest.mark.parametrize("n_bytes", [1, 2, 500, 1500])
def test_row_31_native_pixels_cut_short_are_refused(tree, n_bytes):
    cut(slice_file(tree.bad / "slice"), -n_bytes)
    tree.holds({"slice": "error:pixel_truncated"}, status=1)


def test_row_31_fewer_pixels_than_rows_and_columns_are_refused(tree):
    slice_file(tree.bad / "slice", Rows=25)
    tree.holds({"slice": "error:pixel_truncated"}, status=1)


def test_row_31_what_follows_the_pixels_is_no_pixel(tree):
    path = slice_file(tree.bad / "slice")
    whole = path.read_bytes()
    for garbage in (bytes(1), bytes(64), b"\xff" * 99, whole[:600], b"SQ" * 40):
        path.write_bytes(whole + garbage)
        tree.holds(USED, status=0, options=("--overwrite",))
        (derived,) = tree.written()
        assert derived.PixelData == whole[-1536:]
        assert max(element.tag for element in derived) == 0x7FE00010


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("share", [0.6, 0.98])
def test_row_32_compressed_pixels_cut_short_are_refused(tree, syntax, share):
    path = compressed(tree, syntax)
    whole = path.read_bytes()
    header = whole.rindex(b"\xe0\x7f\x10\x00")
    cut(path, header + int(share * (len(whole) - header)))
    tree.holds({"slice": "error:pixel_truncated"}, status=1)


def test_row_32_a_file_that_ends_before_its_pixels_is_refused(tree):
    path = compressed(tree)
    cut(path, path.read_bytes().rindex(b"\xe0\x7f\x10\x00"))
    tree.holds({"slice": "error:pixel_missing"}, status=1)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_row_32_a_codestream_that_is_cut_inside_its_frame_is_refused(tree, syntax):
    path = compressed(tree, syntax)
    whole = path.read_bytes()
    start = whole.rindex(b"\xfe\xff\x00\xe0")
    length = int.from_bytes(whole[start + 4 : start + 8], "little")
    half = length // 4 * 2
    frame = whole[start + 8 : start + 8 + half]
    path.write_bytes(whole[: start + 4] + half.to_bytes(4, "little") + frame + whole[start + 8 + length :])
    assert tree.denoise() == 1
    (record,) = [one for one in json.loads((tree.root / "out.json").read_text())["files"] if one["action"] == "error"]
    assert record["reason"] in ("pixel_undecodable", "pixel_truncated")
    assert not (tree.output / "bad").exists()


@pytest.mark.parametrize("n_bytes", [140, 200, 330, 500, 900])
def test_row_33_a_file_that_ends_in_its_header_is_refused(tree, n_bytes):
    cut(slice_file(tree.bad / "slice"), n_bytes)
    tree.holds({"slice": "error:header_incomplete"}, status=1)


def test_row_33_a_file_that_ends_between_two_elements_is_refused(tree):
    path = slice_file(tree.bad / "slice")
    cut(path, path.read_bytes().index(b"\x28\x00\x10\x00US"))
    tree.holds({"slice": "error:header_incomplete"}, status=1)


def test_row_33_another_object_that_ends_early_is_only_skipped(tree):
    cut(slice_file(tree.bad / "other", SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), 900)
    tree.holds({"other": "skipped:not_ct_image_storage"}, status=0)


@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x7FFFFFFF, 1537, 2000])
def test_row_34_pixels_never_are_the_rest_of_the_file(tree, length):
    path = slice_file(tree.bad / "slice")
    patched(path, b"\xe0\x7f\x10\x00OW\0\0" + (1536).to_bytes(4, "little"),
            b"\xe0\x7f\x10\x00OW\0\0" + length.to_bytes(4, "little"))  # fmt: skip
    tree.holds({"slice": "error:pixel_truncated"}, status=1)


@pytest.mark.parametrize("length", [0xFFFFFFFE, 100_000])
def test_row_34_an_element_longer_than_the_file_is_refused(tree, length):
    path = slice_file(tree.bad / "slice")
    inserted_before_pixels(path, b"\x09\x00\x10\x10OB\0\0" + length.to_bytes(4, "little"))
    tree.holds({"slice": "error:header_incomplete"}, status=1)


def test_row_34_a_sequence_longer_than_the_file_is_refused(tree):
    path = slice_file(tree.bad / "slice")
    inserted_before_pixels(path, b"\x08\x00\x40\x11SQ\0\0" + (10**6).to_bytes(4, "little"))
    tree.holds({"slice": "error:header_incomplete"}, status=1)


def test_row_34_a_fragment_longer_than_the_file_is_refused(tree):
    path = compressed(tree)
    whole = path.read_bytes()
    start = whole.rindex(b"\xfe\xff\x00\xe0")
    path.write_bytes(whole[: start + 4] + b"\xfe\xff\xff\x7f" + whole[start + 8 :])
    tree.holds({"slice": "error:pixel_truncated"}, status=1)


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian])
def test_row_35_other_byte_orders_and_forms_give_the_same_words(tree, syntax):
    dataset = make_ct_dataset(
        transfer_syntax=syntax, series_uid="1.2.3", is_signed=True, intercept="0", stored=water_ramp() - 1300
    )
    save(dataset, tree.bad / "slice")
    tree.holds(USED, status=0)
    np.testing.assert_array_equal(stored_values(tree.written()[0]), water_ramp() - 1300)


# ── 36–38: bombs ──


def test_row_36_a_deflated_file_is_read(tree):
    deflated_file(tree.bad / "slice", n_bytes_more=2**20)
    tree.holds(USED, status=0)
    np.testing.assert_array_equal(read_slice(tree.bad / "slice").hu, water_ramp() - 1024)


def test_row_36_a_deflated_file_cut_short_is_refused(tree):
    path = deflated_file(tree.bad / "slice", stored=np.random.default_rng(1).integers(0, 4096, (24, 32)))
    cut(path, -600)
    tree.holds({"slice": "error:pixel_truncated"}, status=1)


def test_row_36_a_deflate_bomb_is_skipped(tree):
    path = deflated_file(tree.bad / "bomb", n_bytes_more=256 * 2**20)
    assert path.stat().st_size < 2**20
    tree.holds({"bomb": "skipped:deflated_too_large"}, status=0)
    assert inspected_in_little_memory(tree.bad) == {"bomb": "deflated_too_large"}


def test_row_37_a_header_of_too_many_pixels_is_refused(tree):
    slice_file(tree.bad / "native", Rows=60000, Columns=60000)
    dataset = encoded_dataset(RLELossless, water_ramp(), bits_stored=12, is_signed=False, series_uid="1.2.4")
    dataset.Rows = dataset.Columns = 60000
    save(dataset, tree.bad / "rle")
    expected = dict.fromkeys(("native", "rle"), "error:too_large")
    tree.holds(expected, status=1)
    assert inspected_in_little_memory(tree.bad) == dict.fromkeys(("native", "rle"), "too_large")


def test_row_37_pixels_of_too_many_bytes_are_never_read(tree):
    path = slice_file(tree.bad / "slice")
    n_bytes = 3 * 2**30
    head = b"\xe0\x7f\x10\x00OW\0\0"
    patched(path, head + (1536).to_bytes(4, "little"), head + n_bytes.to_bytes(4, "little"))
    os.truncate(path, path.stat().st_size + n_bytes)  # a hole: it takes no place on the disk
    assert inspected_in_little_memory(tree.bad) == {"slice": "too_large"}


def test_row_37_a_codestream_of_too_many_pixels_is_refused_before_it_is_decoded(tree):
    path = compressed(tree, JPEGLSLossless)
    size = (64).to_bytes(2, "big")
    patched(path, b"\xff\xf7\x00\x0b\x10" + size * 2, b"\xff\xf7\x00\x0b\x10" + (20000).to_bytes(2, "big") * 2)
    tree.holds(USED, status=1, once_decoded={"slice": "error:too_large"})


@pytest.mark.parametrize("undefined_length", [False, True])
@pytest.mark.parametrize("n_levels", [33, 200, 2000])
def test_row_38_sequences_nested_too_deep_are_refused(tree, n_levels, undefined_length):
    content = nested_sequences(n_levels, undefined_length=undefined_length)
    inserted_before_pixels(slice_file(tree.bad / "bomb"), content)
    tree.holds({"bomb": "error:nested_too_deep"}, status=1)


@pytest.mark.parametrize("undefined_length", [False, True])
def test_row_38_a_bomb_of_sequences_costs_neither_memory_nor_time(tree, undefined_length):
    content = nested_sequences(20_000, undefined_length=undefined_length)
    inserted_before_pixels(slice_file(tree.bad / "deep"), content)
    inserted_before_pixels(slice_file(tree.bad / "wide", series_uid="1.2.5"), wide_sequence(2_000_000))
    assert inspected_in_little_memory(tree.bad) == {"deep": "nested_too_deep", "wide": "header_too_large"}


@pytest.mark.parametrize("undefined_length", [False, True])
def test_row_38_sequences_as_deep_as_allowed_are_read(tree, undefined_length):
    inserted_before_pixels(slice_file(tree.bad / "slice"), nested_sequences(32, undefined_length=undefined_length))
    tree.holds(USED, status=0)


@pytest.mark.parametrize("n_levels", [33, 2000])
def test_row_38_no_transfer_syntax_hides_the_depth(tree, n_levels):
    content = nested_sequences(n_levels, undefined_length=True)
    implicit = content.replace(b"\x08\x00\x40\x11SQ\0\0", b"\x08\x00\x40\x11")
    for name, syntax, nested in (("implicit", ImplicitVRLittleEndian, implicit), ("as_un", None, content)):
        more = {"transfer_syntax": syntax} if syntax else {}
        path = slice_file(tree.bad / name, **more)
        whole = path.read_bytes()
        place = whole.rindex(b"\xe0\x7f\x10\x00")
        path.write_bytes(whole[:place] + nested.replace(b"SQ\0\0", b"UN\0\0") + whole[place:])
    tree.holds(dict.fromkeys(("implicit", "as_un"), "error:nested_too_deep"), status=1)

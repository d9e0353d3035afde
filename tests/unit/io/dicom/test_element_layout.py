"""The walk ends where pydicom's reading ends, and stops before what would hurt it."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.reading import element_layout
from n2b_ct.io.dicom.reading.element_layout import header_layout, meta_layout
from tests.bad_input import nested_sequences, wide_sequence
from tests.helpers import make_ct_dataset

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def random_item(rng: np.random.Generator, n_levels: int) -> Dataset:
    """A data set of a few elements of many VRs, with sequences of both kinds of length in it."""
    item = Dataset()
    item.PatientComments = "x" * int(rng.integers(40))
    item.Rows = int(rng.integers(1000))
    item.add_new(0x00091001, "OB", rng.bytes(2 * rng.integers(30)))
    item.add_new(0x00091002, "UN", rng.bytes(2 * rng.integers(30)))
    item.add_new(0x00189087, "FD", float(rng.random()))
    if rng.random() < 0.3:
        item.add_new(0x7FE00010, "OW", rng.bytes(64))
    for tag in (0x00081140, 0x00091010, 0x0040A730)[: rng.integers(4)]:
        if n_levels:
            item.add_new(tag, "SQ", Sequence(random_item(rng, n_levels - 1) for _ in range(rng.integers(4))))
            item[tag].is_undefined_length = bool(rng.random() < 0.5)
            for one in item[tag].value:
                one.is_undefined_length_sequence_item = bool(rng.random() < 0.5)
    return item


def encoded(dataset: Dataset, syntax: str) -> bytes:
    """The data set alone, without file meta information."""
    stream = BytesIO()
    is_implicit, is_little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(stream, dataset, implicit_vr=is_implicit, little_endian=is_little, enforce_file_format=False)
    return stream.getvalue()


def head_of_pixels(syntax: str) -> bytes:
    little, big = b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10"
    return {ImplicitVRLittleEndian: little, ExplicitVRLittleEndian: little + b"OW"}.get(syntax, big + b"OW")


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("seed", range(8))
def test_the_walk_ends_at_the_pixels_of_any_header(syntax, seed):
    rng = np.random.default_rng(seed)
    dataset = random_item(rng, 3)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.add_new(0x7FE00010, "OW", bytes(64))
    content = encoded(dataset, syntax)
    layout = header_layout("x", BytesIO(content), 0, syntax)
    assert layout.end == content.rindex(head_of_pixels(syntax))
    assert (layout.is_implicit, layout.is_little_endian) == (
        syntax == ImplicitVRLittleEndian,
        syntax != ExplicitVRBigEndian,
    )
    assert not layout.is_cut


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_elements_may_lie_across_the_end_of_what_was_read_ahead(syntax, monkeypatch):
    monkeypatch.setattr(element_layout, "_N_BUFFER_BYTES", 256)
    rng = np.random.default_rng(5)
    for n_ahead in range(64):
        dataset = random_item(rng, 2)
        dataset.add_new(0x00081030, "LO", "x" * n_ahead)
        for element in range(40):
            dataset.add_new(0x00191001 + element, "LO", "x" * int(rng.integers(6)))
            dataset.add_new(0x00211001 + element, "UN", rng.bytes(2 * rng.integers(6)))
        dataset.add_new(0x7FE00010, "OW", bytes(64))
        content = encoded(dataset, syntax)
        layout = header_layout("x", BytesIO(content), 0, syntax)
        assert (layout.end, layout.is_cut) == (content.rindex(head_of_pixels(syntax)), False)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_header_that_ends_anywhere_but_between_elements_is_cut(syntax):
    dataset = random_item(np.random.default_rng(3), 2)
    dataset.pop(0x7FE00010, None)
    content = encoded(dataset, syntax)
    whole = header_layout("x", BytesIO(content), 0, syntax)
    assert (whole.end, whole.is_cut) == (len(content), False)
    is_cut = [header_layout("x", BytesIO(content[:n]), 0, syntax).is_cut for n in range(8, len(content))]
    n_top_elements = len(dataset)
    assert is_cut.count(False) == n_top_elements - 1


def test_the_file_meta_information_tells_its_transfer_syntax_and_end():
    stream = BytesIO()
    make_ct_dataset(transfer_syntax=ImplicitVRLittleEndian).save_as(stream, enforce_file_format=True)
    layout = meta_layout("x", stream, 132)
    assert layout.transfer_syntax == ImplicitVRLittleEndian
    assert stream.getvalue()[layout.end : layout.end + 4] == b"\x08\x00\x05\x00"
    assert not layout.is_cut


def test_without_a_transfer_syntax_the_first_element_tells_the_byte_order():
    dataset = make_ct_dataset()
    del dataset.file_meta
    for syntax in SYNTAXES:
        layout = header_layout("x", BytesIO(encoded(dataset, syntax)), 0, "")
        assert (layout.is_implicit, layout.is_little_endian) == (
            syntax == ImplicitVRLittleEndian,
            syntax != ExplicitVRBigEndian,
        )


@pytest.mark.parametrize("undefined_length", [False, True])
def test_32_sequences_inside_each_other_are_allowed_and_33_are_not(undefined_length):
    content = nested_sequences(32, undefined_length=undefined_length)
    assert header_layout("x", BytesIO(content), 0, ExplicitVRLittleEndian).end == len(content)
    content = nested_sequences(33, undefined_length=undefined_length)
    with pytest.raises(SeriesError, match="x: must nest at most 32 sequences, got more") as caught:
        header_layout("x", BytesIO(content), 0, ExplicitVRLittleEndian)
    assert caught.value.reason == "nested_too_deep"


def test_what_stands_in_an_items_place_is_an_item():
    content = nested_sequences(40, undefined_length=False).replace(b"\xfe\xff\x00\xe0", b"\x09\x00\x01\x10")
    with pytest.raises(SeriesError, match="must nest at most 32 sequences"):
        header_layout("x", BytesIO(content), 0, ExplicitVRLittleEndian)


def test_a_header_of_too_many_elements_or_bytes_is_refused(monkeypatch):
    monkeypatch.setattr(element_layout, "N_ELEMENTS_MAX", 100)
    with pytest.raises(SeriesError, match="header of a CT slice's size, got 101 elements") as caught:
        header_layout("x", BytesIO(wide_sequence(200)), 0, ExplicitVRLittleEndian)
    assert caught.value.reason == "header_too_large"
    monkeypatch.setattr(element_layout, "N_HEADER_BYTES_MAX", 1000)
    with pytest.raises(SeriesError, match="got 1 elements in 2012 bytes"):
        header_layout("x", BytesIO(b"\x09\x00\x10\x10OB\0\0\xd0\x07\0\0" + bytes(2000)), 0, ExplicitVRLittleEndian)


def test_an_icon_in_fragments_is_passed():
    fragments = (
        b"\xfe\xff\x00\xe0" + bytes(4) + b"\xfe\xff\x00\xe0\x04\0\0\0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
    )
    icon = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + fragments
    item = b"\xfe\xff\x00\xe0" + len(icon).to_bytes(4, "little") + icon
    content = b"\x88\x00\x00\x02SQ\0\0" + len(item).to_bytes(4, "little") + item
    layout = header_layout("x", BytesIO(content), 0, ExplicitVRLittleEndian)
    assert (layout.end, layout.is_cut) == (len(content), False)


@pytest.mark.real_data
def test_the_walk_ends_at_the_pixels_of_real_files(shared_data):
    n_walked = 0
    for path in sorted((shared_data / "formats").glob("CTImage*")):
        content = path.read_bytes()
        meta = meta_layout(path.name, BytesIO(content), 132)
        if meta.transfer_syntax.endswith(".1.99"):
            continue
        layout = header_layout(path.name, BytesIO(content), meta.end, meta.transfer_syntax)
        tag = content[layout.end : layout.end + 4]
        assert tag in (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10"), path.name
        n_walked += 1
    assert n_walked >= 10

"""Bad files as they occur, made from a synthetic slice; and one law that holds for all of them.

``ROWS`` names what is tested: one row for every kind of input that is known to come in real folders. Every row has
a test ``test_row_NN_…`` in ``tests/integration``; a contract test holds the two together.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from n2b_ct.cli import run
from n2b_ct.io.dicom.elements import quiet_pydicom
from n2b_ct.io.dicom.scan import scan
from tests.helpers import make_ct_dataset, save, save_series

ROWS: dict[int, str] = {
    1: "several series in one folder",
    2: "a localizer among the slices",
    3: "reports, captures, segmentations, a directory",
    4: "names without an ending, or with an odd one",
    5: "no preamble",
    6: "empty files and texts",
    7: "the same image twice",
    8: "several images at one place",
    9: "missing slices",
    10: "varying spacing",
    11: "gantry tilt",
    12: "InstanceNumber against the order of places",
    13: "two sizes in a series",
    14: "another rescale in every slice",
    15: "rescale zero, missing, fractional",
    16: "RescaleType that is not HU",
    17: "numbers that are none",
    18: "unsigned words below zero HU",
    19: "padding",
    20: "padding written with the wrong sign",
    21: "HighBit, BitsStored and bits beyond",
    22: "denoised values that do not fit",
    23: "MONOCHROME1",
    24: "colour",
    25: "words of 8 and of 32 bits",
    26: "oblong pixels, and no pixel size",
    27: "lossless compression",
    28: "compression without a decoder",
    29: "lossy compression",
    30: "a codestream of another sign",
    31: "native pixels cut short",
    32: "compressed pixels cut short",
    33: "a file that ends in its header",
    34: "lengths beyond the file",
    35: "big endian",
    36: "deflated files, and a bomb among them",
    37: "too many pixels, by header and by codestream",
    38: "sequences within sequences",
    39: "multi-frame CT",
    40: "links and loops",
    41: "pipes, sockets and devices",
    42: "files that cannot be read",
    43: "a full disk",
    44: "an output that overlaps or exists",
    45: "names in other alphabets",
    46: "character sets that do not fit or do not exist",
    47: "UIDs that break their form",
    48: "UIDs that are missing",
    49: "no TransferSyntaxUID",
    50: "values that break their VR",
    51: "elements of the wrong VR",
    52: "images that are derived already",
    53: "archives",
}

RECORD_KEYS = {"path", "action", "reason", "detail", "series"}
_EXPLICIT = ExplicitVRLittleEndian.encode()
_FIRST_ELEMENT = b"\x08\x00\x05\x00CS"
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_ITEM, _ITEM_END, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
_SEQUENCE = b"\x08\x00\x40\x11SQ\x00\x00"
_UNDEFINED = b"\xff\xff\xff\xff"


# ── Files ──


def slice_file(path: Path, **options: Any) -> Path:
    """Write one slice of a series of its own."""
    return save(make_ct_dataset(**{"series_uid": "1.2.3.4", "study_uid": "1.2.3", **options}), path)


def patched(path: Path, old: bytes, new: bytes) -> Path:
    """Replace bytes that occur once."""
    content = path.read_bytes()
    assert content.count(old) == 1, (old, content.count(old))
    path.write_bytes(content.replace(old, new))
    return path


def cut(path: Path, n_bytes: int) -> Path:
    """Keep the first bytes of a file; a negative number takes so many off its end."""
    path.write_bytes(path.read_bytes()[:n_bytes])
    return path


def inserted_before_pixels(path: Path, content: bytes) -> Path:
    """Put bytes between header and pixels."""
    whole = path.read_bytes()
    place = whole.rindex(_PIXEL_DATA)
    path.write_bytes(whole[:place] + content + whole[place:])
    return path


def nested_sequences(n_levels: int, *, undefined_length: bool) -> bytes:
    """Sequences inside each other, explicit VR little endian."""
    content = b""
    for _ in range(n_levels):
        if undefined_length:
            content = _SEQUENCE + _UNDEFINED + _ITEM + _UNDEFINED + content + _ITEM_END + _SEQUENCE_END
        else:
            item = _ITEM + len(content).to_bytes(4, "little") + content
            content = _SEQUENCE + len(item).to_bytes(4, "little") + item
    return content


def wide_sequence(n_items: int) -> bytes:
    """A sequence of empty items, explicit VR little endian."""
    content = (_ITEM + bytes(4)) * n_items
    return _SEQUENCE + len(content).to_bytes(4, "little") + content


def deflated_file(path: Path, n_bytes_more: int = 0, **options: Any) -> Path:
    """Write a deflated slice, with a private element of so many zeros behind its header."""
    dataset = make_ct_dataset(**{"series_uid": "1.2.3.4", "study_uid": "1.2.3", **options})
    plain = save(dataset, path)
    content = plain.read_bytes()
    start = content.index(_FIRST_ELEMENT)
    place = content.rindex(_PIXEL_DATA)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    pieces = [deflater.compress(content[start:place])]
    if n_bytes_more:
        pieces.append(deflater.compress(b"\x09\x00\x10\x10OB\x00\x00" + n_bytes_more.to_bytes(4, "little")))
        pieces += [deflater.compress(bytes(2**20)) for _ in range(n_bytes_more // 2**20)]
    pieces += [deflater.compress(content[place:]), deflater.flush()]
    n_meta_bytes = int.from_bytes(content[140:144], "little") + 2
    meta = content[:140] + n_meta_bytes.to_bytes(4, "little") + content[144:start]
    meta = meta.replace(b"UI\x14\x00" + _EXPLICIT + b"\0", b"UI\x16\x00" + _EXPLICIT + b".99")
    path.write_bytes(meta + b"".join(pieces))
    return path


# ── The law ──


@dataclass(frozen=True)
class Tree:
    """A folder of input with one good series in ``good``; ``bad`` is for what a test adds.

    Attributes:
        root: Holds ``in``, the model and, later, ``out`` and ``out.json``.
        model: A model file.
    """

    root: Path
    model: Path

    @classmethod
    def make(cls, root: Path, model: Path) -> Tree:
        """Write the good series."""
        save_series(root / "in" / "good", [0.0, 2.0], series_uid="1.2.9.1", study_uid="1.2.9")
        (root / "in" / "bad").mkdir()
        return cls(root, model)

    @property
    def source(self) -> Path:
        """The input."""
        return self.root / "in"

    @property
    def bad(self) -> Path:
        """Where a test puts its files."""
        return self.source / "bad"

    @property
    def output(self) -> Path:
        """The output."""
        return self.root / "out"

    def holds(
        self,
        expected: Mapping[str, str],
        *,
        status: int,
        options: tuple[str, ...] = (),
        once_decoded: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Hold the law: these records for the files in ``bad``, this exit status, input untouched, outputs whole.

        Args:
            expected: ``used``, ``skipped:reason`` or ``error:reason`` by the file's name.
            status: Of ``n2b-ct denoise``.
            options: More of its options, such as ``--assume-hu``.
            once_decoded: The records after denoising, where pixels tell more than headers.

        Returns:
            The JSON's status of every series in ``bad``.
        """
        assert verdicts(self.source, options) == expected
        before = digests(self.source)
        found = self.denoise(*options)
        assert found == status
        assert digests(self.source) == before
        told = json.loads((self.root / "out.json").read_text(encoding="utf-8"))
        assert all(set(record) >= RECORD_KEYS for record in told["files"])
        records = [record for record in told["files"] if Path(record["path"]).is_relative_to(self.bad)]
        assert len({record["path"] for record in records}) == len(records)
        assert {name_of(r["path"], self.source): verdict_of(r) for r in records} == (once_decoded or expected)
        assert_only_whole_series(self.output, told["series"])
        return [one for one in told["series"] if Path(one["source"]).name != "good"]

    def denoise(self, *options: str) -> int:
        """Run the command and return its exit status."""
        places = [str(self.source), str(self.output), "--model", str(self.model)]
        return run(["denoise", *places, "--json", str(self.root / "out.json"), *options])

    def written(self) -> list[Dataset]:
        """The derived slices of what lies in ``bad``, in the order of their places."""
        with quiet_pydicom():
            found = [pydicom.dcmread(path) for path in sorted((self.output / "bad").rglob("*")) if path.is_file()]
        return sorted(found, key=lambda dataset: float(dataset.ImagePositionPatient[2]))


def verdicts(source: Path, options: tuple[str, ...] = ()) -> dict[str, str]:
    """What a scan says of everything in ``bad``; the two good slices must be used."""
    rules = {"repair_uids": "--repair-uids" in options, "assume_hu": "--assume-hu" in options}
    records = scan(source, **rules).records
    assert len({record.path for record in records}) == len(records)
    good = [record for record in records if record.path.parent.name == "good"]
    assert [record.action for record in good] == ["used", "used"]
    others = [record for record in records if record not in good]
    assert all(record.detail and "\n" not in record.detail for record in others if record.action != "used")
    return {
        name_of(record.path, source): verdict_of({"action": record.action, "reason": record.reason})
        for record in others
    }


def verdict_of(record: Mapping[str, Any]) -> str:
    """Action and reason in one word."""
    return f"{record['action']}:{record['reason']}" if record["reason"] else str(record["action"])


def name_of(path: str | Path, source: Path) -> str:
    """A path below ``bad``."""
    return str(Path(path).relative_to(source / "bad"))


def digests(folder: Path) -> dict[str, str]:
    """Every regular file's content, for telling whether something touched it."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def assert_only_whole_series(output: Path, told: list[dict[str, Any]]) -> None:
    """Hold that the output holds the series that are done, each whole and readable, and nothing else."""
    done = {Path(one["output"]): one["n_slices"] for one in told if one["status"] == "done"}
    files = [path for path in output.rglob("*") if path.is_file()] if output.exists() else []
    own = {folder: [path for path in files if path.is_relative_to(folder)] for folder in done}
    assert sorted(path for paths in own.values() for path in paths) == sorted(files)
    for folder, n_slices in done.items():
        assert len(own[folder]) == n_slices
        assert [record.action for record in scan(folder).records] == ["used"] * n_slices

"""Data elements, read and written strictly: a number or an error, never a guess.

pydicom hands over ``'one'`` or ``'-1024,0'`` as a plain string without a word; here that is ``bad_value``. It validates
assigned values with warnings only; an element set here by :func:`put` breaks the rules of its VR with an exception.

UIDs that follow from their inputs are ``2.25.`` and a 128-bit integer (PS3.5 B.2), the first half of SHA-256.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from n2b_ct.errors import SeriesError, explain
from n2b_ct.version import __version__

INSTANCE_CREATOR_UID = "2.25.10063981242935414837056655532256019933"
SIMULATION_CREATOR_UID = "2.25.221822179985796949389929163432076023759"
IMPLEMENTATION_CLASS_UID = "2.25.116589803404176308915602277147556061739"
IMPLEMENTATION_VERSION_NAME = f"N2B_CT_{__version__}"[:16]  # SH, at most 16 characters (PS3.10 7.1)

_LOGGER = logging.getLogger("pydicom")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))*")
_N_UID_CHARACTERS = 64
_HARMLESS = re.compile(r"[0-2](\.\d+){3,}|(?!.*\d{8})[0-9eE+\-.,\\ ]{1,64}")  # UIDs, and numbers that are no dates
_CODES = frozenset(
    (
        *("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "PALETTE COLOR"),
        *("US", "OD", "HU_MOD", "MGML", "Z_EFF", "ED", "EDW", "PCT"),
    )
)


class _Quiet:
    """Silence while anybody needs it: filters and loggers belong to the process, and stages run in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._was_disabled = False
        self._warnings = warnings.catch_warnings()

    def begin(self) -> None:
        """Silence warnings and pydicom's log; the first one does."""
        with self._lock:
            self._n_inside += 1
            if self._n_inside == 1:
                self._was_disabled, _LOGGER.disabled = _LOGGER.disabled, True
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter("ignore")

    def end(self) -> None:
        """Restore what was before; the last one does."""
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._warnings.__exit__(None, None, None)
                _LOGGER.disabled = self._was_disabled


_quiet = _Quiet()


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence pydicom's remarks on a source's odd values: they are copied, not judged.

    Its log falls silent too, because such a remark quotes the value, and that may be a name.
    """
    _quiet.begin()
    try:
        yield
    finally:
        _quiet.end()


def text(dataset: Dataset, keyword: str) -> str:
    r"""Read an attribute as text without blanks; empty if absent, values joined by ``\``.

    Raises:
        SeriesError: ``bad_value``, pydicom makes nothing of its bytes.
    """
    tag = _tag(keyword)
    try:
        value = dataset[tag].value if tag in dataset else None
    except Exception as error:  # values are parsed late, and damaged ones make pydicom raise anything
        raise _bad_value(keyword, "readable", type(error).__name__) from error
    if value is None:
        return ""
    if isinstance(value, (Sequence, bytes)):
        raise _bad_value(keyword, "text or a number", type(value).__name__)
    values = value if isinstance(value, MultiValue) else [value]
    return "\\".join(str(one).strip().rstrip("\0") for one in values)


@cache
def _tag(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    if tag is None:
        msg = f"{keyword} is not in the dictionary"
        raise KeyError(msg)
    return Tag(tag)


def lenient_text(dataset: Dataset, keyword: str) -> str:
    """Read an attribute that only informs: empty where it is absent or damaged."""
    try:
        return text(dataset, keyword)
    except SeriesError:
        return ""


def number(dataset: Dataset, keyword: str) -> float | None:
    """Read one finite number, or None where the attribute is absent or empty.

    Raises:
        SeriesError: ``bad_value``, it is something else.
    """
    found = numbers(dataset, keyword, 1)
    return None if found is None else found[0]


def numbers(dataset: Dataset, keyword: str, n_values: int) -> tuple[float, ...] | None:
    """Read exactly ``n_values`` finite numbers, or None where the attribute is absent or empty.

    Raises:
        SeriesError: ``bad_value``, it holds anything else.
    """
    content = text(dataset, keyword)
    if not content:
        return None
    parts = content.split("\\")
    if len(parts) != n_values or not all(map(_NUMBER.fullmatch, parts)):
        raise _bad_value(keyword, f"{n_values} decimal number(s)", shown(content))
    found = tuple(float(part) for part in parts)
    if not all(map(math.isfinite, found)):  # 1e400 has the form of a number, but no float holds it
        raise _bad_value(keyword, f"{n_values} finite number(s)", shown(content))
    return found


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Read a whole number, or None where the attribute is absent or empty.

    Raises:
        SeriesError: ``bad_value``, it is something else.
    """
    found = number(dataset, keyword)
    if found is None:
        return None
    if not found.is_integer():
        raise _bad_value(keyword, "a whole number", shown(text(dataset, keyword)))
    return int(found)


def lenient_integer(dataset: Dataset, keyword: str) -> int | None:
    """Read a whole number that only informs: None where it is absent or no number."""
    try:
        return integer(dataset, keyword)
    except SeriesError:
        return None


def lenient_number(dataset: Dataset, keyword: str) -> float | None:
    """Read a number that only informs: None where it is absent or no number."""
    try:
        return number(dataset, keyword)
    except SeriesError:
        return None


def is_valid_uid(uid: str) -> bool:
    """Say whether a UID has the form of PS3.5 9.1."""
    return len(uid) <= _N_UID_CHARACTERS and _UID.fullmatch(uid) is not None


def has_known_root(uid: str) -> bool:
    """Say whether a UID begins as ISO/IEC 9834-1 lets it: with 0, 1 or 2."""
    return uid.partition(".")[0] in {"0", "1", "2"}


def shown(content: str) -> str:
    """Quote a header's text in a message: numbers, UIDs and known codes only.

    A damaged length can put a patient's name into any element, so other text is never repeated.
    """
    if not content:
        return "nothing"
    if _HARMLESS.fullmatch(content) or content in _CODES:
        return content
    return f"{len(content)} characters that are neither a number nor a known code"


def _bad_value(keyword: str, requirement: str, got: str) -> SeriesError:
    return SeriesError("bad_value", explain(keyword, f"must be {requirement}", got, "correct the header"))


def put(dataset: Dataset, keyword: str, value: Any, vr: str | None = None) -> None:
    """Set an element of ours.

    Args:
        dataset: Gets the element.
        keyword: Its keyword in PS3.6.
        value: Its value; an invalid one raises ValueError.
        vr: Its VR, where the dictionary leaves a choice.
    """
    tag = _tag(keyword)
    dataset[tag] = DataElement(tag, vr or dictionary_VR(tag), value, validation_mode=config.RAISE)


def put_copied(dataset: Dataset, keyword: str, value: str | list[str]) -> None:
    """Set an element whose value is the source's: copied as it is, valid or not."""
    tag = _tag(keyword)
    dataset[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)


def raw_bytes(dataset: Dataset, keyword: str) -> bytes:
    """Text as the bytes that were read, without padding; empty if absent or decoded already."""
    element = cast("DataElement | RawDataElement | None", dataset.get_item(keyword) if keyword in dataset else None)
    return (element.value or b"").rstrip(b" \0") if isinstance(element, RawDataElement) else b""


def put_bytes(dataset: Dataset, keyword: str, content: bytes) -> None:
    """Set a text element whose bytes are already in the data set's character set."""
    tag = _tag(keyword)
    padded = content + b" " * (len(content) % 2)
    dataset[tag] = RawDataElement(tag, dictionary_VR(tag), len(padded), padded, 0, False, True)


def put_sequence(dataset: Dataset, keyword: str, items: Iterable[Dataset]) -> None:
    """Set a sequence."""
    tag = _tag(keyword)
    dataset[tag] = DataElement(tag, "SQ", Sequence(items))


# ── UIDs that follow from their inputs: the same work twice gives the same instance ──


def stable_uid(*parts: str | bytes) -> str:
    """Hash the parts into a UID of at most 44 characters.

    Every part is preceded by its length, so ``("ab", "c")`` and ``("a", "bc")`` differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return f"2.25.{int.from_bytes(digest.digest()[:16], 'big')}"


def content_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

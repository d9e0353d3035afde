"""What an output file was made of, for files that cannot carry a UID: a small hidden record beside each.

::

    <folder>/v.mhd, v.raw                the output
    <folder>/.n2b-ct/<digest>.json       its record, named by a digest of ``v.mhd``

A record names what the output was made of and the digest of each of its files. It is written before the files are
renamed into place and then holds two entries, the old output's and the new one's, so that whatever a kill leaves can
be told; afterwards the old entry goes. It holds digests and numbers only, no name and no path.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from n2b_ct.errors import DataError, OutputError, explain
from n2b_ct.io.atomic import hidden_place, new_partial, remove_partials, sync, write_atomically
from n2b_ct.io.atomic_folder import unwritable
from n2b_ct.io.dicom.uids import content_digest
from n2b_ct.io.hidden_names import RECORDS_DIR
from n2b_ct.io.json_files import read_json

MadeOf = dict[str, str | float | bool]
"""All that decides an output's bytes: digests, numbers and options."""

_FORMAT = 1
_ENDING = re.compile(r"[.\w]{1,16}")
_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True, slots=True)
class Entry:
    """One output as it was written.

    Attributes:
        made_of: What decided its bytes.
        files: SHA-256 of each file, by what its name has beyond the stem of the output's.
    """

    made_of: MadeOf
    files: dict[str, str]


def write_recorded(
    place: Path, made_of: MadeOf, write: Callable[[Path], _ResultT], *, overwrite: bool = False
) -> _ResultT:
    """Write an output and its record; both are there whole or not at all.

    Args:
        place: The output, with its header if it is more than one file; its folder must exist.
        made_of: What decides its bytes.
        write: Writes it under the path that it is given, and its other files beside that.
        overwrite: Replace what is there.

    Returns:
        What ``write`` returns.

    Raises:
        OutputError: Something is there and may not be replaced, or the place cannot be written.
    """
    staging_dir = new_partial(place)
    try:
        staging_dir.mkdir()
        result = write(staging_dir / place.name)
        _publish(staging_dir, place, made_of, overwrite=overwrite)
    except OSError as error:
        raise unwritable(place, error) from error
    except OutputError as error:
        if isinstance(error.__cause__, OSError):  # of the hidden folder, which nobody knows
            raise unwritable(place, error.__cause__) from error
        raise
    finally:
        shutil.rmtree(staging_dir, ignore_errors=True)
    return result


def read_entries(place: Path) -> list[Entry]:
    """Read an output's record; none where there is none, or none that is believable."""
    try:
        record = read_json(_record_path(place))
        return [_entry(one) for one in record["entries"]] if record["format"] == _FORMAT else []
    except (DataError, ValueError, KeyError, TypeError, AttributeError):
        return []


def keep_only(place: Path, entry: Entry) -> None:
    """Bring a record to its final state behind a killed run."""
    remove_partials(_record_path(place))
    if read_entries(place) != [entry]:
        _write_entries(place, [entry])


def combined_digest(paths: Sequence[Path]) -> str:
    """SHA-256 over the digests of some files, in hexadecimal; one that cannot be read counts as nothing."""
    return hashlib.sha256("\n".join(map(_digest, paths)).encode()).hexdigest()


def file_digests(place: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Digest the files of an output that are there; what is there and cannot be read digests to nothing."""
    there = [path for path in paths if path.exists() or path.is_symlink()]
    return {ending(place, path.name): _digest(path) for path in there}


def ending(place: Path, name: str) -> str:
    """What the name of one of an output's files has beyond the stem of the output's."""
    return name.removeprefix(place.stem)


def _publish(staging_dir: Path, place: Path, made_of: MadeOf, *, overwrite: bool) -> None:
    """Record what lies in the hidden folder, then rename it into place, the header last."""
    staged = sorted(staging_dir.iterdir(), key=lambda path: (path.name == place.name, path.name))
    for path in staged:
        final = place.with_name(path.name)
        if final.exists() and not overwrite:
            raise OutputError(explain(str(final), "must not exist yet", "a file", "skip it or pass overwrite"))
    old, new = read_entries(place), Entry(made_of, file_digests(place, staged))
    _write_entries(place, [*(one for one in old if one != new), new])
    for path in staged:
        path.replace(place.with_name(path.name))
    sync(place.parent)
    for one in old:
        _remove_stale(place, one, new)
    keep_only(place, new)


def _remove_stale(place: Path, old: Entry, new: Entry) -> None:
    """Remove the files of an old output that the new one has not, such as a ``.zraw`` where it has a ``.raw``."""
    for stale in old.files.keys() - new.files.keys():
        path = place.with_name(f"{place.stem}{stale}")
        if path.is_file() and content_digest(path) == old.files[stale]:
            path.unlink()


def _write_entries(place: Path, entries: Sequence[Entry]) -> None:
    path = _record_path(place)
    path.parent.mkdir(exist_ok=True)
    remove_partials(path)
    content = json.dumps({"format": _FORMAT, "entries": list(map(asdict, entries))}, indent=1, sort_keys=True) + "\n"
    write_atomically(path, lambda file: file.write(content.encode()))
    sync(path.parent)


def _record_path(place: Path) -> Path:
    return place.parent / RECORDS_DIR / f"{hidden_place(place, '').name}.json"


def _digest(path: Path) -> str:
    try:
        return content_digest(path)
    except OSError:
        return ""


def _entry(plain: Any) -> Entry:
    """Rebuild an entry; its endings become paths, so they are looked at.

    Raises:
        ValueError: It is none.
    """
    files = {str(name): str(digest) for name, digest in plain["files"].items()}
    if not all(_ENDING.fullmatch(name) for name in files):
        msg = "no endings of files"
        raise ValueError(msg)
    return Entry(dict(plain["made_of"]), files)

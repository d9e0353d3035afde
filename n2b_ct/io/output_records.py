"""Provenance of output files that cannot carry a UID: a small hidden record beside each.

::

    <folder>/v.mhd, v.raw                the output
    <folder>/.n2b-ct/<digest>.json       its record, named by a digest of ``v.mhd``

A record holds what the output was made of and the digest of each of its files. It is written before the files are
renamed into place and then has two entries, the old output's and the new one's, so that every state that a kill can
leave is recognized; afterwards the old entry is removed. It holds digests and numbers only, no name and no path.
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
from n2b_ct.io.atomic import (
    RECORDS_DIR,
    hidden_sibling,
    new_partial,
    remove_partials,
    sync,
    unwritable,
    write_atomically,
)
from n2b_ct.io.dicom.elements import content_digest
from n2b_ct.io.json_files import read_json

Provenance = dict[str, str | float | bool]
"""All that decides an output's bytes: digests, numbers and options."""

_FORMAT = 1
_SUFFIX = re.compile(r"[.\w]{1,16}")
_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One output as it was written.

    Attributes:
        made_of: Its provenance.
        files: SHA-256 of each file, by what its name has beyond the stem of the output's.
    """

    made_of: Provenance
    files: dict[str, str]


def write_with_record(
    path: Path, made_of: Provenance, write: Callable[[Path], _ResultT], *, overwrite: bool = False
) -> _ResultT:
    """Write an output and its record, both whole or not at all.

    Args:
        path: The output, with its header if it is more than one file; its folder must exist.
        made_of: Its provenance.
        write: Writes it under the path that it is given, and its other files beside that.
        overwrite: Replace an existing output.

    Returns:
        What ``write`` returns.

    Raises:
        OutputError: The output exists and may not be replaced, or cannot be written.
    """
    staging_dir = new_partial(path)
    try:
        staging_dir.mkdir()
        result = write(staging_dir / path.name)
        _publish(staging_dir, path, made_of, overwrite=overwrite)
    except OSError as error:
        raise unwritable(path, error) from error
    except OutputError as error:
        if isinstance(error.__cause__, OSError):  # it names the hidden folder, which means nothing to a person
            raise unwritable(path, error.__cause__) from error
        raise
    finally:
        shutil.rmtree(staging_dir, ignore_errors=True)
    return result


def read_records(path: Path) -> list[OutputRecord]:
    """Return an output's records; none where there is no file of them, or a damaged one."""
    try:
        content = read_json(_record_path(path))
        return [_record(one) for one in content["entries"]] if content["format"] == _FORMAT else []
    except (DataError, ValueError, KeyError, TypeError, AttributeError):
        return []


def write_final_record(path: Path, record: OutputRecord) -> None:
    """Make ``record`` the only one of an output, also after a killed run."""
    remove_partials(_record_path(path))
    if read_records(path) != [record]:
        _write_records(path, [record])


def combined_digest(paths: Sequence[Path]) -> str:
    """Return SHA-256 over the digests of some files, in hexadecimal; an unreadable file counts as an empty text."""
    return hashlib.sha256("\n".join(map(_digest, paths)).encode()).hexdigest()


def file_digests(output: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Return the digests of an output's files that exist, by suffix; an unreadable one's is empty."""
    existing = [path for path in paths if path.exists() or path.is_symlink()]
    return {file_suffix(output, path.name): _digest(path) for path in existing}


def file_suffix(output: Path, name: str) -> str:
    """Return what the name of one of an output's files has beyond the stem of the output's."""
    return name.removeprefix(output.stem)


def _publish(staging_dir: Path, output: Path, made_of: Provenance, *, overwrite: bool) -> None:
    """Record the files of the hidden folder, then rename them into place, the header last."""
    staged = sorted(staging_dir.iterdir(), key=lambda path: (path.name == output.name, path.name))
    for path in staged:
        final = output.with_name(path.name)
        if final.exists() and not overwrite:
            raise OutputError(explain(str(final), "must not exist yet", "a file", "skip it or pass overwrite"))
    old, new = read_records(output), OutputRecord(made_of, file_digests(output, staged))
    _write_records(output, [*(one for one in old if one != new), new])
    for path in staged:
        path.replace(output.with_name(path.name))
    sync(output.parent)
    for one in old:
        _remove_surplus(output, one, new)
    write_final_record(output, new)


def _remove_surplus(output: Path, old: OutputRecord, new: OutputRecord) -> None:
    """Remove the files of an old output that the new one lacks, such as a ``.zraw`` where it has a ``.raw``."""
    for suffix in old.files.keys() - new.files.keys():
        path = output.with_name(f"{output.stem}{suffix}")
        if path.is_file() and content_digest(path) == old.files[suffix]:
            path.unlink()


def _write_records(output: Path, records: Sequence[OutputRecord]) -> None:
    path = _record_path(output)
    path.parent.mkdir(exist_ok=True)
    remove_partials(path)
    content = json.dumps({"format": _FORMAT, "entries": list(map(asdict, records))}, indent=1, sort_keys=True) + "\n"
    write_atomically(path, lambda file: file.write(content.encode()))
    sync(path.parent)


def _record_path(output: Path) -> Path:
    return output.parent / RECORDS_DIR / f"{hidden_sibling(output, '').name}.json"


def _digest(path: Path) -> str:
    try:
        return content_digest(path)
    except OSError:
        return ""


def _record(plain: Any) -> OutputRecord:
    """Rebuild a record; its suffixes become paths, so they are checked.

    Raises:
        ValueError: A suffix is none.
    """
    files = {str(suffix): str(digest) for suffix, digest in plain["files"].items()}
    if not all(_SUFFIX.fullmatch(suffix) for suffix in files):
        msg = "the suffix of a file must be letters, digits and dots"
        raise ValueError(msg)
    return OutputRecord(dict(plain["made_of"]), files)

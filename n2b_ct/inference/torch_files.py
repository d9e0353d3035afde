"""Files of tensors and plain values: nothing in them can run, and a damaged one is a clear error.

``torch.save`` writes a zip whose members are stored as they are. A member that is compressed, or that claims to hold
more than the file does, was not written by it: it is refused before anything is unpacked.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from n2b_ct.errors import ModelError, explain

_MOST_MEMBERS = 100_000
_MOST_INDEX_BYTES = 16 * 1024**2
_INDEX = "data.pkl"


def read_tensors(path: Path, most_bytes: int | None = None) -> Any:
    """Read a file that ``torch.save`` wrote, tensors and plain values only, onto the CPU.

    Args:
        path: The file.
        most_bytes: What it may hold; None: whatever its own size is.

    Raises:
        ModelError: It is damaged, holds code or more than it may, or is something else.
    """
    try:
        n_bytes = path.stat().st_size
        if most_bytes is None or n_bytes <= most_bytes:
            _require_as_stored(path, n_bytes)
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file makes torch's reader fail in any way: struct.error, IndexError ...
        raise ModelError(
            explain(
                f"model {path.name}",
                "must be a model file written by n2b-ct",
                "something else",
                "pass the run folder of a training",
            )
        ) from error
    requirement = f"must hold at most {most_bytes / 1e9:.1f} GB"
    raise ModelError(explain(f"model {path.name}", requirement, f"{n_bytes / 1e9:.1f} GB", "pass another model"))


def count_values(content: object, most: int) -> int:
    """Count the values in nested dictionaries and lists, as often as they are met, and stop above ``most``.

    A list may hold one other list many times, and that another, so that a small file stands for more than any memory.
    """
    n, stack = 0, [content]
    while stack and n <= most:
        one = stack.pop()
        n += 1
        if isinstance(one, Mapping):
            stack += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            stack += one
        elif isinstance(one, str | bytes):
            n += len(one) // 100
    return n


def _require_as_stored(path: Path, n_bytes: int) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = {member.filename for member in members}
    is_as_stored = all(
        member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size for member in members
    )
    index_bytes = sum(member.file_size for member in members if member.filename.endswith(_INDEX))
    fits = len(names) == len(members) <= _MOST_MEMBERS and index_bytes <= _MOST_INDEX_BYTES
    if not (is_as_stored and fits and sum(member.file_size for member in members) <= n_bytes):
        msg = "not as torch.save stores it"
        raise ValueError(msg)

"""Read JSON files of earlier runs, of bounded size, which may be damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from n2b_ct.errors import DataError, explain

MOST_BYTES = 64_000_000


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: There is none, or it is damaged, too large or nested too deep.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(_message(path, "be readable", error.strerror or type(error).__name__)) from error
    if len(content) > MOST_BYTES:
        raise DataError(_message(path, f"have at most {MOST_BYTES / 1e6:.0f} MB", "more"))
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:  # ValueError: bytes that are no text, and numbers without end, too
        raise DataError(_message(path, "hold JSON", "something else")) from error
    if not isinstance(values, dict):
        raise DataError(_message(path, "hold a JSON object", type(values).__name__))
    return values


def _message(path: Path, requirement: str, got: str) -> str:
    return explain(str(path), f"must {requirement}", got, "take the file away, and make it again")

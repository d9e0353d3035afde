"""Names from users and files: one printable line, and, for folder names, one path component."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

MOST_CHARACTERS = 100
_SEPARATORS = ("/", "\\", ":")


def shown_name(name: str) -> str:
    """Validate a name that is printed, plotted and written into tables.

    Raises:
        ValueError: It is empty, too long, or holds what cannot be printed.
    """
    if not name.strip() or len(name) > MOST_CHARACTERS or not name.isprintable():
        msg = f"must be 1 to {MOST_CHARACTERS} printable characters"
        raise ValueError(msg)
    return name


def folder_name(name: str) -> str:
    """Validate a name that becomes a folder's name: one path component.

    Raises:
        ValueError: It leads elsewhere, is hidden, or cannot be printed.
    """
    if any(separator in name for separator in _SEPARATORS) or name.startswith(".") or name != name.strip():
        msg = "must be one plain part of a path: no slash, no colon, no dot or blank at its beginning"
        raise ValueError(msg)
    if len(shown_name(name).encode()) > 2 * MOST_CHARACTERS:
        msg = f"must be at most {2 * MOST_CHARACTERS} bytes of UTF-8"
        raise ValueError(msg)
    return name


ShownName = Annotated[str, AfterValidator(shown_name)]
FolderName = Annotated[str, AfterValidator(folder_name)]

"""Private creators by name, as far as they may be shown."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom._private_dict import private_dictionaries

UNKNOWN_CREATOR = "unknown"


def creator_names(creators: Iterable[str]) -> frozenset[str]:
    """Name the private creators that pydicom's dictionary knows, and call every other one ``unknown``.

    A creator should name a vendor, but it is text of the file like any other: only a known name is surely no patient's.
    """
    return frozenset(creator if creator in private_dictionaries else UNKNOWN_CREATOR for creator in creators)

"""Values that somebody vouches for where a CT file does not say them."""

from __future__ import annotations

from dataclasses import replace

from n2b_ct.io.dicom.reading.parse import Parsed
from n2b_ct.io.dicom.values import quiet_pydicom, text

ASSUMED_HU = "assumed_hu"
_STORED_WORDS_ARE_HU = {"RescaleSlope": "1", "RescaleIntercept": "0"}


def with_assumed_hu(parsed: Parsed) -> Parsed:
    """Take the values for HU: fill in a missing rescale, and replace another RescaleType (PS3.3 C.8.2.1).

    Values that are there stay, whatever they say; they are checked as always. What is filled in is written to
    derived images too, so that these say what was assumed.

    Returns:
        The same file, with a note if anything had to be assumed.
    """
    with quiet_pydicom():
        changes = {
            keyword: value for keyword, value in _STORED_WORDS_ARE_HU.items() if not text(parsed.dataset, keyword)
        }
        if text(parsed.dataset, "RescaleType") not in ("", "HU"):
            changes["RescaleType"] = "HU"
        for keyword, value in changes.items():
            setattr(parsed.dataset, keyword, value)
    return replace(parsed, notes=(*parsed.notes, ASSUMED_HU)) if changes else parsed

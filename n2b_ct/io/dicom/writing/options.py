"""How derived instances are to be written, where the Standard leaves a choice."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

ContentQualification = Literal["RESEARCH", "PRODUCT", "SERVICE"]
Equipment = Literal["scanner", "n2b"]
Compression = Literal["none", "rle", "jpeg-ls", "jpeg2000"]

_SAME_IMAGE = frozenset(["compression"])


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Choices for a whole run; the defaults keep what the scanner wrote.

    Attributes:
        keep_private: Copy private elements too. By default they go: many hold raw words or statistics of the old
            pixels, or identify the patient in a form that nobody here can read.
        equipment: Whom the General Equipment module names: the scanner, as receivers expect, or this software with
            the scanner as a contributor (PS3.3 C.7.5.1, C.12.1.1.5).
        widen_bits: Store 16 bits in every slice, so that values beyond the source's BitsStored need no clipping.
        fill_type_2: Add the elements that the CT Image IOD wants and the source lacks, empty (PS3.5 7.4.3).
        content_qualification: ContentQualification (PS3.3 C.12.1).
        series_number_offset: Added to SeriesNumber.
        compression: Lossless transfer syntax of the pixels.
    """

    keep_private: bool = False
    equipment: Equipment = "scanner"
    widen_bits: bool = False
    fill_type_2: bool = False
    content_qualification: ContentQualification = "RESEARCH"
    series_number_offset: int = 1000
    compression: Compression = "none"

    @property
    def identity(self) -> str:
        """The part that decides UIDs, as canonical JSON.

        Compression is left out. A lossless transfer syntax encodes the same attributes and the same words (PS3.5 8.2),
        and any node may change it on the way without a new UID; a UID of its own would make a receiver keep one image
        twice. Every other choice changes an attribute.
        """
        values = {name: value for name, value in asdict(self).items() if name not in _SAME_IMAGE}
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

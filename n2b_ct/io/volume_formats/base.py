"""What a volume format is asked for: a header, the stored words, and the like of a file with other words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from n2b_ct.io.volume_formats.header import VolumeHeader
from n2b_ct.io.volume_formats.stored_words import require_lengths, stream_words
from n2b_ct.registry import VOLUME_FORMATS, is_subclass


class VolumeFormat(Protocol):
    """One format; made without arguments, whenever a file has an ending that it is registered under.

    ``read_header`` and ``write`` are a format's own. The other methods suit files that stand alone and hold their words
    as :class:`~n2b_ct.io.volume_formats.header.VolumeHeader` can say.
    """

    def read_header(self, path: Path) -> VolumeHeader:
        """Read a header without believing it; voxels are not read.

        Raises:
            SeriesError: It cannot be used: a reason of :mod:`n2b_ct.io.dicom.reasons`.
        """
        ...

    def read(self, header: VolumeHeader) -> Iterator[np.ndarray]:
        """Yield all words in one or more pieces: flat, i fastest, in the header's type and byte order.

        Raises:
            SeriesError: They are damaged or not all there.
        """
        return stream_words(header)

    def write(self, header: VolumeHeader, words: np.ndarray, out: Path) -> None:
        """Write the like of a file with other words ``[i, j, k]``, atomically.

        Raises:
            OutputError: The file cannot be written.
        """
        ...

    def has_format(self, path: Path) -> bool:  # noqa: ARG002
        """Return whether a file of this ending is one of this format; False leaves it to other programs."""
        return True

    def require_data(self, header: VolumeHeader) -> None:
        """Refuse data that are not there whole, without reading them.

        Raises:
            SeriesError: Such as ``pixel_truncated``.
        """
        require_lengths(header)

    def output_suffixes(self, suffix: str) -> tuple[str, ...]:
        """Return the endings that the like of a file of this ending may have."""
        return (suffix,)

    def output_data_path(self, header: VolumeHeader, out: Path) -> Path | None:  # noqa: ARG002
        """Return the data file that is written beside ``out``, if there is one."""
        return None


VOLUME_FORMATS.expect("must be a class derived from VolumeFormat", lambda member: is_subclass(member, VolumeFormat))

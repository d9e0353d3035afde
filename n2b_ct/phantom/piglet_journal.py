"""Which slices of a digital piglet are finished, and how noisy each came out: what a killed run leaves to the next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2b_ct.errors import DataError
from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.dicom.uids import content_digest
from n2b_ct.io.json_files import read_json
from n2b_ct.phantom.piglet_truth import NoiseTally


@dataclass(frozen=True, slots=True)
class Journal:
    """One small file for each finished slice: its noise and the digests of its files.

    Attributes:
        folder: Where.
    """

    folder: Path

    def record(self, index: int, paths: Sequence[Path], tally: NoiseTally) -> None:
        """Note that a slice's files are written.

        Raises:
            OutputError: The journal cannot be written.
        """
        note = {
            "sha256": [content_digest(path) for path in paths],
            "count": tally.count,
            "sums": tally.sums.tolist(),
            "squares": tally.squares.tolist(),
        }
        write_atomically(self._place(index), lambda file: file.write(json.dumps(note).encode()))

    def recall(self, index: int, paths: Sequence[Path]) -> NoiseTally | None:
        """Give a finished slice's noise; ``None`` where a file is missing or changed, or the note damaged."""
        try:
            note = read_json(self._place(index))
            if note["sha256"] != [content_digest(path) for path in paths]:
                return None
            return NoiseTally(note["count"], np.array(note["sums"]), np.array(note["squares"]))
        except (DataError, FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _place(self, index: int) -> Path:
        return self.folder / f"{index}.json"

"""The scores of a row, image by image on disk: a killed command goes on with the next image.

A score is filed under what it depends on: the row (weights or settings) and the very pixels of truth and noisy image.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from n2b_ct.data.fingerprint import short_digest
from n2b_ct.errors import DataError, OutputError, explain
from n2b_ct.experiments.results import ImageScore
from n2b_ct.io.atomic import PARTIAL_PREFIX, write_atomically
from n2b_ct.io.json_files import read_json

SCORES_FILE = "scores.json"


class ScoreCache:
    """Scores and shown images of one row.

    Args:
        folder: Its place; made when something is kept.
        row: What the row is, as plain values: when they change, what was kept is dropped.
    """

    def __init__(self, folder: Path, row: Mapping[str, Any]) -> None:
        self._folder = folder
        self._row = short_digest(json.dumps(row, sort_keys=True).encode())
        self._scores = self._read()

    def score(self, pixels: str) -> ImageScore | None:
        """What was kept for an image, by the digest of its pixels."""
        return self._scores.get(pixels)

    def image(self, pixels: str) -> np.ndarray | None:
        """The denoised image that was kept to be shown; one that is damaged counts as none."""
        try:
            return np.asarray(np.load(self._natural_image_path(pixels), allow_pickle=False))
        except (OSError, ValueError, EOFError):
            return None

    def keep(self, pixels: str, score: ImageScore, denoised: np.ndarray | None = None) -> None:
        """Keep a score, and the denoised image where it will be shown.

        Raises:
            OutputError: The place cannot be written.
        """
        self._make_folder()
        if denoised is not None:
            write_atomically(self._natural_image_path(pixels), lambda file: np.save(file, denoised, allow_pickle=False))
        self._scores[pixels] = score
        scores = {key: asdict(one) for key, one in self._scores.items()}
        content = json.dumps({"row": self._row, "scores": scores}, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self._folder / SCORES_FILE, lambda file: file.write(content.encode()))

    def _read(self) -> dict[str, ImageScore]:
        """The row's own scores; those of another row of its name, or a file that is none of ours, count as none."""
        try:
            found = read_json(self._folder / SCORES_FILE)
            scores = found["scores"] if found["row"] == self._row else {}
            return {key: ImageScore(**one) for key, one in scores.items()}
        except (DataError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _make_folder(self) -> None:
        """Make the folder, and clear it of another row's images before the first score."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._scores:
                for old in (*self._folder.glob("*.npy"), *self._folder.glob(f"{PARTIAL_PREFIX}*")):
                    if not old.name.startswith(self._row):
                        old.unlink()
        except OSError as error:
            raise OutputError(
                explain(str(self._folder), "must be writable", error.strerror, "choose another place")
            ) from error

    def _natural_image_path(self, pixels: str) -> Path:
        return self._folder / f"{self._row}_{pixels}.npy"


def pixels_digest(truth: np.ndarray, noisy: np.ndarray, sigma: float | None = None) -> str:
    """A digest of a test image: its truth and its noise, and what denoisers are told of that."""
    head = f"{'x'.join(map(str, noisy.shape))} {sigma}".encode()
    return short_digest(head, np.ascontiguousarray(truth).tobytes(), np.ascontiguousarray(noisy).tobytes())

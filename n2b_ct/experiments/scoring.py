"""Scores of a row on a column, image by image, and their means with intervals.

Scores are kept on disk, so that a killed command goes on with the next image. A score is filed under what it depends
on: the row (weights or settings) and the very pixels of truth and noisy image.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from n2b_ct.data.fingerprint import short_digest
from n2b_ct.errors import DataError, OutputError, explain
from n2b_ct.evaluation.image_fidelity import measure_image
from n2b_ct.evaluation.intervals import MeanInterval, compare_paired, mean_interval
from n2b_ct.experiments.columns import Column, NoisyPair
from n2b_ct.experiments.results import ImageScore, Interval, Score
from n2b_ct.io.atomic import PARTIAL_PREFIX, write_atomically
from n2b_ct.io.json_files import read_json
from n2b_ct.io.progress import Progress

SCORES_FILE = "scores.json"
DEFINITIONS: dict[str, str] = {
    "interval": "95 % bootstrap interval of the mean over the images (BCa, expanded by Student's t, seeded).",
    "gain": (
        "mean difference of PSNR image by image, with the 95 % bootstrap interval of that difference; the same "
        "noise lies on the images of every row."
    ),
}


@dataclass(frozen=True, slots=True)
class RowDenoiser:
    """The denoiser of a row.

    Attributes:
        identity: Plain values that its scores depend on.
        denoise: From a noisy image, and σ of its noise where it is known, to the denoised one, all on [0, 1].
    """

    identity: Mapping[str, Any]
    denoise: Callable[[np.ndarray, float | None], np.ndarray]


class ScoreCache:
    """Scores and shown images of one row.

    Args:
        folder: Its folder; created with the first score.
        row: Plain values that identify the row: when they change, stored scores are dropped.
    """

    def __init__(self, folder: Path, row: Mapping[str, Any]) -> None:
        self._folder = folder
        self._row = short_digest(json.dumps(row, sort_keys=True).encode())
        self._scores = self._read()

    def score(self, pixels: str) -> ImageScore | None:
        """Return the stored score of an image, by the digest of its pixels."""
        return self._scores.get(pixels)

    def image(self, pixels: str) -> np.ndarray | None:
        """Return the stored denoised image; None where there is none or it is damaged."""
        try:
            return np.asarray(np.load(self._image_path(pixels), allow_pickle=False))
        except (OSError, ValueError, EOFError):
            return None

    def store(self, pixels: str, score: ImageScore, denoised: np.ndarray | None = None) -> None:
        """Store a score, and the denoised image where the gallery shows it.

        Raises:
            OutputError: The path cannot be written.
        """
        self._make_folder()
        if denoised is not None:
            write_atomically(self._image_path(pixels), lambda file: np.save(file, denoised, allow_pickle=False))
        self._scores[pixels] = score
        scores = {key: asdict(one) for key, one in self._scores.items()}
        content = json.dumps({"row": self._row, "scores": scores}, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self._folder / SCORES_FILE, lambda file: file.write(content.encode()))

    def _read(self) -> dict[str, ImageScore]:
        """Return the row's scores; none where the file is of another row of this name, or damaged."""
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

    def _image_path(self, pixels: str) -> Path:
        return self._folder / f"{self._row}_{pixels}.npy"


def pixels_digest(truth: np.ndarray, noisy: np.ndarray, sigma: float | None = None) -> str:
    """Return a digest of a test image: truth, noisy image and the noise level given to denoisers."""
    head = f"{'x'.join(map(str, noisy.shape))} {sigma}".encode()
    return short_digest(head, np.ascontiguousarray(truth).tobytes(), np.ascontiguousarray(noisy).tobytes())


def score_column(
    denoiser: RowDenoiser,
    column: Column,
    cache: ScoreCache,
    gallery_images: Collection[str] = (),
    progress: Progress | None = None,
) -> list[ImageScore]:
    """Denoise and score every image of a column that has no score yet.

    Args:
        denoiser: The row's.
        column: Its images.
        cache: The row's scores so far; every new one is stored at once.
        gallery_images: Names of images to be stored for the gallery.
        progress: Called with (images done, all images, image).

    Raises:
        DataError: An image cannot be read, or the denoised one is not finite.
    """
    scores = []
    for k, name in enumerate(column.image_names):
        if progress is not None:
            progress(k, len(column.truths), name)
        scores.append(_score(denoiser, column.read(k), column.sigma, cache, name in gallery_images))
    return scores


def cached_scores(column: Column, cache: ScoreCache) -> list[ImageScore] | None:
    """Return the scores of an earlier run, or None where one is missing."""
    scores = []
    for k in range(len(column.truths)):
        pair = column.read(k)
        score = cache.score(pixels_digest(pair.truth, pair.noisy, column.sigma))
        if score is None:
            return None
        scores.append(replace(score, image=pair.name))
    return scores


def gallery_image(column: Column, name: str, cache: ScoreCache) -> tuple[ImageScore, np.ndarray] | None:
    """Return a denoised image for the gallery with its score, if it was stored."""
    pair = column.read(column.image_names.index(name))
    pixels = pixels_digest(pair.truth, pair.noisy, column.sigma)
    score, image = cache.score(pixels), cache.image(pixels)
    return None if score is None or image is None else (score, image)


def summarised(test: str, scores: Sequence[ImageScore], compare_with: Sequence[ImageScore] | None = None) -> Score:
    """Return means, intervals and, where there is a row to compare with, the paired difference."""
    psnr_db = [one.psnr_db for one in scores]
    gain = compare_paired(psnr_db, [one.psnr_db for one in compare_with]) if compare_with is not None else None
    return Score(
        test=test,
        psnr_db=_interval(mean_interval(psnr_db)),
        ssim=_interval(mean_interval([one.ssim for one in scores])),
        psnr_gain_db=_interval(gain.difference) if gain is not None else None,
        p_value=gain.p_value if gain is not None else None,
        n_images=len(scores),
        n_identical=sum(value is None for value in psnr_db),
        seconds_per_image=round(float(np.mean([one.seconds for one in scores])), 4),
    )


def _score(
    denoiser: RowDenoiser, pair: NoisyPair, sigma: float | None, cache: ScoreCache, is_shown: bool
) -> ImageScore:
    pixels = pixels_digest(pair.truth, pair.noisy, sigma)
    known = cache.score(pixels)
    if known is not None and not (is_shown and cache.image(pixels) is None):
        return replace(known, image=pair.name)
    started = time.perf_counter()
    denoised = denoiser.denoise(pair.noisy, sigma)
    seconds = time.perf_counter() - started
    fidelity = measure_image(pair.truth, denoised)
    score = ImageScore(pair.name, fidelity.psnr_db, fidelity.ssim, seconds)
    cache.store(pixels, score, denoised.astype(np.float32) if is_shown else None)
    return score


def _interval(found: MeanInterval) -> Interval:
    return Interval(found.mean, found.low, found.high)

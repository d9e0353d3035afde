"""Scores of a row on a column, image by image, and their means with intervals."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from n2b_ct.evaluation.image_fidelity import measure_image
from n2b_ct.evaluation.intervals import MeanInterval, compare_paired, mean_interval
from n2b_ct.experiments.columns import Column, NoisyPair
from n2b_ct.experiments.denoisers import RowDenoiser
from n2b_ct.experiments.results import ImageScore, Interval, Score
from n2b_ct.experiments.score_cache import ScoreCache, pixels_digest
from n2b_ct.io.progress import Progress

DEFINITIONS: dict[str, str] = {
    "interval": "95 % bootstrap interval of the mean over the images (BCa, expanded by Student's t, seeded).",
    "gain": (
        "mean difference of PSNR image by image, with the 95 % bootstrap interval of that difference; the same "
        "noise lies on the images of every row."
    ),
}


def score_column(
    denoiser: RowDenoiser,
    column: Column,
    cache: ScoreCache,
    shown: Collection[str] = (),
    progress: Progress | None = None,
) -> list[ImageScore]:
    """Denoise and score every image of a column that has not been yet.

    Args:
        denoiser: The row's.
        column: Its images.
        cache: The row's scores so far; every new one is kept at once.
        shown: Names of images to be kept for the gallery.
        progress: Called with (images done, all images, image).

    Raises:
        DataError: An image cannot be read, or the denoised one is not finite.
    """
    scores = []
    for k, name in enumerate(column.natural_image_names):
        if progress is not None:
            progress(k, len(column.truths), name)
        scores.append(_score(denoiser, column.read(k), column.sigma, cache, name in shown))
    return scores


def kept_scores(column: Column, cache: ScoreCache) -> list[ImageScore] | None:
    """The scores of an earlier run, or None where one is missing."""
    scores = []
    for k in range(len(column.truths)):
        pair = column.read(k)
        score = cache.score(pixels_digest(pair.truth, pair.noisy, column.sigma))
        if score is None:
            return None
        scores.append(replace(score, image=pair.name))
    return scores


def shown_image(column: Column, name: str, cache: ScoreCache) -> tuple[ImageScore, np.ndarray] | None:
    """A denoised image for the gallery with its score, if it was kept."""
    pair = column.read(column.natural_image_names.index(name))
    pixels = pixels_digest(pair.truth, pair.noisy, column.sigma)
    score, image = cache.score(pixels), cache.image(pixels)
    return None if score is None or image is None else (score, image)


def summarised(test: str, scores: Sequence[ImageScore], compare_with: Sequence[ImageScore] | None = None) -> Score:
    """Means, intervals and, where there is a compare_with, the paired difference."""
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
    cache.keep(pixels, score, denoised.astype(np.float32) if is_shown else None)
    return score


def _interval(found: MeanInterval) -> Interval:
    return Interval(found.mean, found.low, found.high)

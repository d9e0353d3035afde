"""Scores of a row on a column, picture by picture, and their means with intervals."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from n2b_ct.evaluation.intervals import MeanInterval, compare_paired, mean_interval
from n2b_ct.evaluation.picture_fidelity import measure_picture
from n2b_ct.io.progress import Progress
from n2b_ct.validation.columns import Column, NoisyPair
from n2b_ct.validation.denoisers import RowDenoiser
from n2b_ct.validation.results import Interval, PictureScore, Score
from n2b_ct.validation.score_cache import ScoreCache, pixels_digest

DEFINITIONS: dict[str, str] = {
    "interval": "95 % bootstrap interval of the mean over the pictures (BCa, expanded by Student's t, seeded).",
    "gain": (
        "mean difference of PSNR picture by picture, with the 95 % bootstrap interval of that difference; the same "
        "noise lies on the pictures of every row."
    ),
}


def score_column(
    denoiser: RowDenoiser,
    column: Column,
    cache: ScoreCache,
    shown: Collection[str] = (),
    progress: Progress | None = None,
) -> list[PictureScore]:
    """Denoise and score every picture of a column that has not been yet.

    Args:
        denoiser: The row's.
        column: Its pictures.
        cache: The row's scores so far; every new one is kept at once.
        shown: Names of pictures to be kept for the gallery.
        progress: Called with (pictures done, all pictures, picture).

    Raises:
        DataError: A picture cannot be read, or the denoised one is not finite.
    """
    scores = []
    for k, name in enumerate(column.picture_names):
        if progress is not None:
            progress(k, len(column.truths), name)
        scores.append(_score(denoiser, column.read(k), column.sigma, cache, name in shown))
    return scores


def kept_scores(column: Column, cache: ScoreCache) -> list[PictureScore] | None:
    """The scores of an earlier run, or None where one is missing."""
    scores = []
    for k in range(len(column.truths)):
        pair = column.read(k)
        score = cache.score(pixels_digest(pair.truth, pair.noisy, column.sigma))
        if score is None:
            return None
        scores.append(replace(score, picture=pair.name))
    return scores


def shown_picture(column: Column, name: str, cache: ScoreCache) -> tuple[PictureScore, np.ndarray] | None:
    """A denoised picture for the gallery with its score, if it was kept."""
    pair = column.read(column.picture_names.index(name))
    pixels = pixels_digest(pair.truth, pair.noisy, column.sigma)
    score, picture = cache.score(pixels), cache.picture(pixels)
    return None if score is None or picture is None else (score, picture)


def summarised(test: str, scores: Sequence[PictureScore], baseline: Sequence[PictureScore] | None = None) -> Score:
    """Means, intervals and, where there is a baseline, the paired difference."""
    psnr_db = [one.psnr_db for one in scores]
    gain = compare_paired(psnr_db, [one.psnr_db for one in baseline]) if baseline is not None else None
    return Score(
        test=test,
        psnr_db=_interval(mean_interval(psnr_db)),
        ssim=_interval(mean_interval([one.ssim for one in scores])),
        psnr_gain_db=_interval(gain.difference) if gain is not None else None,
        p_value=gain.p_value if gain is not None else None,
        n_pictures=len(scores),
        n_identical=sum(value is None for value in psnr_db),
        seconds_per_picture=round(float(np.mean([one.seconds for one in scores])), 4),
    )


def _score(
    denoiser: RowDenoiser, pair: NoisyPair, sigma: float | None, cache: ScoreCache, is_shown: bool
) -> PictureScore:
    pixels = pixels_digest(pair.truth, pair.noisy, sigma)
    known = cache.score(pixels)
    if known is not None and not (is_shown and cache.picture(pixels) is None):
        return replace(known, picture=pair.name)
    started = time.perf_counter()
    denoised = denoiser.denoise(pair.noisy, sigma)
    seconds = time.perf_counter() - started
    fidelity = measure_picture(pair.truth, denoised)
    score = PictureScore(pair.name, fidelity.psnr_db, fidelity.ssim, seconds)
    cache.keep(pixels, score, denoised.astype(np.float32) if is_shown else None)
    return score


def _interval(found: MeanInterval) -> Interval:
    return Interval(found.mean, found.low, found.high)

"""Numbers as people read them: real minus signs, ± and a dash for what does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.summary import Statistic

MISSING = "–"
PSNR_DECIMALS = 2
SSIM_DECIMALS = 3


def number(value: float | None, decimals: int, signed: bool = False) -> str:
    """Write a number with fixed decimals; ``–`` for None, ``0.0`` never ``−0.0``."""
    if value is None:
        return MISSING
    rounded = round(value, decimals) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{decimals}f}".replace("-", "−")


def mean_sd(statistic: Statistic, decimals: int, signed: bool = False) -> str:
    """Write ``31.42 ± 0.80``; ``31.42 ± –`` for one slice, ``–`` for none."""
    if statistic.mean is None:
        return MISSING
    return f"{number(statistic.mean, decimals, signed)} ± {number(statistic.sd, decimals)}"


def mean_interval(interval: MeanInterval | None, decimals: int, signed: bool = False) -> str:
    """Write ``31.42 [31.10, 31.77]``; only the mean where there is no interval, ``–`` where there is no mean."""
    if interval is None:
        return MISSING
    return bounded(interval.mean, interval.low, interval.high, decimals, signed)


def bounded(value: float | None, low: float | None, high: float | None, decimals: int, signed: bool = False) -> str:
    """Write a value with its bounds in brackets, as far as they exist."""
    text = number(value, decimals, signed)
    if value is None or low is None or high is None:
        return text
    return f"{text} [{number(low, decimals, signed)}, {number(high, decimals, signed)}]"


def listing(items: Sequence[str]) -> str:
    """Join with commas and a last ``and``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def counted(n: int, noun: str, plural: str = "") -> str:
    """Write ``1 slice``, ``2 slices``, ``2 series``."""
    return f"{n} {noun}" if n == 1 else f"{n} {plural or noun + 's'}"


def pair_text(psnr_db: float | None, ssim: float | None) -> str:
    """Write ``31.42 dB, SSIM 0.887``."""
    return f"{number(psnr_db, PSNR_DECIMALS)} dB, SSIM {number(ssim, SSIM_DECIMALS)}"

"""What was asked of the base model and of a fitted one, beside what the rows measured: met or missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.arrival import discs, pairs, phantom_table, scanners, timing
from n2b_ct.evaluation.residual import LIMIT_SDS
from n2b_ct.evaluation.slice_noise import WARNED_SHARE

BASE, FITTED = "base", "fitted"
Rows = Mapping[str, Mapping[str, Any]]
FIRST = "L192 B30"
FIRST_ASKED: dict[str, dict[str, float]] = {
    BASE: {"psnr_db": 31.9, "ssim": 0.892, "truth_nominal_hu": 12.6},
    FITTED: {"psnr_db": 32.2, "ssim": 0.895, "truth_nominal_hu": 11.0},
}
GAINS = {"psnr_db": 0.5, "ssim": 0.015}
TRUTH_SHARE, NOISE_RATIO, SHIFT_HU, TIME_SHARE, CONTRAST_GAIN = 0.8, 0.45, 1.0, 0.5, 0.2
TRUTHS = ("truth_hu", "truth_nominal_hu")
"""The first row's limits were had with the nominal factor, so it is judged by that; ratios by the measured one."""
WORDS = {
    "psnr_db": ("PSNR", "dB", 2),
    "ssim": ("SSIM", "", 3),
    "truth_hu": ("error against the truth", "HU", 1),
    "truth_nominal_hu": ("error against the truth, nominal", "HU", 1),
}


@dataclass(frozen=True)
class Verdict:
    """One number that was asked for.

    Attributes:
        row: Of the table.
        what: Which number of whom.
        asked: The limit in words.
        measured: The number in words.
        is_met: Whether it keeps the limit.
    """

    row: str
    what: str
    asked: str
    measured: str
    is_met: bool

    @property
    def line(self) -> str:
        """As a line of the table."""
        return (
            f"| {self.row} | {self.what} | {self.asked} | {self.measured} | {'met' if self.is_met else '**missed**'} |"
        )


def verdicts(rows: Rows, names: tuple[str, ...]) -> list[Verdict]:
    """Judge every model on every row that was measured for it."""
    judges = (_pairs, _discs, _phantoms, _scanners, _time)
    return [verdict for name in names for judge in judges for verdict in judge(rows, name)]


def _limit(row: str, what: str, value: float, limit: float, unit: str, decimals: int, at_most: bool) -> Verdict:
    rounded = round(value, decimals)
    asked = f"{'≤' if at_most else '≥'} {limit:.{decimals}f} {unit}".strip()
    is_met = rounded <= round(limit, decimals) if at_most else rounded >= round(limit, decimals)
    return Verdict(row, what, asked, f"{value:.{decimals}f} {unit}".strip(), is_met)


def _pairs(rows: Rows, name: str) -> Iterator[Verdict]:
    for row in pairs.ROWS:
        found = rows.get(row, {})
        if name not in found:
            continue
        limits = FIRST_ASKED[FITTED if name == FITTED else BASE] if row == FIRST else _relative(found, name)
        for key, limit in limits.items():
            title, unit, decimals = WORDS[key]
            yield _limit(row, f"{name}, {title}", found[name][key], limit, unit, decimals, at_most=key in TRUTHS)


def _relative(found: Mapping[str, Any], name: str) -> dict[str, float]:
    """Limits by NLM at its best h for the base, by the base for a fitted model."""
    if name == FITTED and BASE in found:
        return {key: found[BASE][key] for key in (*GAINS, "truth_hu")}
    nlm = found["nlm"]
    return {key: nlm[key] + gain for key, gain in GAINS.items()} | {"truth_hu": TRUTH_SHARE * nlm["truth_hu"]}


def _discs(rows: Rows, name: str) -> Iterator[Verdict]:
    for dose in discs.DOSES:
        row = f"{discs.ROW}, dose {int(dose)}"
        found = rows.get(row, {})
        if name not in found:
            continue
        own, before, nlm = found[name], found["input"], found[f"nlm as quiet as {name}"]
        for disc, kept in own["contrast_kept"].items():
            limit = nlm["contrast_kept"][disc] + CONTRAST_GAIN
            yield _limit(row, f"{name}, contrast kept of {disc}", kept, min(limit, 1.0), "", 2, at_most=False)
            difference, low, high = discs.d_prime_difference(own["d_prime"][disc], before["d_prime"][disc])
            measured = f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"
            what = f"{name}, d′ of {disc} minus the input's"
            yield Verdict(row, what, "not decidedly below 0", measured, high >= 0.0)


def _phantoms(rows: Rows, name: str) -> Iterator[Verdict]:
    found = rows.get(phantom_table.ROW, {})
    if name not in found:
        return
    for key, title in (("psnr_db", "PSNR"), ("psnr_lung_db", "PSNR, lung window")):
        rivals = [method for method in ("nlm", "tv", "bm3d") if method in found]
        cells = [cell for cell, own in found[name].items() if own.get(key) is not None]
        lost = [cell for cell in cells if found[name][cell][key] <= max(found[one][cell][key] for one in rivals)]
        what = f"{name}, {title} above {', '.join(rivals)}: cells"
        yield Verdict(phantom_table.ROW, what, f"{len(cells)}", f"{len(cells) - len(lost)}", not lost)


def _scanners(rows: Rows, name: str) -> Iterator[Verdict]:
    for row in scanners.ROWS:
        own = rows.get(row, {}).get(name)
        if own is None:
            continue
        if own["noise_ratio"] is not None:
            yield _limit(row, f"{name}, σ after : before", own["noise_ratio"], NOISE_RATIO, "", 2, at_most=True)
        tissue, shift = max(own["shift_hu"].items(), key=lambda item: abs(item[1]), default=("none", 0.0))
        yield Verdict(
            row, f"{name}, largest HU shift ({tissue})", f"< {SHIFT_HU:g} HU", f"{shift:+.2f} HU", abs(shift) < SHIFT_HU
        )
        n, tested = own["edges_warn"], own["n_tested"]
        is_met = n <= WARNED_SHARE * tested
        yield Verdict(row, f"{name}, slices with anatomy removed at edges", "none", f"{n} of {tested}", is_met)
        if own["low_contrast_deviation_sds"] is not None:
            what = f"{name}, low contrast in what was removed, all slices, sd"
            yield _limit(row, what, own["low_contrast_deviation_sds"], LIMIT_SDS, "", 1, at_most=True)


def _time(rows: Rows, name: str) -> Iterator[Verdict]:
    own = rows.get(timing.ROW, {}).get(name)
    if own is not None:
        yield _limit(timing.ROW, f"{name}, one pass : fast NLM", own["of_nlm"], TIME_SHARE, "", 2, at_most=True)

"""How sure the means are: intervals on all of them, and paired tests against the input and the best baseline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.flat_regions import TISSUE_CLASSES_HU
from n2b_ct.evaluation.intervals import MeanInterval, compare_paired, mean_interval
from n2b_ct.evaluation.measures import SliceMeasure
from n2b_ct.evaluation.report.summary import DoseLevel, Summary
from n2b_ct.evaluation.results import BestBaseline, Certainty, Comparison, SeriesResult

AGAINST_INPUT, AGAINST_BASELINE = "input", "best baseline"
FIDELITY = ("psnr_db", "ssim", "rmse_hu")
NOISE = "noise_std_hu"
REDUCTION = "noise_reduction_percent"
LESS_IS_BETTER = {"rmse_hu", NOISE}
BIASES = ("hu_bias_hu", *(f"hu_bias_{name}_hu" for name in TISSUE_CLASSES_HU))
REGION_MEASURES = (NOISE, REDUCTION, *BIASES)

DEFINITIONS: dict[str, str] = {
    "best_baseline": (
        "At each dose level the baseline with the highest mean PSNR in the primary window; without a reference the one "
        "with the largest mean noise reduction, which a strong blur wins: then it is no more than a yardstick."
    ),
    "better": (
        "A difference is called decided where its 95 % interval excludes 0. The tests are not corrected for their "
        "number, and lower noise alone is no gain."
    ),
}
_Slice = tuple[float | None, str, int]
_Rows = Mapping[_Slice, SliceMeasure]


def certainty_of(summary: Summary, rows: Sequence[SliceMeasure]) -> Certainty:
    """Compute every interval and test of a report.

    Args:
        summary: The means of the same rows.
        rows: Every slice's rows.
    """
    indexed = _Indexed(rows)
    best = {level.label: choice for level in summary.columns if (choice := _best_baseline(summary, level))}
    return Certainty(
        intervals=_intervals(summary, indexed),
        comparisons=_comparisons(summary, indexed, best),
        best_baselines=best,
        per_series=_per_series(summary, indexed),
    )


class _Indexed:
    """Rows by (method, window), and the input's noise by slice."""

    def __init__(self, rows: Sequence[SliceMeasure]) -> None:
        self.by_method: dict[tuple[str, str], dict[_Slice, SliceMeasure]] = defaultdict(dict)
        for row in rows:
            self.by_method[row.method, row.window][row.dose, row.series, row.slice_index] = row
        self.input_noise = {
            (row.dose, row.series, row.slice_index): row.noise_std_hu for row in rows if row.method == INPUT
        }

    def at(self, summary: Summary, level: DoseLevel, method: str, window: str) -> _Rows:
        """A method's rows of one level."""
        rows = self.by_method.get((method, window), {})
        if level == summary.overall:
            return rows
        return {key: row for key, row in rows.items() if row.dose == level.dose}

    def value(self, measure: str, key: _Slice, row: SliceMeasure) -> float | None:
        """One measure of one row."""
        if measure == REDUCTION:
            before = self.input_noise.get(key)
            return None if not before or row.noise_std_hu is None else 100.0 * (1.0 - row.noise_std_hu / before)
        if measure in BIASES[1:]:
            return row.class_bias_hu.get(measure.removeprefix("hu_bias_").removesuffix("_hu"))
        value: float | None = getattr(row, measure)
        return value

    def interval(self, measure: str, rows: _Rows) -> MeanInterval:
        """The mean of a measure over rows."""
        return mean_interval([self.value(measure, key, row) for key, row in rows.items()], [key[1] for key in rows])


def _measures(summary: Summary, window: str) -> tuple[str, ...]:
    """Region measures do not depend on the window, so they stand under the primary one."""
    fidelity = FIDELITY if summary.has_reference else ()
    return fidelity + (REGION_MEASURES if window == summary.primary_window else ())


def _intervals(summary: Summary, indexed: _Indexed) -> dict[tuple[str, str, str, str], MeanInterval]:
    return {
        (level.label, method, window, measure): indexed.interval(measure, rows)
        for level in summary.columns
        for method in summary.roles
        for window in summary.windows
        if (rows := indexed.at(summary, level, method, window))
        for measure in _measures(summary, window)
    }


def _per_series(summary: Summary, indexed: _Indexed) -> tuple[SeriesResult, ...]:
    series = dict.fromkeys((key[0], key[1]) for rows in indexed.by_method.values() for key in rows)
    found = []
    for dose, name in sorted(series, key=lambda one: (one[0] is None, one[0] or 0.0, one[1])):
        for method in summary.roles:
            for window in summary.windows:
                rows = {k: r for k, r in indexed.by_method.get((method, window), {}).items() if k[:2] == (dose, name)}
                if rows:
                    measures = {m: indexed.interval(m, rows) for m in _measures(summary, window)}
                    found.append(SeriesResult(dose, name, method, window, len(rows), measures))
    return tuple(found)


def _best_baseline(summary: Summary, level: DoseLevel) -> BestBaseline | None:
    results = {name: summary.result(level, name) for name in summary.of_role("baseline")}
    by_psnr = {name: r.psnr_db.mean for name, r in results.items() if r.psnr_db.mean is not None}
    if by_psnr:
        best = max(by_psnr, key=lambda name: by_psnr[name])
        return BestBaseline(level.label, best, f"PSNR in the window {summary.primary_window}")
    reductions = {name: r.noise_reduction_percent.mean for name, r in results.items()}
    known = {name: mean for name, mean in reductions.items() if mean is not None}
    return BestBaseline(level.label, max(known, key=lambda name: known[name]), "noise reduction") if known else None


def _comparisons(summary: Summary, indexed: _Indexed, best: Mapping[str, BestBaseline]) -> tuple[Comparison, ...]:
    found: list[Comparison] = []
    for level in summary.columns:
        baseline = best.get(level.label)
        for method in summary.of_role("baseline", "model"):
            others = [(INPUT, AGAINST_INPUT)] if INPUT in summary.roles else []
            if baseline and baseline.name != method and summary.roles[method] == "model":
                others.append((baseline.name, AGAINST_BASELINE))
            found += [
                _compare(summary, indexed, level, method, window, measure, other)
                for window in summary.windows
                for measure in _measures(summary, window)
                if measure in (*FIDELITY, NOISE)
                for other in others
            ]
    return tuple(found)


def _compare(
    summary: Summary,
    indexed: _Indexed,
    level: DoseLevel,
    method: str,
    window: str,
    measure: str,
    other: tuple[str, str],
) -> Comparison:
    own, theirs = (indexed.at(summary, level, name, window) for name in (method, other[0]))
    shared = [key for key in own if key in theirs]
    mine, other_values = ([indexed.value(measure, k, rows[k]) for k in shared] for rows in (own, theirs))
    paired = compare_paired(mine, other_values, [key[1] for key in shared])
    return Comparison(
        level=level.label,
        method=method,
        window=window,
        measure=measure,
        against=other[0],
        against_role=other[1],
        difference=paired.difference,
        p_value=paired.p_value,
        better=_decided(paired.difference, measure in LESS_IS_BETTER),
    )


def _decided(difference: MeanInterval, less_is_better: bool) -> bool | None:
    if difference.low is None or difference.high is None or difference.low <= 0.0 <= difference.high:
        return None
    return (difference.high < 0.0) == less_is_better

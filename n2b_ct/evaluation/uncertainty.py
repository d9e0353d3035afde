"""Uncertainty of the means: intervals, and paired tests against the input and the best baseline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.intervals import MIN_PATIENTS, MeanInterval, compare_paired, holm, mean_interval
from n2b_ct.evaluation.patients import patients_of
from n2b_ct.evaluation.summary import (
    REDUCTION,
    DoseLevel,
    SliceValues,
    Summary,
    Values,
    root_or_none,
    signed_square,
)
from n2b_ct.evaluation.table import Row

LEVEL = 0.05
AGAINST_INPUT, AGAINST_BASELINE = "input", "best baseline"
DEFINITIONS: dict[str, str] = {
    "best_baseline": (
        "At each dose level the baseline with the highest mean PSNR in the primary window; without a reference the one "
        "with the largest mean noise reduction, which a strong blur wins: then it is only a reference value."
    ),
    "better": (
        f"A difference is called decided where there are {MIN_PATIENTS} patients or more, its 95 % interval excludes "
        f"0, and Student's p over the patients' means is at most {LEVEL:g} after Holm's correction for all comparisons "
        "of the same measure in the report: every method, opponent, dose and window. Lower noise alone is no gain."
    ),
}


def uncertainty_rows(summary: Summary) -> list[Row]:
    """Return the rows of every interval, paired test, best baseline and series of a report."""
    values = SliceValues(summary.table.of_part("slices"))
    best = {level.label: row for level in summary.columns if (row := _best_baseline(summary, level))}
    comparisons = [
        row
        for level in summary.columns
        for method in summary.of_role("baseline", "model")
        for row in _comparisons(summary, values, level, method, best.get(level.label))
    ]
    comparisons = _corrected(comparisons)
    return [*_intervals(summary, values), *comparisons, *best.values(), *_per_series(summary, values)]


def against_role(comparison: Row) -> str:
    """Return what the other method of a comparison is: the input, or the best baseline."""
    return AGAINST_INPUT if comparison.against == INPUT else AGAINST_BASELINE


def is_better(summary: Summary, comparison: Row) -> bool | None:
    """Return whether a difference is decided to the good side; None where it is not decided."""
    difference: MeanInterval = comparison.value.difference
    if difference.unit != "patients" or comparison.value.p_holm is None or comparison.value.p_holm > LEVEL:
        return None
    if difference.low is None or difference.high is None or difference.low <= 0.0 <= difference.high:
        return None
    return (difference.low > 0.0) == summary.measures[comparison.measure].higher_is_better


def _measures(summary: Summary, window: str) -> tuple[str, ...]:
    """Names of the measures of a window; under no window what depends on none."""
    if window:
        return tuple(name for name, one in summary.measures.items() if one.needs_reference and summary.has_reference)
    regions = tuple(name for name, one in summary.measures.items() if not one.needs_reference)
    after_noise = regions.index("noise_std_hu") + 1 if "noise_std_hu" in regions else 0
    return (*regions[:after_noise], REDUCTION, *regions[after_noise:])


def _windows(summary: Summary) -> tuple[str, ...]:
    """Measures that depend on no window come after those of the primary one."""
    primary, *others = summary.windows
    return (primary, "", *others)


def _corrected(comparisons: list[Row]) -> list[Row]:
    """Correct the p values of each measure for their number."""
    groups: dict[str, list[int]] = defaultdict(list)
    for k, row in enumerate(comparisons):
        if row.value.p_student is not None:
            groups[row.measure].append(k)
    found = list(comparisons)
    for own in groups.values():
        for k, p_holm in zip(own, holm([comparisons[k].value.p_student for k in own]), strict=True):
            found[k] = replace(found[k], value=replace(found[k].value, p_holm=p_holm))
    return found


def _interval(summary: Summary, measure: str, values: Values) -> MeanInterval:
    patients = patients_of((name for _, name, _ in values), summary.patients)
    if measure not in summary.measures or not summary.measures[measure].is_root:
        return mean_interval(list(values.values()), patients)
    squares = mean_interval([signed_square(value) for value in values.values()], patients)
    if squares.mean is None or squares.mean < 0.0:
        return replace(squares, mean=None, low=None, high=None)
    low = None if squares.low is None else max(squares.low, 0.0)
    return replace(squares, mean=root_or_none(squares.mean), low=root_or_none(low), high=root_or_none(squares.high))


def _intervals(summary: Summary, values: SliceValues) -> Iterator[Row]:
    for level in summary.columns:
        for method in summary.roles:
            for window in _windows(summary):
                for measure in _measures(summary, window):
                    if own := values.of(method, window, measure, level):
                        yield Row(
                            "intervals",
                            measure,
                            method,
                            _interval(summary, measure, own),
                            level=level.label,
                            window=window,
                        )


def _per_series(summary: Summary, values: SliceValues) -> Iterator[Row]:
    rows = summary.table.of_part("slices")
    series = dict.fromkeys((row.dose, row.series) for row in rows)
    for dose, name in sorted(series, key=lambda one: (one[0] is None, one[0] or 0.0, one[1])):
        for method in summary.roles:
            for window in _windows(summary):
                for measure in _measures(summary, window):
                    known = values.of(method, window, measure)
                    if own := {key: value for key, value in known.items() if key[:2] == (dose, name)}:
                        mean = _interval(summary, measure, own)
                        yield Row("per_series", measure, method, mean, dose=dose, series=name, window=window)


def _best_baseline(summary: Summary, level: DoseLevel) -> Row | None:
    for measure, by in (("psnr_db", f"PSNR in the window {summary.primary_window}"), (REDUCTION, "noise reduction")):
        means = {name: summary.mean(level, name, measure).mean for name in summary.of_role("baseline")}
        known = {name: mean for name, mean in means.items() if mean is not None}
        if known:
            return Row("best_baselines", "by", max(known, key=lambda name: known[name]), by, level=level.label)
    return None


def _comparisons(
    summary: Summary, values: SliceValues, level: DoseLevel, method: str, best: Row | None
) -> Iterator[Row]:
    """Compare a method with the input and, if it is a model, with the best baseline."""
    others = [INPUT] if INPUT in summary.roles else []
    if best and best.method != method and summary.roles[method] == "model":
        others.append(best.method)
    for window in _windows(summary):
        for measure in _measures(summary, window):
            if measure == REDUCTION or summary.measures[measure].higher_is_better is None:
                continue
            for other in others:
                own, other_values = (values.of(name, window, measure, level) for name in (method, other))
                shared = [key for key in own if key in other_values]
                patients = patients_of((series for _, series, _ in shared), summary.patients)
                paired = compare_paired([own[k] for k in shared], [other_values[k] for k in shared], patients)
                yield Row("comparisons", measure, method, paired, level=level.label, window=window, against=other)

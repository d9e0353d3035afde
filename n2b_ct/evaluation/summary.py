"""From rows of slices to means: per dose level and over all of them, per method and window."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.cases import INPUT, REFERENCE
from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.measures import Measure, known_measures
from n2b_ct.evaluation.patients import Patients, n_patients
from n2b_ct.evaluation.table import Row, Table
from n2b_ct.hu import Window
from n2b_ct.io.series import Inputs
from n2b_ct.registry import BASELINES

Role = Literal["input", "baseline", "model", "reference"]
SliceKey = tuple[float | None, str, int | None]
Values = dict[SliceKey, float | None]
ALL_DOSES = "all doses"
DELTAS = {"delta_psnr_db": "psnr_db", "delta_ssim": "ssim"}
"""Paired difference to the input, and the measure that it is of."""
REDUCTION = "noise_reduction_percent"
DEFINITIONS: dict[str, str] = {
    "mean_sd": (
        "Every mean is over slices; ± is the sample standard deviation between slices (n − 1), "
        "undefined for one slice. It describes how slices differ (over all doses also how doses differ) and is "
        "no confidence interval."
    ),
    "delta": "Differences to the input are formed slice by slice, then averaged.",
}


@dataclass(frozen=True, slots=True)
class Statistic:
    """Mean and sample standard deviation of the slices that have a value.

    Attributes:
        mean: None where no slice has a value.
        sd: None where fewer than two slices have a value.
        n: Slices with a value.
        n_excluded: Slices without one.
    """

    mean: float | None
    sd: float | None
    n: int
    n_excluded: int


@dataclass(frozen=True, slots=True)
class DoseLevel:
    """A group of slices; ``dose`` is None for an unknown dose and for all doses together.

    Series of which no patient is known count as one patient.
    """

    label: str
    dose: float | None
    n_slices: int
    n_series: int
    n_patients: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that a report says.

    Attributes:
        levels: Dose levels from low to high, an unknown dose after them.
        overall: All slices together.
        roles: Method to role, in the order of the tables.
        windows: Name to window, the primary one first.
        measures: Name to measure of a slice.
        table: Rows of the slices and everything that was made of them.
        n_identical: (Slice, method) pairs without a PSNR because they equal the reference.
        has_reference: Whether any slice had one.
        anchor: What shifts are measured against: the input, or what stands in its place.
        outside_training: Model to lines on what of the input it was not trained for.
        patients: Name of a series to its patient, as ``patient 1``.
        inputs: The series that were read, and the files of theirs that were refused.
        tasks: Every disk that was inserted.
        dropped: Sentences that say what was left out and why.
        problems: A line for each input or measure that could not be used.
    """

    levels: tuple[DoseLevel, ...]
    overall: DoseLevel
    roles: Mapping[str, Role]
    windows: Mapping[str, Window]
    measures: Mapping[str, Measure]
    table: Table
    n_identical: int
    has_reference: bool
    anchor: str = INPUT
    outside_training: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patients: Patients = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)
    tasks: tuple[Task, ...] = ()
    dropped: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def primary_window(self) -> str:
        """Name of the window that the sentences and the first table speak of."""
        return next(iter(self.windows))

    @property
    def columns(self) -> tuple[DoseLevel, ...]:
        """Dose levels as tables show them: all doses last, and only if there is more than one level."""
        return (*self.levels, self.overall) if len(self.levels) > 1 else self.levels

    @property
    def has_intervals(self) -> bool:
        """Whether intervals of the means were computed."""
        return bool(self.table.of_part("intervals"))

    def of_role(self, *roles: Role) -> list[str]:
        """Methods of these roles, in the order of the tables."""
        return [method for method, role in self.roles.items() if role in roles]

    def mean(self, level: DoseLevel, method: str, measure: str, window: str | None = None) -> Statistic:
        """Return the mean of a measure, in the primary window unless told otherwise."""
        found = self._get("means", level, method, measure, window)
        return found if isinstance(found, Statistic) else Statistic(None, None, 0, 0)

    def interval(self, level: DoseLevel, method: str, measure: str, window: str | None = None) -> MeanInterval | None:
        """Return the mean with its interval; None where nobody asked or nothing was measured."""
        found = self._get("intervals", level, method, measure, window)
        return found if isinstance(found, MeanInterval) else None

    def _get(self, part: str, level: DoseLevel, method: str, measure: str, window: str | None) -> object:
        """Measures that do not depend on a window stand under none."""
        windows = (window or self.primary_window, "")
        values = (self.table.get(part, measure, level.label, method, name) for name in windows)
        return next((value for value in values if value is not None), None)


class SliceValues:
    """Values of slices, by measure.

    Args:
        rows: Of the part ``slices``.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._values: dict[tuple[str, str, str], Values] = defaultdict(dict)
        for row in rows:
            self._values[row.method, row.window, row.measure][row.dose, row.series, row.slice_index] = row.value
        for method in {method for method, _, _ in self._values}:
            self._values[method, "", REDUCTION] = self._reductions(method)

    def of(self, method: str, window: str, measure: str, level: DoseLevel | None = None) -> Values:
        """Return a measure's value by slice, of one dose level or of all (None, or all doses)."""
        values = self._values.get((method, window, measure), {})
        if level is None or level.label == ALL_DOSES:
            return values
        return {key: value for key, value in values.items() if key[0] == level.dose}

    def _reductions(self, method: str) -> Values:
        before = self._values.get((INPUT, "", "noise_std_hu"), {})
        after = self._values.get((method, "", "noise_std_hu"), {})
        return {
            key: None if noise is None or not before.get(key) else 100.0 * (1.0 - noise / (before[key] or 1.0))
            for key, noise in after.items()
        }


def dose_label(dose: float | None) -> str:
    """Name a dose as people do: ``5 %``, ``12.5 %``, ``dose unknown``."""
    return "dose unknown" if dose is None else f"{100 * dose:.4g} %"


def summarise(
    rows: Sequence[Row],
    windows: Mapping[str, Window],
    baselines: Collection[str] | None = None,
    measures: Mapping[str, Measure] | None = None,
    patients: Patients | None = None,
) -> Summary:
    """Average the rows of :func:`measure_slice`.

    Args:
        rows: Every slice's rows.
        windows: The windows they were measured in, the primary one first.
        baselines: Which methods are baselines, None: all that the registry knows; all others but input and reference
            count as models.
        measures: Those of the rows, by name; all that are known where None.
        outside_training: Model to lines on what of the input it was not trained for.
        patients: Name of a series to its patient; none is known where None.

    Raises:
        DataError: There are no rows.
    """
    if not rows:
        raise DataError(explain("report", "at least one slice is needed", "none", "check the test set"))
    doses = sorted({row.dose for row in rows}, key=lambda dose: (dose is None, dose or 0.0))
    known = patients or {}
    levels = tuple(_level(dose_label(dose), [r for r in rows if r.dose == dose], dose, known) for dose in doses)
    overall = _level(ALL_DOSES, rows, None, known)
    roles = _roles(rows, BASELINES.names() if baselines is None else baselines)
    chosen = known_measures()[0] if measures is None else measures
    values = SliceValues(rows)
    means = [
        row
        for level in (*levels, overall)
        for method in roles
        for window in (*windows, "")
        for row in _means(values, level, method, window, chosen)
    ]
    primary = next(iter(windows))
    return Summary(
        levels=levels,
        overall=overall,
        roles=roles,
        windows=dict(windows),
        measures=chosen,
        table=Table((*rows, *means)),
        n_identical=sum(row.measure == "rmse_hu" and row.value == 0.0 and row.window == primary for row in rows),
        has_reference=any(row.measure == "ssim" and row.value is not None for row in rows),
        patients=known,
    )


def statistic(values: Iterable[float | None]) -> Statistic:
    """Mean and sample standard deviation of the values that exist."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return Statistic(
        mean=statistics.fmean(known) if known else None,
        sd=statistics.stdev(known) if len(known) > 1 else None,
        n=len(known),
        n_excluded=len(listed) - len(known),
    )


def root_statistic(roots: Iterable[float | None]) -> Statistic:
    """Root of the mean of signed squares, None where that is below 0; the deviation is that of the roots."""
    plain = statistic(listed := list(roots))
    return replace(plain, mean=root_or_none(statistic(map(signed_square, listed)).mean))


def signed_square(root: float | None) -> float | None:
    """Square a number and keep its sign."""
    return None if root is None else root * abs(root)


def root_or_none(square: float | None) -> float | None:
    """Root of a mean square; None where there is none, or an estimate of it is below 0."""
    return None if square is None or square < 0.0 else math.sqrt(square)


def _level(label: str, rows: Sequence[Row], dose: float | None, patients: Patients) -> DoseLevel:
    slices = {(row.dose, row.series, row.slice_index) for row in rows}
    return DoseLevel(label, dose, len(slices), len({row.series for row in rows}), n_patients(rows, patients))


def _roles(rows: Sequence[Row], baselines: Collection[str]) -> dict[str, Role]:
    """Input first, then baselines, then models, each in order of appearance, the reference last."""
    seen = list(dict.fromkeys(row.method for row in rows))
    fixed: dict[str, Role] = {INPUT: "input", REFERENCE: "reference"}
    roles: dict[str, Role] = {
        method: fixed.get(method, "baseline" if method in baselines else "model") for method in seen
    }
    order = ("input", "baseline", "model", "reference")
    return dict(sorted(roles.items(), key=lambda item: order.index(item[1])))


def _means(
    values: SliceValues, level: DoseLevel, method: str, window: str, measures: Mapping[str, Measure]
) -> Iterator[Row]:
    """Average one method in one window; under no window what depends on none."""

    def row(measure: str, mean: Statistic) -> Row:
        return Row("means", measure, method, mean, level=level.label, dose=level.dose, window=window)

    for name, measure in measures.items():
        if measure.needs_reference == bool(window):
            average = root_statistic if measure.is_root else statistic
            yield row(name, average(values.of(method, window, name, level).values()))
    if not window:
        yield row(REDUCTION, statistic(values.of(method, "", REDUCTION, level).values()))
        return
    for name, of in DELTAS.items():
        before = values.of(INPUT, window, of, level)
        after = values.of(method, window, of, level)
        pairs = [(value, before[key]) for key, value in after.items() if key in before]
        yield row(name, statistic(None if a is None or b is None else a - b for a, b in pairs))

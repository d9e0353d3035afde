"""From rows to means: per dose level and over all of them, per method and window."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.baselines import BASELINES
from n2b_ct.evaluation.cases import INPUT, REFERENCE
from n2b_ct.evaluation.flat_regions import TISSUE_CLASSES_HU
from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.measures import SliceMeasure
from n2b_ct.evaluation.results import Certainty, Physics
from n2b_ct.hu import Window
from n2b_ct.io.refusals import Inputs

Role = Literal["input", "baseline", "model", "reference"]
ALL_DOSES = "all doses"
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
    """A group of slices; ``dose`` is None for an unknown dose and for all doses together."""

    label: str
    dose: float | None
    n_slices: int
    n_series: int


@dataclass(frozen=True, slots=True)
class Result:
    """One method at one dose level in one window.

    Attributes:
        delta_psnr_db, delta_ssim: Paired differences to the input.
        noise_reduction_percent: 100 · (1 − noise / noise of the input), slice by slice.
        class_bias_hu: Tissue class to mean shift against the input.
    """

    level: str
    method: str
    window: str
    psnr_db: Statistic
    ssim: Statistic
    rmse_hu: Statistic
    delta_psnr_db: Statistic
    delta_ssim: Statistic
    noise_std_hu: Statistic
    noise_reduction_percent: Statistic
    hu_bias_hu: Statistic
    class_bias_hu: Mapping[str, Statistic]


@dataclass(frozen=True, slots=True)
class Summary:
    """All means of a report.

    Attributes:
        levels: Dose levels from low to high, an unknown dose after them.
        overall: All slices together.
        roles: Method to role, in the order of the tables.
        windows: Name to window, the primary one first.
        results: By level label (or ``overall.label``), method, window.
        n_identical: (Slice, method) pairs without a PSNR because they equal the reference.
        has_reference: Whether any slice had one.
        anchor: What shifts are measured against: the input, or what stands in its place.
        physics: Texture, resolution, detectability and residual; empty where nobody measured them.
        certainty: Intervals and paired tests; empty where nobody asked.
        inputs: The series that were read, and the files of theirs that were refused.
    """

    levels: tuple[DoseLevel, ...]
    overall: DoseLevel
    roles: Mapping[str, Role]
    windows: Mapping[str, Window]
    results: Mapping[tuple[str, str, str], Result]
    n_identical: int
    has_reference: bool
    anchor: str = INPUT
    physics: Physics = field(default_factory=Physics)
    certainty: Certainty = field(default_factory=Certainty)
    inputs: Inputs = field(default_factory=Inputs)

    @property
    def primary_window(self) -> str:
        """Name of the window that the sentences and the first table speak of."""
        return next(iter(self.windows))

    @property
    def columns(self) -> tuple[DoseLevel, ...]:
        """Dose levels as tables show them: all doses last, and only if there is more than one level."""
        return (*self.levels, self.overall) if len(self.levels) > 1 else self.levels

    def of_role(self, *roles: Role) -> list[str]:
        """Methods of these roles, in the order of the tables."""
        return [method for method, role in self.roles.items() if role in roles]

    def result(self, level: DoseLevel, method: str, window: str | None = None) -> Result:
        """One method at one level, in the primary window unless told otherwise."""
        return self.results[level.label, method, window or self.primary_window]

    def interval(self, level: DoseLevel, method: str, measure: str, window: str | None = None) -> MeanInterval | None:
        """Mean with its interval; None where nobody asked or nothing was measured."""
        return self.certainty.intervals.get((level.label, method, window or self.primary_window, measure))


def dose_label(dose: float | None) -> str:
    """Name a dose as people do: ``5 %``, ``12.5 %``, ``dose unknown``."""
    return "dose unknown" if dose is None else f"{100 * dose:.4g} %"


def summarise(
    rows: Sequence[SliceMeasure], windows: Mapping[str, Window], baselines: Collection[str] = tuple(BASELINES)
) -> Summary:
    """Average the rows of :func:`measure_slice`.

    Args:
        rows: Every slice's rows.
        windows: The windows they were measured in, the primary one first.
        baselines: Which methods are baselines; all others but input and reference count as models.

    Raises:
        DataError: There are no rows.
    """
    if not rows:
        raise DataError(explain("report", "at least one slice is needed", "none", "check the test set"))
    doses = sorted({row.dose for row in rows}, key=lambda dose: (dose is None, dose or 0.0))
    groups = {dose_label(dose): [row for row in rows if row.dose == dose] for dose in doses}
    levels = tuple(_level(label, group, group[0].dose) for label, group in groups.items())
    overall = _level(ALL_DOSES, rows, None)
    groups[ALL_DOSES] = list(rows)
    roles = _roles(rows, baselines)
    return Summary(
        levels=levels,
        overall=overall,
        roles=roles,
        windows=dict(windows),
        results={
            (label, method, window): _result(label, method, window, group)
            for label, group in groups.items()
            for method in roles
            for window in windows
        },
        n_identical=sum(row.identical and row.window == next(iter(windows)) for row in rows),
        has_reference=any(row.ssim is not None for row in rows),
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


def _level(label: str, rows: Sequence[SliceMeasure], dose: float | None) -> DoseLevel:
    slices = {_slice_of(row) for row in rows}
    return DoseLevel(label, dose, len(slices), len({row.series for row in rows}))


def _slice_of(row: SliceMeasure) -> tuple[float | None, str, int]:
    return row.dose, row.series, row.slice_index


def _roles(rows: Sequence[SliceMeasure], baselines: Collection[str]) -> dict[str, Role]:
    """Input first, then baselines, then models, each in order of appearance, the reference last."""
    seen = list(dict.fromkeys(row.method for row in rows))
    fixed: dict[str, Role] = {INPUT: "input", REFERENCE: "reference"}
    roles: dict[str, Role] = {
        method: fixed.get(method, "baseline" if method in baselines else "model") for method in seen
    }
    order = ("input", "baseline", "model", "reference")
    return dict(sorted(roles.items(), key=lambda item: order.index(item[1])))


def _result(level: str, method: str, window: str, rows: Sequence[SliceMeasure]) -> Result:
    """Average one method; noise and bias come from any window's row, since they do not depend on it."""
    inputs = {_slice_of(row): row for row in rows if row.method == INPUT and row.window == window}
    own = [row for row in rows if row.method == method and row.window == window]
    regions = {_slice_of(row): row for row in rows if row.method == method}.values()
    input_noise = {_slice_of(row): row.noise_std_hu for row in rows if row.method == INPUT}
    return Result(
        level=level,
        method=method,
        window=window,
        psnr_db=statistic(row.psnr_db for row in own),
        ssim=statistic(row.ssim for row in own),
        rmse_hu=statistic(row.rmse_hu for row in own),
        delta_psnr_db=_paired(own, inputs, lambda row: row.psnr_db),
        delta_ssim=_paired(own, inputs, lambda row: row.ssim),
        noise_std_hu=statistic(row.noise_std_hu for row in regions),
        noise_reduction_percent=statistic(
            _reduction(row.noise_std_hu, input_noise.get(_slice_of(row))) for row in regions
        ),
        hu_bias_hu=statistic(row.hu_bias_hu for row in regions),
        class_bias_hu={name: statistic(row.class_bias_hu.get(name) for row in regions) for name in TISSUE_CLASSES_HU},
    )


def _paired(
    own: Sequence[SliceMeasure],
    inputs: Mapping[tuple[float | None, str, int], SliceMeasure],
    value: Callable[[SliceMeasure], float | None],
) -> Statistic:
    pairs = [(value(row), value(inputs[_slice_of(row)])) for row in own if _slice_of(row) in inputs]
    return statistic(None if a is None or b is None else a - b for a, b in pairs)


def _reduction(noise_hu: float | None, input_noise_hu: float | None) -> float | None:
    if noise_hu is None or not input_noise_hu:
        return None
    return 100.0 * (1.0 - noise_hu / input_noise_hu)

"""Noise texture and residual: of one slice and every method, then pooled over a dose level."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2b_ct.evaluation.cases import INPUT, REFERENCE, SliceCase
from n2b_ct.evaluation.checks import ROUNDING_HU
from n2b_ct.evaluation.intervals import MeanInterval, mean_interval
from n2b_ct.evaluation.low_contrast.finished import judge_hu
from n2b_ct.evaluation.patients import Patients, patients_of
from n2b_ct.evaluation.residual import (
    DetailRemoved,
    EdgeStructure,
    FaintRemoved,
    autocorrelation,
    detail_removed,
    edge_structure,
    faint_removed,
)
from n2b_ct.evaluation.rois import Rois, find_flat_rois
from n2b_ct.evaluation.table import Row, rows_of
from n2b_ct.evaluation.texture import NoisePower, RadialPower, compare_texture, detrend, noise_power, pool_noise_power

FLAT_REGIONS = "flat regions"
AGAINST_TRUTH = "method − reference in flat regions"


@dataclass(frozen=True, slots=True, eq=False)
class SliceNoise:
    """Texture and residual of one method on one slice; None where something does not exist.

    Attributes:
        power: Noise power of the slice's flat regions.
        removed: Autocorrelation of input − method in the same regions, at lags 1, 2, … px.
        own: Autocorrelation of the method's noise there.
        edge: Whether the residual follows the anatomy's edges.
        detail: How much of a noise-free truth's fine structure it holds.
        faint: How much of the faint structure of soft tissue it holds.
    """

    dose: float | None
    series: str
    slice_index: int
    method: str
    power: NoisePower | None
    removed: tuple[float, ...] | None
    own: tuple[float, ...] | None
    edge: EdgeStructure | None
    detail: DetailRemoved | None
    faint: FaintRemoved | None = None


def measure_noise(case: SliceCase, noise_free: bool = False) -> list[SliceNoise]:
    """Measure texture and residual of the input, every method and the reference.

    Args:
        case: The slice; flat regions are found in its input and shared by all methods.
        noise_free: The reference holds no noise: it is subtracted before texture is measured, and the residual is
            compared with its fine structure.
    """
    rois = find_flat_rois(case.input_hu)
    truth = case.reference_hu if noise_free else None
    found = [_measure(case, name, hu, rois, truth) for name, hu in case.methods.items()]
    if case.reference_hu is not None and truth is None:
        found.append(_measure(case, REFERENCE, case.reference_hu, rois, None))
    return found


def _measure(case: SliceCase, name: str, hu: np.ndarray, rois: Rois, truth: np.ndarray | None) -> SliceNoise:
    regions = _without_rounding(rois.cut(hu if truth is None else hu - truth))
    has_regions = len(regions) > 0
    has_residual = case.anchor == INPUT and name not in (INPUT, REFERENCE)
    judge = judge_hu(case) if has_residual else None
    power = noise_power(regions, case.pixel_mm) if has_regions and case.pixel_mm else None
    residual = _without_rounding(rois.cut(case.input_hu - hu)) if has_regions and has_residual else None
    return SliceNoise(
        dose=case.dose,
        series=case.series,
        slice_index=case.slice_index,
        method=name,
        power=power,
        removed=None if residual is None else autocorrelation(detrend(residual, "quadratic")),
        own=autocorrelation(detrend(regions, "quadratic")) if has_regions else None,
        edge=edge_structure(case.input_hu, hu, case.reference_hu) if has_residual else None,
        detail=detail_removed(case.input_hu, hu, truth) if has_residual and truth is not None else None,
        faint=None if judge is None else faint_removed(case.input_hu, hu, judge),
    )


def _without_rounding(regions: np.ndarray) -> np.ndarray:
    """Make constant regions exactly so: else a trend's rounding errors would be taken for noise with a texture."""
    centred = regions - regions.mean(axis=(1, 2), keepdims=True)
    return np.zeros_like(regions) if np.abs(centred).max(initial=0.0) < ROUNDING_HU else regions


WARNED_SHARE = 0.1

DEFINITIONS: dict[str, str] = {
    "texture_pooling": (
        "Spectra of a dose level and method are averaged over regions, ring by ring; where slices differ in pixel or "
        "region size, on the rings of the most frequent kind. Means of noise, mean frequency and lag-1 "
        "autocorrelation are over slices; reductions and shifts are formed slice by slice against the input."
    ),
    "residual_warning": (
        f"Anatomy counts as removed at a dose level where more than {100 * WARNED_SHARE:g} % of its slices warn."
    ),
}
_Slice = tuple[float | None, str, int]


def texture_rows(
    noises: Sequence[SliceNoise], labels: Mapping[float | None, str], source: str, patients: Patients
) -> list[Row]:
    """Pool the texture of every dose level and method.

    Args:
        noises: Of every slice and method.
        labels: Dose to the label of its level.
        source: How the noise was had, in words.
        patients: Name of a series to its patient.
    """
    found: list[Row] = []
    for label, by_method in _grouped(noises, labels).items():
        powers = {name: [n for n in own if n.power is not None] for name, own in by_method.items()}
        kept = {name: own for name, own in powers.items() if own}
        if not kept:
            continue
        inputs = {_slice_of(n): n.power for n in kept.get(INPUT, [])}
        kind = _usual_kind([n.power for n in next(iter(kept.values())) if n.power])
        for name, own in kept.items():
            values = _texture(name, own, inputs, kind, patients) | {"source": source}
            found += rows_of("texture", name, values, level=label)
    return found


def residual_rows(noises: Sequence[SliceNoise], labels: Mapping[float | None, str], patients: Patients) -> list[Row]:
    """Say for every dose level and method what was removed; methods without a residual are left out."""
    return [
        row
        for label, by_method in _grouped(noises, labels).items()
        for name, own in by_method.items()
        if any(n.edge is not None or n.removed is not None for n in own)
        for row in rows_of("residual", name, _residual(own, by_method.get(INPUT, []), patients), level=label)
    ]


def _grouped(
    noises: Sequence[SliceNoise], labels: Mapping[float | None, str]
) -> dict[str, dict[str, list[SliceNoise]]]:
    groups: dict[str, dict[str, list[SliceNoise]]] = {label: defaultdict(list) for label in labels.values()}
    for noise in noises:
        groups[labels[noise.dose]][noise.method].append(noise)
    return groups


def _slice_of(noise: SliceNoise) -> _Slice:
    return noise.dose, noise.series, noise.slice_index


def _texture(
    name: str,
    noises: Sequence[SliceNoise],
    inputs: Mapping[_Slice, NoisePower | None],
    kind: NoisePower,
    patients: Patients,
) -> dict[str, Any]:
    pooled = _pooled([n.power for n in noises if n.power is not None], kind.radial())
    changes = [
        compare_texture(before, n.power) if (before := inputs.get(_slice_of(n))) and n.power else None for n in noises
    ]

    own = patients_of((n.series for n in noises), patients)

    def mean(value: Callable[[NoisePower], float | None]) -> MeanInterval:
        return mean_interval([None if n.power is None else value(n.power) for n in noises], own)

    def mean_change(measure: str) -> MeanInterval | None:
        if name == INPUT or not any(changes):
            return None
        return mean_interval([None if c is None else getattr(c, measure) for c in changes], own)

    return {
        "frequency_per_mm": _rounded(pooled.frequency_per_mm),
        "power_hu2_mm2": _rounded(pooled.power_hu2_mm2),
        "plane_hu2_mm2": _plane([n.power for n in noises if n.power is not None and _is_kind(n.power, kind)]),
        "plane_step_per_mm": tuple(1.0 / (kind.size_px * spacing) for spacing in kind.pixel_mm),
        "peak_frequency_per_mm": pooled.peak_frequency_per_mm,
        "noise_std_hu": mean(lambda power: power.noise_std_hu),
        "mean_frequency_per_mm": mean(lambda power: power.radial().mean_frequency_per_mm),
        "lag1_autocorrelation": mean(lambda power: power.lag1_autocorrelation),
        "noise_reduction_percent": mean_change("noise_reduction_percent"),
        "mean_frequency_shift_percent": mean_change("mean_frequency_shift_percent"),
        "n_rois": sum(n.power.n_rois for n in noises if n.power),
        "roi_size_px": kind.size_px,
    }


def _usual_kind(powers: Sequence[NoisePower]) -> NoisePower:
    """A spectrum of the region and pixel size that most regions have."""
    n_rois: Counter[tuple[int, tuple[float, float]]] = Counter()
    for power in powers:
        n_rois[power.size_px, power.pixel_mm] += power.n_rois
    usual = n_rois.most_common(1)[0][0]
    return next(power for power in powers if (power.size_px, power.pixel_mm) == usual)


def _is_kind(power: NoisePower, kind: NoisePower) -> bool:
    return (power.size_px, power.pixel_mm) == (kind.size_px, kind.pixel_mm)


def _plane(powers: Sequence[NoisePower]) -> tuple[tuple[float, ...], ...]:
    """Pool spectra of one kind, zero frequency in the middle; empty where there is none."""
    if not powers:
        return ()
    plane = np.fft.fftshift(pool_noise_power(powers).power_hu2_mm2)
    return tuple(_rounded(row) for row in plane)


def _pooled(powers: Sequence[NoisePower], rings: RadialPower) -> RadialPower:
    """Average radial spectra, each kind pooled exactly, kinds together on the given rings."""
    kinds: dict[tuple[int, tuple[float, float]], list[NoisePower]] = defaultdict(list)
    for power in powers:
        kinds[power.size_px, power.pixel_mm].append(power)
    pooled = [pool_noise_power(own) for own in kinds.values()]
    radials = [power.radial() for power in pooled]
    values = [np.interp(rings.frequency_per_mm, r.frequency_per_mm, r.power_hu2_mm2) for r in radials]
    mean = np.average(values, axis=0, weights=[power.n_rois for power in pooled])
    return RadialPower(rings.frequency_per_mm, np.asarray(mean), rings.n_bins)


def _residual(noises: Sequence[SliceNoise], inputs: Sequence[SliceNoise], patients: Patients) -> dict[str, Any]:
    edges = [(n, n.edge) for n in noises if n.edge is not None]
    own = patients_of((n.series for n, _ in edges), patients)
    details = [n for n in noises if n.detail is not None]
    n_warned = sum(edge.warns for _, edge in edges)
    worst = max(edges, key=lambda pair: pair[1].deviation_sds, default=None)
    return {
        "edge_correlation": mean_interval([edge.correlation for _, edge in edges], own),
        "null_correlation": float(np.mean([edge.null_mean for _, edge in edges])) if edges else None,
        "deviation_sds": mean_interval([edge.deviation_sds for _, edge in edges], own),
        "edge_excess_percent": mean_interval([edge.edge_excess_percent for _, edge in edges], own),
        "n_slices": len(edges),
        "n_warned": n_warned,
        "warns": n_warned > WARNED_SHARE * len(edges),
        "worst": "" if worst is None else f"{worst[0].series}, slice {worst[0].slice_index}",
        "residual_autocorrelation": _mean_lags([n.removed for n in noises]),
        "noise_autocorrelation": _mean_lags([n.own for n in inputs]),
        "detail_removed_percent": mean_interval(
            [n.detail.percent for n in details if n.detail], patients_of((n.series for n in details), patients)
        )
        if details
        else None,
        **_faint(noises, patients),
    }


def _faint(noises: Sequence[SliceNoise], patients: Patients) -> dict[str, Any]:
    """What was taken of faint structure, where a judge of independent noise tells."""
    known = [(n, n.faint) for n in noises if n.faint is not None]
    own = patients_of((n.series for n, _ in known), patients)
    return {
        "faint_removed_percent": mean_interval([faint.percent for _, faint in known], own) if known else None,
        "n_faint_slices": len(known),
        "n_faint_warned": sum(faint.warns for _, faint in known),
    }


def _mean_lags(values: Sequence[tuple[float, ...] | None]) -> tuple[float, ...] | None:
    known = [value for value in values if value is not None]
    return _rounded(np.mean(known, axis=0)) if known else None


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Curves with six digits: enough for any plot, half the file."""
    return tuple(float(f"{value:.6g}") for value in values)

"""A verdict on every method: green, amber or red, with a reason for each limit that it passes.

A verdict is no test: it compares means with limits, so that nobody overlooks what the tables say. Every limit stands
here once, and in the report's definitions with its source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from n2b_ct.evaluation.cases import INPUT
from n2b_ct.evaluation.low_contrast.results import LowContrast, low_contrast
from n2b_ct.evaluation.measures import CLASS_BIASES, IDEAL_BIASES
from n2b_ct.evaluation.summary import DoseLevel, Summary

Colour = Literal["green", "amber", "red"]
COLOURS: tuple[Colour, ...] = ("green", "amber", "red")

SHIFT_LIMITS_HU = (2.0, 5.0)
SHIFT_LIMITS_ELSEWHERE_HU = (10.0, 20.0)
WATER_LIKE = ("flat", "fat", "soft")
FAINT_SHARES = (0.1, 0.5)
TEXTURE_LIMIT_PERCENT = 20.0
RESOLUTION_LIMIT_PERCENT = 20.0
TRAINING_FACTOR = 1.25
RELEVANT_CONTRAST_HU, RELEVANT_SIZE_MM = 10.0, 5.0

DEFINITIONS: dict[str, str] = {
    "verdict": (
        "Red where one red limit is passed, else amber where one amber limit is, else green; means at any dose level "
        "count, in the primary window. A verdict is no test and no clinical clearance: it repeats what the tables say."
    ),
    "verdict_worse_than_input": (
        "Red: PSNR and SSIM both below the input's, or a larger error against the truth; without a reference more "
        "noise than the input. Amber: one of PSNR and SSIM below. Source: a denoiser has to be better than none."
    ),
    "verdict_anatomy_removed": (
        "Red: the residual warns of anatomy in more slices of a dose level than the limit of residual_warning. Amber: "
        "in some slice. Source: 49 residuals of pure noise gave no warning."
    ),
    "verdict_faint_structure_removed": (
        f"Amber: the residual holds too much faint structure in more than {100 * FAINT_SHARES[0]:g} % of the slices of "
        f"a dose level. Red: in more than {100 * FAINT_SHARES[1]:g} %. Source: where all of it is gone, the test "
        "warned in 20 of 22 real slices."
    ),
    "verdict_hu_shifted": (
        f"In flat soft tissue, fat and soft tissue amber beyond {SHIFT_LIMITS_HU[0]:g} HU, a convention of this "
        f"report, and red beyond {SHIFT_LIMITS_HU[1]:g} HU, the tolerance of the CT number of water in AAPM TG-66 "
        "(Mutic et al. 2003, Med. Phys. 30(10)); in lung, dense tissue and bone beyond "
        f"{SHIFT_LIMITS_ELSEWHERE_HU[0]:g} and {SHIFT_LIMITS_ELSEWHERE_HU[1]:g} HU, a convention of this report, as a "
        "blur beside edges counts there. A shift counts by itself and beside that of an ideal denoiser, whichever is "
        "smaller."
    ),
    "verdict_low_contrast": (
        f"Of lesions of {RELEVANT_CONTRAST_HU:g} HU and {RELEVANT_SIZE_MM:g} mm or more: red where one is lost, amber "
        "where one is at risk (low_contrast_grade), or where none was measured. Source: the liver metastases of the "
        "Low Dose CT Grand Challenge; fainter and smaller ones stand in the table only."
    ),
    "verdict_texture": (
        f"Amber where the mean frequency of the noise shifts by more than {TEXTURE_LIMIT_PERCENT:g} %, a convention of "
        "this report."
    ),
    "verdict_resolution": (
        f"Amber where the 50 % frequency of an inserted disk falls by more than {RESOLUTION_LIMIT_PERCENT:g} %, a "
        "convention of this report."
    ),
    "verdict_invented": "Red: structure is invented where a noise-free truth holds none (false_positive_rate).",
    "verdict_outside_training": (
        f"Amber: noise or pixels of the input lie more than a factor of {TRAINING_FACTOR:g} outside of what the "
        "model's file says that it was trained for; files without it are not judged. A convention of this report."
    ),
    "verdict_no_input": "Amber: without the input, whether a method is better than it and what was removed is unknown.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader has to know of a method first.

    Attributes:
        reasons: One for each limit that is passed, red ones first; none where it is green.
    """

    method: str
    verdict: Colour
    reasons: tuple[str, ...]


_Finding = tuple[Colour, str]


def outside_training(
    summary: Summary, trained_for: Mapping[str, Sequence[float]], pixels_mm: Collection[float]
) -> tuple[str, ...]:
    """Say what of the input a model was not trained for; nothing where its file does not tell.

    Args:
        summary: Has the input's noise.
        trained_for: ``noise_std_hu`` and ``pixel_mm``, each lowest and highest.
        pixels_mm: Sides of the input's pixels.
    """
    noises = (summary.mean(level, INPUT, "noise_std_hu").mean for level in summary.levels)
    lines = (
        _beyond("noise", "HU", [noise for noise in noises if noise is not None], trained_for.get("noise_std_hu")),
        _beyond("pixels", "mm", pixels_mm, trained_for.get("pixel_mm")),
    )
    return tuple(line for line in lines if line)


def _beyond(what: str, unit: str, values: Collection[float], limits: Sequence[float] | None) -> str:
    if not values or not limits:
        return ""
    lowest, highest = limits[0] / TRAINING_FACTOR, limits[-1] * TRAINING_FACTOR
    outside = [value for value in values if not lowest <= value <= highest]
    if not outside:
        return ""
    worst = max(outside, key=lambda value: max(lowest / max(value, 1e-9), value / highest))
    return f"{what} of {worst:.3g} {unit}, trained for {limits[0]:.3g} to {limits[-1]:.3g} {unit}"


def verdicts(summary: Summary) -> list[Verdict]:
    """Judge every model, then every baseline."""
    return [_verdict(summary, method) for method in (*summary.of_role("model"), *summary.of_role("baseline"))]


def _verdict(summary: Summary, method: str) -> Verdict:
    found = sorted(_findings(summary, method), key=lambda one: -COLOURS.index(one[0]))
    return Verdict(method, found[0][0] if found else "green", tuple(text for _, text in found))


def _findings(summary: Summary, method: str) -> Iterator[_Finding]:
    if INPUT in summary.roles:
        yield from _worse_than_input(summary, method)
    else:
        yield "amber", "input not known: whether it is better than its input, and what it removed, cannot be said"
    yield from _anatomy(summary, method)
    yield from _shifts(summary, method)
    yield from _low_contrast(summary, method)
    yield from _invented(summary, method)
    yield from _texture(summary, method)
    yield from _resolution(summary, method)
    yield from (("amber", f"outside of its training: {line}") for line in summary.outside_training.get(method, ()))


def _worse_than_input(summary: Summary, method: str) -> Iterator[_Finding]:
    for level in summary.levels:
        worse = [name for name in _compared(summary) if _is_worse(summary, level, method, name)]
        if not worse:
            continue
        is_red = {"psnr_db", "ssim"} <= set(worse) or {"truth_error_hu", "noise_std_hu"} & set(worse)
        words = ", ".join(_change(summary, level, method, name) for name in worse)
        yield ("red" if is_red else "amber"), f"worse than the input{_at(summary, level.label)}: {words}"


def _compared(summary: Summary) -> tuple[str, ...]:
    return ("psnr_db", "ssim", "truth_error_hu") if summary.has_reference else ("noise_std_hu",)


def _is_worse(summary: Summary, level: DoseLevel, method: str, measure: str) -> bool:
    before, after = (summary.mean(level, name, measure).mean for name in (INPUT, method))
    if before is None or after is None:
        return False
    one = summary.measures[measure]
    lost = round(after, one.decimals) - round(before, one.decimals)
    return lost < 0.0 if one.higher_is_better else lost > 0.0


def _change(summary: Summary, level: DoseLevel, method: str, measure: str) -> str:
    before, after = (summary.mean(level, name, measure).mean or 0.0 for name in (INPUT, method))
    one = summary.measures[measure]
    unit = f" {one.unit}" if one.unit else ""
    return f"{one.title} {after:.{one.decimals}f}{unit} after {before:.{one.decimals}f}"


def _anatomy(summary: Summary, method: str) -> Iterator[_Finding]:
    for one in summary.table.records("residual", method=method):
        if one["n_warned"]:
            yield (
                "red" if one["warns"] else "amber",
                f"anatomy removed{_at(summary, one['level'])}: edges in what it took away, "
                f"in {one['n_warned']} of {one['n_slices']} slices",
            )
        yield from _faint(summary, one)


def _faint(summary: Summary, residual: Mapping[str, Any]) -> Iterator[_Finding]:
    """Faint structure, which the edge test does not see."""
    n_slices, n_warned = (residual.get(name) or 0 for name in ("n_faint_slices", "n_faint_warned"))
    if n_warned <= FAINT_SHARES[0] * n_slices:
        return
    where = _at(summary, residual["level"])
    taken = residual["faint_removed_percent"].mean or 0.0
    colour: Colour = "red" if n_warned > FAINT_SHARES[1] * n_slices else "amber"
    yield colour, f"faint structure removed{where}: {taken:.0f} % of it, too much in {n_warned} of {n_slices} slices"


def _shifts(summary: Summary, method: str) -> Iterator[_Finding]:
    """The class and level that pass their limit by most."""
    found: list[tuple[float, _Finding]] = []
    for tissue, measure in {"flat": "hu_bias_hu", **CLASS_BIASES}.items():
        amber, red = SHIFT_LIMITS_HU if tissue in WATER_LIKE else SHIFT_LIMITS_ELSEWHERE_HU
        name = "flat soft tissue" if tissue == "flat" else tissue
        for level in summary.levels:
            shift = summary.mean(level, method, measure).mean
            beyond = 0.0 if shift is None else min(abs(shift), abs(shift - _ideal_shift(summary, level, tissue)))
            if shift is not None and beyond > amber:
                text = f"HU shifted{_at(summary, level.label)}: {shift:+.1f} HU in {name}, limit {amber:g}".replace(
                    "-", "−"
                )
                found.append((beyond / amber, ("red" if beyond > red else "amber", text)))
    if found:
        yield max(found, key=lambda one: one[0])[1]


def _ideal_shift(summary: Summary, level: DoseLevel, tissue: str) -> float:
    known = summary.mean(level, INPUT, IDEAL_BIASES[tissue]).mean if tissue in IDEAL_BIASES else None
    return known or 0.0


def _low_contrast(summary: Summary, method: str) -> Iterator[_Finding]:
    own = [one for one in low_contrast(summary.table) if one.method == method]
    if not own:
        yield "amber", "low contrast not measured: whether faint lesions survive cannot be said"
        return
    relevant = [one for one in own if _is_relevant(one)]
    lost = [one for one in relevant if one.grade == "lost"]
    at_risk = [one for one in relevant if one.grade == "at risk"]
    if lost or at_risk:
        worst = min(lost or at_risk, key=lambda one: one.recovery)
        colour: Colour = "red" if lost else "amber"
        yield colour, f"low contrast {worst.grade}: {_lesion(summary, worst)}"


def _is_relevant(one: LowContrast) -> bool:
    return abs(one.contrast_hu) >= RELEVANT_CONTRAST_HU and one.size_mm >= RELEVANT_SIZE_MM


def _lesion(summary: Summary, one: LowContrast) -> str:
    where = _at(summary, one.level)
    return (
        f"{100 * one.recovery:.0f} % of the contrast of {one.contrast_hu:g} HU and {one.size_mm:g} mm is left{where} "
        f"({one.measured_on})"
    )


def _invented(summary: Summary, method: str) -> Iterator[_Finding]:
    for one in summary.table.records("hallucination", method=method):
        if one["warns"]:
            yield (
                "red",
                f"structure invented at {one['level']}: {one['structure_hu']:.2f} HU where the truth holds none",
            )


def _texture(summary: Summary, method: str) -> Iterator[_Finding]:
    shifts = {one["level"]: _mean(one, "mean_frequency_shift_percent") for one in _of(summary, "texture", method)}
    known = {level: shift for level, shift in shifts.items() if shift is not None}
    level = max(known, key=lambda name: abs(known[name]), default="")
    if level and abs(known[level]) > TEXTURE_LIMIT_PERCENT:
        word = "coarser" if known[level] < 0.0 else "finer"
        yield (
            "amber",
            f"noise texture {word}{_at(summary, level)}: mean frequency {known[level]:+.0f} %".replace("-", "−"),
        )


def _resolution(summary: Summary, method: str) -> Iterator[_Finding]:
    known = [one for one in _of(summary, "resolution", method) if one["f50_change_percent"] is not None]
    worst = min(known, key=lambda one: float(one["f50_change_percent"]), default=None)
    if worst and worst["f50_change_percent"] < -RESOLUTION_LIMIT_PERCENT:
        where = _at(summary, worst["level"])
        text = f"resolution lost{where}: 50 % frequency {worst['f50_change_percent']:.0f} % for a disk of "
        yield "amber", f"{text}{worst['task'].contrast_hu:g} HU".replace("-", "−")


def _of(summary: Summary, part: str, method: str) -> list[dict[str, Any]]:
    return summary.table.records(part, method=method)


def _mean(record: Mapping[str, Any], measure: str) -> float | None:
    value = record[measure]
    return None if value is None else value.mean


def _at(summary: Summary, level: str) -> str:
    """Name a dose level where there are several."""
    if len(summary.levels) == 1:
        return ""
    return f" at {level} dose" if level.endswith("%") else f" at {level}"

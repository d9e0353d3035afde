"""The second sentence: what a method cost in texture, resolution, contrast, HU and anatomy."""

from __future__ import annotations

from n2b_ct.evaluation.cases import INPUT, REFERENCE
from n2b_ct.evaluation.insert_results import CHO
from n2b_ct.evaluation.report.summary import DoseLevel, Summary
from n2b_ct.evaluation.report.wording import number
from n2b_ct.evaluation.results import DetectabilityResult, ResolutionResult


def price_sentence(summary: Summary, methods: list[str]) -> str:
    """Say what was lost, at the lowest dose where it depends on the dose; only what was measured."""
    if not methods:
        return "No method was measured, so there is nothing that it could have cost."
    level = summary.levels[0]
    clauses = [f"{method}: {', '.join(_parts(summary, level, method))}" for method in methods]
    where = f" (texture, resolution and d′ at {level.label})" if len(summary.levels) > 1 else ""
    return f"The price{where} — {'; '.join(clauses)}."


def _parts(summary: Summary, level: DoseLevel, method: str) -> list[str]:
    found = [
        _texture(summary, level, method),
        _resolution(summary, level, method),
        _detection(summary, level, method),
        _shift(summary, method),
        _anatomy(summary, method),
    ]
    return [part for part in found if part]


def _texture(summary: Summary, level: DoseLevel, method: str) -> str:
    own = summary.physics.texture.get((level.label, method))
    shift = own.mean_frequency_shift_percent if own else None
    if shift is None or shift.mean is None:
        return ""
    if round(shift.mean) == 0:
        return "noise texture as before"
    word = "coarser" if shift.mean < 0 else "finer"
    return f"noise {word} (mean frequency {number(shift.mean, 0, signed=True)} %)"


def _resolution(summary: Summary, level: DoseLevel, method: str) -> str:
    """The lowest contrast, where a non-linear method blurs most."""
    own = [r for r in summary.physics.resolution if (r.level, r.method) == (level.label, method)]
    if not own:
        return ""
    lowest = min(own, key=lambda result: result.task.contrast_hu)
    disk = f"a disk of {lowest.task.contrast_hu:g} HU"
    if lowest.contrast_recovery_percent is None:
        return f"the resolution of {disk} could not be measured"
    return f"{disk} keeps {number(lowest.contrast_recovery_percent, 0)} % of its contrast{_f50(lowest)}"


def _f50(result: ResolutionResult) -> str:
    if result.f50_change_percent is None:
        return ""
    return f" and its 50 % frequency changes by {number(result.f50_change_percent, 0, signed=True)} %"


def _detection(summary: Summary, level: DoseLevel, method: str) -> str:
    before, after = _d_prime(summary, level, INPUT), _d_prime(summary, level, method)
    if before is None or after is None or before.d_prime is None or after.d_prime is None:
        return ""
    task = f"d′ of {before.task.contrast_hu:g} HU over {2 * before.task.radius_mm:.3g} mm"
    change = f"{number(before.d_prime, 2)} to {number(after.d_prime, 2)}"
    overlap = (after.low or 0.0) <= (before.high or 0.0) and (before.low or 0.0) <= (after.high or 0.0)
    return f"{task} from {change}{' (intervals overlap)' if overlap else ''}"


def _d_prime(summary: Summary, level: DoseLevel, method: str) -> DetectabilityResult | None:
    """The first task, as the channelised observer sees it."""
    own = (r for r in summary.physics.detectability if (r.level, r.method, r.observer) == (level.label, method, CHO))
    return next(own, None)


def _shift(summary: Summary, method: str) -> str:
    """Name the worst class, and where the reference lies in it: the anchor may be what is biased."""
    shifts = summary.result(summary.overall, method).class_bias_hu
    known = {name: s.mean for name, s in shifts.items() if s.mean is not None}
    if not known:
        return "its HU shift could not be measured"
    worst = max(known, key=lambda name: abs(known[name]))
    against = "the input" if summary.anchor == INPUT else f"the {summary.anchor}"
    shift = f"its largest mean HU shift against {against} is {number(known[worst], 1, signed=True)} HU in {worst}"
    if REFERENCE not in summary.roles or summary.anchor == REFERENCE:
        return shift
    truth = summary.result(summary.overall, REFERENCE).class_bias_hu[worst].mean
    return f"{shift}, where the reference lies at {number(truth, 1, signed=True)} HU"


def _anatomy(summary: Summary, method: str) -> str:
    own = [result for (_, name), result in summary.physics.residual.items() if name == method]
    n_slices = sum(result.n_slices for result in own)
    n_warned = sum(result.n_warned for result in own)
    if not n_slices:
        return ""
    if not n_warned:
        return f"no edges of anatomy were found in what it removed ({n_slices} slices tested)"
    return f"anatomy was removed with the noise in {n_warned} of {n_slices} slices"

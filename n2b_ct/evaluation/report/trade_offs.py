"""What a method costs, in words: texture, resolution, detection, HU and anatomy; only what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from n2b_ct.evaluation.cases import INPUT, REFERENCE
from n2b_ct.evaluation.insert_results import CHO, CHO_KNOWN
from n2b_ct.evaluation.measures import CLASS_BIASES
from n2b_ct.evaluation.report.formatting import number
from n2b_ct.evaluation.summary import DoseLevel, Summary

Z_TOLERANCE_PERCENT = 5.0
"""What methods that take slices one by one differ from 100 by, where they change much within a slice."""


def trade_off_sentence(summary: Summary, methods: list[str]) -> str:
    """Return the trade-offs, at the lowest dose where they depend on the dose; only what was measured."""
    if not methods:
        return "No method was measured, so there is nothing that it could have cost."
    level = summary.levels[0]
    clauses = [f"{method}: {', '.join(_parts(summary, level, method))}" for method in methods]
    where = f" (texture, resolution and d′ at {level.label})" if len(summary.levels) > 1 else ""
    return f"Trade-offs{where} — {'; '.join(clauses)}."


def _parts(summary: Summary, level: DoseLevel, method: str) -> list[str]:
    found = [
        _texture(summary, level, method),
        _resolution(summary, level, method),
        _z_resolution(summary, level, method),
        _detection(summary, level, method),
        _shift(summary, method),
        _anatomy(summary, method),
    ]
    return [part for part in found if part]


def _texture(summary: Summary, level: DoseLevel, method: str) -> str:
    shift = summary.table.get("texture", "mean_frequency_shift_percent", level.label, method)
    if shift is None or shift.mean is None:
        return ""
    if round(shift.mean) == 0:
        return "noise texture as before"
    word = "coarser" if shift.mean < 0 else "finer"
    return f"noise {word} (mean frequency {number(shift.mean, 0, signed=True)} %)"


def _z_resolution(summary: Summary, level: DoseLevel, method: str) -> str:
    left = summary.table.get("z_resolution", "z_transfer_percent", level.label, method)
    if left is None or left.mean is None:
        return ""
    if abs(left.mean - 100.0) <= Z_TOLERANCE_PERCENT:
        return "no resolution along z is lost"
    return f"{number(left.mean, 0)} % of the finest detail along z is left"


def _resolution(summary: Summary, level: DoseLevel, method: str) -> str:
    """The lowest contrast, where a non-linear method blurs most."""
    own = summary.table.records("resolution", level=level.label, method=method)
    if not own:
        return ""
    lowest = min(own, key=lambda one: float(one["task"].contrast_hu))
    disk = f"a disk of {lowest['task'].contrast_hu:g} HU"
    if lowest["contrast_recovery_percent"] is None:
        return f"the resolution of {disk} could not be measured"
    return f"{disk} keeps {number(lowest['contrast_recovery_percent'], 0)} % of its contrast{_f50(lowest)}"


def _f50(resolution: Mapping[str, Any]) -> str:
    change = resolution["f50_change_percent"]
    return "" if change is None else f" and its 50 % frequency changes by {number(change, 0, signed=True)} %"


def _detection(summary: Summary, level: DoseLevel, method: str) -> str:
    before, after = _d_prime(summary, level, INPUT), _d_prime(summary, level, method)
    if before is None or after is None or before["d_prime"] is None or after["d_prime"] is None:
        return ""
    task = f"d′ of {before['task'].contrast_hu:g} HU over {2 * before['task'].radius_mm:.3g} mm"
    change = f"{number(before['d_prime'], 2)} to {number(after['d_prime'], 2)}"
    overlap = (after["low"] or 0.0) <= (before["high"] or 0.0) and (before["low"] or 0.0) <= (after["high"] or 0.0)
    known = " (background known)" if before["observer"] == after["observer"] == CHO_KNOWN else ""
    return f"{task}{known} from {change}{' (intervals overlap)' if overlap else ''}"


def _d_prime(summary: Summary, level: DoseLevel, method: str) -> dict[str, Any] | None:
    """The first task, as the channelised observer sees it; the one that knows the background where there is one."""
    for observer in (CHO_KNOWN, CHO):
        if own := summary.table.records("detectability", level=level.label, method=method, observer=observer):
            return own[0]
    return None


def _shift(summary: Summary, method: str) -> str:
    """Name the worst class, and where the reference lies in it: the anchor may be what is biased."""
    shifts = {tissue: summary.mean(summary.overall, method, name).mean for tissue, name in CLASS_BIASES.items()}
    known = {tissue: shift for tissue, shift in shifts.items() if shift is not None}
    if not known:
        return "its HU shift could not be measured"
    worst = max(known, key=lambda name: abs(known[name]))
    against = "the input" if summary.anchor == INPUT else f"the {summary.anchor}"
    shift = f"its largest mean HU shift against {against} is {number(known[worst], 1, signed=True)} HU in {worst}"
    if REFERENCE not in summary.roles or summary.anchor == REFERENCE:
        return shift
    truth = summary.mean(summary.overall, REFERENCE, CLASS_BIASES[worst]).mean
    return f"{shift}, where the reference lies at {number(truth, 1, signed=True)} HU"


def _anatomy(summary: Summary, method: str) -> str:
    """Edges by the edge test, faint structure by its own: neither sees what the other does."""
    own = summary.table.records("residual", method=method)
    n_slices, n_warned = (sum(one[name] for one in own) for name in ("n_slices", "n_warned"))
    if not n_slices:
        return ""
    faint = _faint(own)
    if not n_warned:
        return f"no edges of anatomy were found in what it removed ({n_slices} slices tested){faint}"
    return f"anatomy was removed with the noise in {n_warned} of {n_slices} slices{faint}"


def _faint(own: Sequence[Mapping[str, Any]]) -> str:
    """The most that it took at one dose."""
    known = [one for one in own if one["faint_removed_percent"] is not None]
    if not known:
        return ""
    most = max(known, key=lambda one: float(one["faint_removed_percent"].mean or 0.0))
    taken = max(round(most["faint_removed_percent"].mean or 0.0), 0)
    n_warned = most["n_faint_warned"]
    warned = f", too much in {n_warned} of {most['n_faint_slices']} slices" if n_warned else ""
    return f", of faint structure of 1.5 to 6 px it took {taken} %{warned}"

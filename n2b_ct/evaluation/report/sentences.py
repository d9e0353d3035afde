"""The summary in words, made from the numbers, so that it stays true when a model does badly.

Words are chosen from the rounded numbers that the tables show: what reads as equal is called equal.
"""

from __future__ import annotations

from n2b_ct.evaluation.report.measures import INPUT, REFERENCE
from n2b_ct.evaluation.report.summary import Statistic, Summary
from n2b_ct.evaluation.report.wording import counted, listing, number

PSNR_DECIMALS = 2
SSIM_DECIMALS = 3
MAX_LISTED = 4


def summary_sentences(summary: Summary) -> list[str]:
    """Say in three sentences what was gained, against which controls, and at what price in HU."""
    if summary.has_reference:
        return [_against_input(summary), _against_controls(summary), _noise_and_bias(summary)]
    return [_no_reference(summary), _noise_and_bias(summary), _residual_advice()]


def notes(summary: Summary) -> list[str]:
    """What a reader must know before comparing these numbers with others."""
    found = [
        _ceiling(summary),
        _identical(summary),
        _incomplete(summary),
        _no_flat_region(summary),
        _one_slice(summary),
    ]
    return [note for note in found if note]


def judged(summary: Summary) -> list[str]:
    """The methods that the sentences speak of: models, or the controls where there is no model."""
    return summary.of_role("model") or summary.of_role("control")


def _scope(summary: Summary) -> str:
    overall = summary.overall
    scope = f"{counted(overall.n_slices, 'slice')} of {counted(overall.n_series, 'series', 'series')}"
    return f"{scope} at {counted(len(summary.levels), 'dose level')}" if len(summary.levels) > 1 else scope


def _against_input(summary: Summary) -> str:
    name = summary.primary_window
    where = f"Over {_scope(summary)}, in the window {name} {summary.windows[name]}"
    clauses = [_change_clause(summary, method) for method in judged(summary)]
    if not clauses:
        source = summary.result(summary.overall, INPUT)
        return f"{where}, the input alone was measured: {_pair_text(source.psnr_db.mean, source.ssim.mean)}."
    return f"{where}, measured against the normal-dose reference: {'; '.join(clauses)}."


def _change_clause(summary: Summary, method: str) -> str:
    before, after = (summary.result(summary.overall, name) for name in (INPUT, method))
    psnr = _change("PSNR", before.psnr_db, after.psnr_db, PSNR_DECIMALS, " dB")
    ssim = _change("SSIM", before.ssim, after.ssim, SSIM_DECIMALS, "")
    same_verb = psnr.split()[0] == ssim.split()[0]
    return f"{method} {psnr} and {ssim.split(' ', 1)[1] if same_verb else ssim}"


def _change(measure: str, before: Statistic, after: Statistic, decimals: int, unit: str) -> str:
    if before.mean is None or after.mean is None:
        return f"has no {measure} to compare"
    old, new = round(before.mean, decimals), round(after.mean, decimals)
    if old == new:
        return f"leaves {measure} at {number(new, decimals)}{unit}"
    verb = "raises" if new > old else "lowers"
    change = number(new - old, decimals, signed=True)
    return f"{verb} {measure} from {number(old, decimals)} to {number(new, decimals)}{unit} ({change})"


def _against_controls(summary: Summary) -> str:
    models, controls = summary.of_role("model"), summary.of_role("control")
    if not controls:
        return "No control was measured, so whether a plain blur would score as well is not known."
    if not models:
        return "No model was measured: these are the controls that a model has to beat."
    losses = {model: _losses(summary, model, controls) for model in models}
    winners = [model for model in models if not losses[model]]
    clauses = [_winner_clause(summary, winners, controls)] if winners else []
    clauses += [f"{model} does not win: {_shortened(lost)}" for model, lost in losses.items() if lost]
    return f"Against the controls ({listing(controls)}), {'; '.join(clauses)}."


def _winner_clause(summary: Summary, winners: list[str], controls: list[str]) -> str:
    results = {control: summary.result(summary.overall, control) for control in controls}
    best = max(controls, key=lambda control: results[control].psnr_db.mean or 0.0)
    everywhere = " at every dose level" if len(summary.levels) > 1 else ""
    verb = "scores" if len(winners) == 1 else "score"
    reached = _pair_text(results[best].psnr_db.mean, results[best].ssim.mean)
    return (
        f"{listing(winners)} {verb} above each of them in both PSNR and SSIM{everywhere} "
        f"(the best by PSNR, {best}, reaches {reached})"
    )


def _losses(summary: Summary, model: str, controls: list[str]) -> list[str]:
    """Where a control is level with the model or ahead of it, in words; empty when the model leads everywhere."""
    found = []
    for level in summary.levels:
        where = f" at {level.label}" if len(summary.levels) > 1 else ""
        own = summary.result(level, model)
        others = {control: summary.result(level, control) for control in controls}
        psnr = _loss("PSNR", own.psnr_db, {name: r.psnr_db for name, r in others.items()}, PSNR_DECIMALS)
        ssim = _loss("SSIM", own.ssim, {name: r.ssim for name, r in others.items()}, SSIM_DECIMALS)
        found += [f"{loss}{where}" for loss in (psnr, ssim) if loss]
    return found


def _loss(measure: str, own: Statistic, others: dict[str, Statistic], decimals: int) -> str:
    """One measure at one level: empty where the model leads the best control."""
    known = {control: round(s.mean, decimals) for control, s in others.items() if s.mean is not None}
    if own.mean is None or not known:
        return f"{measure} cannot be compared"
    best = max(known, key=lambda control: known[control])
    lead = round(known[best] - round(own.mean, decimals), decimals)
    if lead < 0:
        return ""
    unit = " dB" if measure == "PSNR" else ""
    return (
        f"{best} is ahead in {measure} by {number(lead, decimals)}{unit}" if lead else f"{best} has the same {measure}"
    )


def _shortened(items: list[str]) -> str:
    more = len(items) - MAX_LISTED
    return ", ".join(items) if more <= 0 else f"{', '.join(items[:MAX_LISTED])}, and {more} more"


def _noise_and_bias(summary: Summary) -> str:
    methods = judged(summary)
    if not methods:
        return "No method was measured, so there is no noise or HU change to report."
    clauses = [f"{_noise_clause(summary, method)}, {_bias_clause(summary, method)}" for method in methods]
    return f"In flat soft tissue, {'; '.join(clauses)}."


def _noise_clause(summary: Summary, method: str) -> str:
    result = summary.result(summary.overall, method)
    before, after = summary.result(summary.overall, INPUT).noise_std_hu.mean, result.noise_std_hu.mean
    if before is None or after is None:
        return f"{method} could not be judged on noise (no flat region)"
    old, new = round(before, 1), round(after, 1)
    if old == new:
        return f"{method} leaves noise at {number(new, 1)} HU"
    verb = "lowers" if new < old else "raises"
    return (
        f"{method} {verb} noise from {number(old, 1)} to {number(new, 1)} HU{_percent(result.noise_reduction_percent)}"
    )


def _percent(reduction: Statistic) -> str:
    if reduction.mean is None:
        return ""
    per_slice = ", mean over slices" if reduction.n > 1 else ""
    return f" ({number(-reduction.mean, 0, signed=True)} %{per_slice})"


def _bias_clause(summary: Summary, method: str) -> str:
    """Name the worst class, and where the reference lies in it: the input may be what is biased."""
    shifts = summary.result(summary.overall, method).class_bias_hu
    known = {name: s.mean for name, s in shifts.items() if s.mean is not None}
    if not known:
        return "and its HU shift could not be measured"
    worst = max(known, key=lambda name: abs(known[name]))
    shift = f"and its largest mean HU shift against the input is {number(known[worst], 1, signed=True)} HU in {worst}"
    if REFERENCE not in summary.roles:
        return shift
    truth = summary.result(summary.overall, REFERENCE).class_bias_hu[worst].mean
    return f"{shift}, where the reference lies at {number(truth, 1, signed=True)} HU"


def _no_reference(summary: Summary) -> str:
    return (
        f"{_scope(summary)} without a normal-dose reference: PSNR and SSIM need one and are left out; "
        "noise and HU shift are measured in regions of the input itself."
    )


def _residual_advice() -> str:
    return (
        "Less noise alone does not make a better picture, a strong blur lowers it too: "
        "look for anatomy in the residuals below."
    )


def _ceiling(summary: Summary) -> str:
    if not summary.has_reference or REFERENCE not in summary.roles:
        return ""
    noise_hu = summary.result(summary.overall, REFERENCE).noise_std_hu.mean
    if noise_hu is None or round(noise_hu, 1) == 0.0:
        return ""
    return (
        f"The reference is not free of noise: {number(noise_hu, 1)} HU in flat soft tissue. "
        "So every PSNR here has a ceiling that even a perfect denoiser cannot pass."
    )


def _identical(summary: Summary) -> str:
    if not summary.n_identical:
        return ""
    what = counted(summary.n_identical, "slice and method", "pairs of slice and method")
    return f"{what} equal the reference, so they have no PSNR and are left out of its mean."


def _incomplete(summary: Summary) -> str:
    n_slices = summary.overall.n_slices
    short = []
    for method in summary.of_role("control", "model"):
        statistic = summary.result(summary.overall, method).hu_bias_hu
        n_measured = statistic.n + statistic.n_excluded
        if n_measured < n_slices:
            short.append(f"{method} on {n_measured}")
    if not short:
        return ""
    return f"Not every method has every slice: {listing(short)} of {n_slices}; their means are not comparable."


def _no_flat_region(summary: Summary) -> str:
    n_missing = summary.result(summary.overall, INPUT).noise_std_hu.n_excluded
    if not n_missing:
        return ""
    return f"No flat soft tissue was found in {counted(n_missing, 'slice')}; noise leaves them out."


def _one_slice(summary: Summary) -> str:
    if all(level.n_slices > 1 for level in summary.columns):
        return ""
    return "A dose level with one slice has no standard deviation: ± – stands for undefined."


def _pair_text(psnr_db: float | None, ssim: float | None) -> str:
    return f"{number(psnr_db, PSNR_DECIMALS)} dB, SSIM {number(ssim, SSIM_DECIMALS)}"

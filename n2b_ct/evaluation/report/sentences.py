"""The summary in words, made from the numbers, so that it stays true when a model does badly.

Words are chosen from the rounded numbers that the tables show: what reads as equal is called equal.
"""

from __future__ import annotations

from n2b_ct.evaluation.cases import INPUT, REFERENCE
from n2b_ct.evaluation.report.price import price_sentence
from n2b_ct.evaluation.report.summary import Statistic, Summary
from n2b_ct.evaluation.report.sureness import sureness_sentence
from n2b_ct.evaluation.report.wording import PSNR_DECIMALS, SSIM_DECIMALS, counted, listing, number, pair_text


def summary_sentences(summary: Summary) -> list[str]:
    """Say in three sentences what was gained, what it cost, and how sure that is."""
    return [_gain(summary), price_sentence(summary, judged(summary)), sureness_sentence(summary)]


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
    """The methods that the sentences speak of: models, or the baselines where there is no model."""
    return summary.of_role("model") or summary.of_role("baseline")


def _scope(summary: Summary) -> str:
    overall = summary.overall
    scope = f"{counted(overall.n_slices, 'slice')} of {counted(overall.n_series, 'series', 'series')}"
    return f"{scope} at {counted(len(summary.levels), 'dose level')}" if len(summary.levels) > 1 else scope


def _gain(summary: Summary) -> str:
    name = summary.primary_window
    where = f"Over {_scope(summary)}"
    if not summary.has_reference:
        clauses = "; ".join(_noise_clause(summary, method) for method in judged(summary)) or "nothing was judged"
        return (
            f"{where}, without a normal-dose reference (PSNR and SSIM need one and are left out), in flat soft tissue: "
            f"{clauses}."
        )
    window = f"in the window {name} {summary.windows[name]}"
    clauses = "; ".join(_gain_clause(summary, method) for method in judged(summary))
    if not clauses:
        source = summary.result(summary.overall, INPUT)
        return f"{where}, {window}, the input alone was measured: {pair_text(source.psnr_db.mean, source.ssim.mean)}."
    return f"{where}, {window}, measured against the normal-dose reference: {clauses}."


def _gain_clause(summary: Summary, method: str) -> str:
    if INPUT in summary.roles:
        return f"{_change_clause(summary, method)}, and {_noise_clause(summary, method).removeprefix(f'{method} ')}"
    own = summary.result(summary.overall, method)
    return f"{method} reaches {pair_text(own.psnr_db.mean, own.ssim.mean)}, and {_noise_level(summary, method)}"


def _noise_level(summary: Summary, method: str) -> str:
    noise_hu = summary.result(summary.overall, method).noise_std_hu.mean
    return "its noise could not be judged" if noise_hu is None else f"has noise of {number(noise_hu, 1)} HU"


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


def _noise_clause(summary: Summary, method: str) -> str:
    if INPUT not in summary.roles:
        return f"{method} {_noise_level(summary, method)}"
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
    for method in summary.of_role("baseline", "model"):
        statistic = summary.result(summary.overall, method).hu_bias_hu
        n_measured = statistic.n + statistic.n_excluded
        if n_measured < n_slices:
            short.append(f"{method} on {n_measured}")
    if not short:
        return ""
    return f"Not every method has every slice: {listing(short)} of {n_slices}; their means are not comparable."


def _no_flat_region(summary: Summary) -> str:
    n_missing = summary.result(summary.overall, next(iter(summary.roles))).noise_std_hu.n_excluded
    if not n_missing:
        return ""
    return f"No flat soft tissue was found in {counted(n_missing, 'slice')}; noise leaves them out."


def _one_slice(summary: Summary) -> str:
    if all(level.n_slices > 1 for level in summary.columns):
        return ""
    return "A dose level with one slice has no standard deviation: ± – stands for undefined."

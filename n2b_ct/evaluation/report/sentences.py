"""The summary in words, made from the numbers, so that it stays true when a model does badly.

Words are chosen from the rounded numbers that the tables show: what reads as equal is called equal.
"""

from __future__ import annotations

from n2b_ct.evaluation.cases import INPUT, REFERENCE
from n2b_ct.evaluation.intervals import MIN_PATIENTS
from n2b_ct.evaluation.patients import UNKNOWN
from n2b_ct.evaluation.report.formatting import PSNR_DECIMALS, SSIM_DECIMALS, counted, listing, number, pair_text
from n2b_ct.evaluation.report.low_contrast_view import low_contrast_sentence
from n2b_ct.evaluation.report.trade_offs import trade_off_sentence
from n2b_ct.evaluation.summary import REDUCTION, Statistic, Summary
from n2b_ct.evaluation.table import Row
from n2b_ct.evaluation.uncertainty import AGAINST_BASELINE, against_role, is_better

MAX_LISTED = 4
NOISE_CAVEAT = "Less noise alone does not make a better image, a strong blur lowers it too: look at the residuals"


def summary_sentences(summary: Summary) -> list[str]:
    """Return three sentences: gains, trade-offs, their uncertainty; and what is left of low contrast, if measured."""
    methods = judged(summary)
    found = [_gain(summary), trade_off_sentence(summary, methods), uncertainty_sentence(summary)]
    return [*found, *filter(None, [low_contrast_sentence(summary, methods)])]


def notes(summary: Summary) -> list[str]:
    """Return notes for comparing these numbers with others."""
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
    scope += f" ({_patients(summary)})"
    return f"{scope} at {counted(len(summary.levels), 'dose level')}" if len(summary.levels) > 1 else scope


def _patients(summary: Summary) -> str:
    """Write ``2 patients``, or that some or all are not known."""
    known = {summary.patients.get(row.series, UNKNOWN) for row in summary.table.of_part("slices")}
    n_known = len(known - {UNKNOWN})
    if UNKNOWN not in known:
        return counted(n_known, "patient")
    return f"{counted(n_known, 'patient')} and series whose patient is unknown" if n_known else "patient unknown"


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
        return f"{where}, {window}, the input alone was measured: {_scores(summary, INPUT)}."
    return f"{where}, {window}, measured against the normal-dose reference: {clauses}."


def _gain_clause(summary: Summary, method: str) -> str:
    if INPUT in summary.roles:
        return f"{_change_clause(summary, method)}, and {_noise_clause(summary, method).removeprefix(f'{method} ')}"
    return f"{method} reaches {_scores(summary, method)}, and {_noise_level(summary, method)}"


def _scores(summary: Summary, method: str) -> str:
    means = (summary.mean(summary.overall, method, measure).mean for measure in ("psnr_db", "ssim"))
    return pair_text(*means)


def _noise_level(summary: Summary, method: str) -> str:
    noise_hu = summary.mean(summary.overall, method, "noise_std_hu").mean
    return "its noise could not be judged" if noise_hu is None else f"has noise of {number(noise_hu, 1)} HU"


def _change_clause(summary: Summary, method: str) -> str:
    psnr, ssim = (
        _change(title, *_before_and_after(summary, method, measure), decimals, unit)
        for measure, title, decimals, unit in (
            ("psnr_db", "PSNR", PSNR_DECIMALS, " dB"),
            ("ssim", "SSIM", SSIM_DECIMALS, ""),
        )
    )
    same_verb = psnr.split()[0] == ssim.split()[0]
    return f"{method} {psnr} and {ssim.split(' ', 1)[1] if same_verb else ssim}"


def _before_and_after(summary: Summary, method: str, measure: str) -> tuple[Statistic, Statistic]:
    before, after = (summary.mean(summary.overall, name, measure) for name in (INPUT, method))
    return before, after


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
    before, after = (summary.mean(summary.overall, name, "noise_std_hu").mean for name in (INPUT, method))
    if before is None or after is None:
        return f"{method} could not be judged on noise (no flat region)"
    old, new = round(before, 1), round(after, 1)
    if old == new:
        return f"{method} leaves noise at {number(new, 1)} HU"
    verb = "lowers" if new < old else "raises"
    reduction = summary.mean(summary.overall, method, REDUCTION)
    return f"{method} {verb} noise from {number(old, 1)} to {number(new, 1)} HU{_percent(reduction)}"


def _percent(reduction: Statistic) -> str:
    if reduction.mean is None:
        return ""
    per_slice = ", mean over slices" if reduction.n > 1 else ""
    return f" ({number(-reduction.mean, 0, signed=True)} %{per_slice})"


def _ceiling(summary: Summary) -> str:
    if not summary.has_reference or REFERENCE not in summary.roles:
        return ""
    noise_hu = summary.mean(summary.overall, REFERENCE, "noise_std_hu").mean
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
        statistic = summary.mean(summary.overall, method, "hu_bias_hu")
        n_measured = statistic.n + statistic.n_excluded
        if n_measured < n_slices:
            short.append(f"{method} on {n_measured}")
    if not short:
        return ""
    return f"Not every method has every slice: {listing(short)} of {n_slices}; their means are not comparable."


def _no_flat_region(summary: Summary) -> str:
    n_missing = summary.mean(summary.overall, next(iter(summary.roles)), "noise_std_hu").n_excluded
    if not n_missing:
        return ""
    return f"No flat soft tissue was found in {counted(n_missing, 'slice')}; noise leaves them out."


def _one_slice(summary: Summary) -> str:
    if all(level.n_slices > 1 for level in summary.columns):
        return ""
    return "A dose level with one slice has no standard deviation: ± – stands for undefined."


def uncertainty_sentence(summary: Summary) -> str:
    """Say whether models beat the baselines, whether that is decided, and for whom it holds."""
    against = _against_baselines(summary) if summary.has_reference else NOISE_CAVEAT
    return f"{against}{_decided(summary)}; {_validity(summary)}."


def _against_baselines(summary: Summary) -> str:
    models, baselines = summary.of_role("model"), summary.of_role("baseline")
    if not baselines:
        return "No baseline was measured, so whether a plain blur would score as well is not known"
    if not models:
        return "No model was measured: these are the baselines that a model has to beat"
    losses = {model: _losses(summary, model, baselines) for model in models}
    winners = [model for model in models if not losses[model]]
    decided = [model for model in winners if _is_decided(summary, model)]
    leading = [model for model in winners if model not in decided]
    clauses = [_winner_clause(summary, own, baselines, own is decided) for own in (decided, leading) if own]
    clauses += [f"{model} does not win: {_shortened(lost)}" for model, lost in losses.items() if lost]
    return f"Against the baselines ({listing(baselines)}), {'; '.join(clauses)}"


def _is_decided(summary: Summary, model: str) -> bool:
    """Whether the lead over the best baseline is decided in PSNR and SSIM at every dose level."""
    own = [
        is_better(summary, row)
        for row in _against_best(summary)
        if row.method == model and row.measure in ("psnr_db", "ssim")
    ]
    return bool(own) and all(own)


def _winner_clause(summary: Summary, winners: list[str], baselines: list[str], is_decided: bool) -> str:
    best = max(baselines, key=lambda name: summary.mean(summary.overall, name, "psnr_db").mean or 0.0)
    everywhere = " at every dose level" if len(summary.levels) > 1 else ""
    one = len(winners) == 1
    if is_decided:
        lead = f"{'scores' if one else 'score'} above each of them in both PSNR and SSIM{everywhere}"
    else:
        lead = f"{'has' if one else 'have'} a higher mean PSNR and SSIM{everywhere}, a lead that is not decided"
    return f"{listing(winners)} {lead} (the best by PSNR, {best}, reaches {_scores(summary, best)})"


def _losses(summary: Summary, model: str, baselines: list[str]) -> list[str]:
    """Where a baseline is level with the model or ahead of it, in words; empty when the model leads everywhere."""
    found = []
    for level in summary.levels:
        where = f" at {level.label}" if len(summary.levels) > 1 else ""
        for measure, title, decimals in (("psnr_db", "PSNR", PSNR_DECIMALS), ("ssim", "SSIM", SSIM_DECIMALS)):
            others = {name: summary.mean(level, name, measure) for name in baselines}
            loss = _loss(title, summary.mean(level, model, measure), others, decimals)
            found += [f"{loss}{where}"] if loss else []
    return found


def _loss(measure: str, own: Statistic, others: dict[str, Statistic], decimals: int) -> str:
    """One measure at one level: empty where the model leads the best baseline."""
    known = {baseline: round(s.mean, decimals) for baseline, s in others.items() if s.mean is not None}
    if own.mean is None or not known:
        return f"{measure} cannot be compared"
    best = max(known, key=lambda baseline: known[baseline])
    lead = round(known[best] - round(own.mean, decimals), decimals)
    if lead < 0:
        return ""
    unit = " dB" if measure == "PSNR" else ""
    return (
        f"{best} is ahead in {measure} by {number(lead, decimals)}{unit}" if lead else f"{best} has the same {measure}"
    )


def _decided(summary: Summary) -> str:
    """The paired difference to the best baseline in PSNR, with its interval, for each model."""
    own = [
        row
        for row in _against_best(summary)
        if row.measure == "psnr_db" and row.level == summary.columns[-1].label and row.value.difference.low is not None
    ]
    return "".join(f", {_interval_clause(summary, row)}" for row in own)


def _against_best(summary: Summary) -> list[Row]:
    """Comparisons with the best baseline in the primary window."""
    return [
        row
        for row in summary.table.of_part("comparisons")
        if against_role(row) == AGAINST_BASELINE and row.window == summary.primary_window
    ]


def _interval_clause(summary: Summary, row: Row) -> str:
    difference = row.value.difference
    limits = " to ".join(number(limit, PSNR_DECIMALS, signed=True) for limit in (difference.low, difference.high))
    word = {True: "", False: "", None: ", so it is not decided"}[is_better(summary, row)]
    mean = number(difference.mean, PSNR_DECIMALS, signed=True)
    return f"{row.method} minus {row.against} is {mean} dB (95 % interval {limits}{word})"


def _validity(summary: Summary) -> str:
    n = summary.overall.n_patients
    if n >= MIN_PATIENTS:
        return (
            f"intervals and tests are over {_patients(summary)}, and tests are corrected for their number (Holm, each "
            "measure for itself)"
        )
    holds = "this patient" if n == 1 else f"these {n} patients"
    return (
        f"nothing is decided from fewer than {MIN_PATIENTS} patients ({_patients(summary)} here): all of it holds for "
        f"{holds} only and says nothing about other patients"
    )


def _shortened(items: list[str]) -> str:
    more = len(items) - MAX_LISTED
    return ", ".join(items) if more <= 0 else f"{', '.join(items[:MAX_LISTED])}, and {more} more"

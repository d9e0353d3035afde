"""The third sentence: against the baselines, and how sure that is."""

from __future__ import annotations

from n2b_ct.evaluation.intervals import MIN_SERIES
from n2b_ct.evaluation.report.summary import Statistic, Summary
from n2b_ct.evaluation.report.wording import PSNR_DECIMALS, SSIM_DECIMALS, counted, listing, number, pair_text
from n2b_ct.evaluation.results import Comparison

MAX_LISTED = 4
YARDSTICK = "Less noise alone does not make a better image, a strong blur lowers it too: look at the residuals"


def sureness_sentence(summary: Summary) -> str:
    """Say whether models beat the baselines, whether that is decided, and for whom it holds."""
    against = _against_baselines(summary) if summary.has_reference else YARDSTICK
    return f"{against}{_decided(summary)}; {_validity(summary)}."


def _against_baselines(summary: Summary) -> str:
    models, baselines = summary.of_role("model"), summary.of_role("baseline")
    if not baselines:
        return "No baseline was measured, so whether a plain blur would score as well is not known"
    if not models:
        return "No model was measured: these are the baselines that a model has to beat"
    losses = {model: _losses(summary, model, baselines) for model in models}
    winners = [model for model in models if not losses[model]]
    clauses = [_winner_clause(summary, winners, baselines)] if winners else []
    clauses += [f"{model} does not win: {_shortened(lost)}" for model, lost in losses.items() if lost]
    return f"Against the baselines ({listing(baselines)}), {'; '.join(clauses)}"


def _winner_clause(summary: Summary, winners: list[str], baselines: list[str]) -> str:
    results = {baseline: summary.result(summary.overall, baseline) for baseline in baselines}
    best = max(baselines, key=lambda baseline: results[baseline].psnr_db.mean or 0.0)
    everywhere = " at every dose level" if len(summary.levels) > 1 else ""
    verb = "scores" if len(winners) == 1 else "score"
    reached = pair_text(results[best].psnr_db.mean, results[best].ssim.mean)
    return (
        f"{listing(winners)} {verb} above each of them in both PSNR and SSIM{everywhere} "
        f"(the best by PSNR, {best}, reaches {reached})"
    )


def _losses(summary: Summary, model: str, baselines: list[str]) -> list[str]:
    """Where a baseline is level with the model or ahead of it, in words; empty when the model leads everywhere."""
    found = []
    for level in summary.levels:
        where = f" at {level.label}" if len(summary.levels) > 1 else ""
        own = summary.result(level, model)
        others = {baseline: summary.result(level, baseline) for baseline in baselines}
        psnr = _loss("PSNR", own.psnr_db, {name: r.psnr_db for name, r in others.items()}, PSNR_DECIMALS)
        ssim = _loss("SSIM", own.ssim, {name: r.ssim for name, r in others.items()}, SSIM_DECIMALS)
        found += [f"{loss}{where}" for loss in (psnr, ssim) if loss]
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
        one
        for one in summary.certainty.comparisons
        if one.against_role == "best baseline"
        and one.measure == "psnr_db"
        and one.window == summary.primary_window
        and one.level == summary.columns[-1].label
    ]
    return "".join(f", {_interval_clause(one)}" for one in own if one.difference.low is not None)


def _interval_clause(one: Comparison) -> str:
    difference = one.difference
    limits = " to ".join(number(limit, PSNR_DECIMALS, signed=True) for limit in (difference.low, difference.high))
    word = {True: "", False: "", None: ", so it is not decided"}[one.better]
    mean = number(difference.mean, PSNR_DECIMALS, signed=True)
    return f"{one.method} minus {one.against} is {mean} dB (95 % interval {limits}{word})"


def _validity(summary: Summary) -> str:
    n_series = summary.overall.n_series
    if n_series >= MIN_SERIES:
        return f"intervals are over {counted(n_series, 'series', 'series')}, resampled whole"
    scope = "this series" if n_series == 1 else f"these {n_series} series"
    return f"all of it holds for {scope} only and says nothing about other patients"


def _shortened(items: list[str]) -> str:
    more = len(items) - MAX_LISTED
    return ", ".join(items) if more <= 0 else f"{', '.join(items[:MAX_LISTED])}, and {more} more"

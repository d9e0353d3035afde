"""What a phantom report says first, in sentences made of its numbers."""

from __future__ import annotations

from n2b_ct.evaluation.quality_phantom.estimates import Estimate
from n2b_ct.evaluation.quality_phantom.insert_measures import d_prime
from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary, ScanResult
from n2b_ct.evaluation.quality_phantom.placement import STRONG_HU
from n2b_ct.evaluation.report.formatting import bounded, counted, listing, number

MOST_LISTED = 4


def summary_sentences(summary: PhantomSummary) -> list[str]:
    """Say what was scanned, what each scan's noise is and what changed from the first scan to the others."""
    first = summary.scans[0]
    phantom = summary.phantom
    title = phantom.title or phantom.name
    n = counted(len(phantom.inserts), "insert")
    sentences = [f"{title}: {n}; {listing([_counts(one) for one in summary.scans])}."]
    for scan in summary.scans:
        if scan.noise is not None and scan.noise.noise_hu.value is not None:
            sentences.append(_noise_sentence(scan, None if scan is first else first))
    for scan in summary.scans[1:]:
        sentences.append(_change_sentence(first, scan))
        if phantom.largest_contrast_hu < STRONG_HU:
            sentences += _detection_sentences(first, scan)
    return sentences


def _counts(scan: ScanResult) -> str:
    images = counted(scan.n_present, "image")
    return f"{scan.name} {images}" + (f" with and {scan.n_absent} without inserts" if scan.n_absent else "")


def _noise_sentence(scan: ScanResult, first: ScanResult | None) -> str:
    """Noise and its mean frequency, and by how much they differ from the first scan's."""
    noise = scan.noise
    if noise is None:
        return ""
    how = "by subtraction of repeats" if noise.is_by_subtraction else "in flat squares of single images"
    text = f"Noise of {scan.name}, {how}: {estimate_text(noise.noise_hu, 1)} HU"
    frequency = noise.mean_frequency_per_mm.value
    text += f" at a mean frequency of {number(frequency, 3)} /mm" if frequency is not None else ""
    if first is not None and first.noise is not None:
        change = change_percent(first.noise.noise_hu, noise.noise_hu)
        shift = change_percent(first.noise.mean_frequency_per_mm, noise.mean_frequency_per_mm)
        text += f", {number(change, 0, signed=True)} % against {first.name}" if change is not None else ""
        text += f" (mean frequency {number(shift, 0, signed=True)} %)" if shift is not None else ""
    return f"{text}."


def _change_sentence(first: ScanResult, scan: ScanResult) -> str:
    """What happened to contrast, and whether the intervals tell it from nothing."""
    kept: list[tuple[float, str]] = []
    for result in scan.inserts:
        before = first.insert(result.insert.name)
        if before is None or not before.contrast_hu.value or result.contrast_hu.value is None:
            continue
        if is_apart_from_zero(before.contrast_hu):
            text = _share_text(result.contrast_hu, before.contrast_hu.value)
            kept.append((result.contrast_hu.value / before.contrast_hu.value, f"{result.insert.name} {text}"))
    if not kept:
        return f"No insert's contrast stands out of the noise of {first.name}: what {scan.name} keeps cannot be told."
    texts = [text for _, text in kept]
    if len(kept) > MOST_LISTED:
        texts = [f"of {len(kept)} inserts the least {min(kept)[1]}", f"the most {max(kept)[1]}"]
    return f"Contrast that {scan.name} shows, of that in {first.name}: {listing(texts)}."


def _detection_sentences(first: ScanResult, scan: ScanResult) -> list[str]:
    """d′ of faint inserts after for before: CNR rises with any blur, d′ does not."""
    value = d_prime("cho")
    found = []
    for result in scan.inserts:
        before = first.insert(result.insert.name)
        own = value(result), None if before is None else value(before)
        if own[0] is not None and own[1] is not None:
            found.append(f"{result.insert.name} {number(own[0].value, 2)} for {number(own[1].value, 2)}")
    if not found:
        return []
    return [f"d′ (channelised Hotelling) of {scan.name} for that of {first.name}: {listing(found)}; intervals below."]


def _share_text(after: Estimate, before: float) -> str:
    """Percent of what was there before, with the bounds of what is there now."""
    shares = [None if one is None else 100.0 * one / before for one in (after.value, after.low, after.high)]
    low, high = shares[1:] if before > 0.0 else shares[:0:-1]
    return f"{bounded(shares[0], low, high, 0)} %"


def is_apart_from_zero(estimate: Estimate) -> bool:
    """Whether the interval does not hold 0; true for a value without an interval."""
    if estimate.low is None or estimate.high is None:
        return estimate.value is not None
    return estimate.low > 0.0 or estimate.high < 0.0


def change_percent(before: Estimate, after: Estimate) -> float | None:
    """100 · (after / before − 1)."""
    if not before.value or after.value is None:
        return None
    return 100.0 * (after.value / before.value - 1.0)


def estimate_text(estimate: Estimate, decimals: int, signed: bool = False) -> str:
    """Write ``21.6 [21.5, 21.7]``."""
    return bounded(estimate.value, estimate.low, estimate.high, decimals, signed)

"""What a volume file shows: CT, or labels, probabilities, PET, dose, MR and the like, by its name, header and values.

Names alone are no evidence: a folder ``mask_study`` may hold CT. Values that hold gas and tissue are CT whatever the
name says; values that can be nothing else are no CT whatever the name says; between them name and header decide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from n2b_ct.io.value_histogram import ValueHistogram
from n2b_ct.io.volume_formats.header import Scale

Reason = Literal["", "label_map", "not_ct", "maybe_not_hu"]

_LABEL_WORD = re.compile(
    r"\w*(label|mask|segment|annot|contour|parcel)\w*|(\w*seg|segs|msk|rois?|gt|groundtruth|organs?|atlas)\d*"
)
_OTHER_WORD = re.compile(
    r"pet|petres|fdg|suv\w*|spect|ultrasound|rtdose|dosemap|t[12](w|wi|c|ce|gd|map)?|flair|adc|dwi|dwmri|dti|mri?|mra|bold"
    r"|fmri|asl|swi|qsm|fieldmap|prob|probs|probability|probabilities|softmax|logits?|heatmap|uncertainty|entropy|disp"
    r"|displacement|dvf|warp|jacobian|distance|sdf|sdt|edt"
)
_CT_WORD = re.compile(r"ct|hu|cbct|ldct|ndct|cect|ncct")
_DOSE_WORDS = {"dose", "doses", "plan", "rt", "total", "map", "distribution", "gy", "cgy"}  # but not low, quarter, full
_ENDING_WORDS = {"nii", "gz", "hdr", "nrrd", "nhdr", "mha", "mhd"}
_MR_DESCRIPTION = re.compile(r"\bTE=\d")  # dcm2niix's description of MR
_WORDS = re.compile(r"[a-z0-9]+")

_ALL_BELOW, _ALL_ABOVE = -math.inf, math.inf
_GAS_BELOW_HU = -300.0
_GAS_SHARE = 0.001
_DEEP_BELOW_HU = -1500.0
_DEEP_SHARE = 0.05
_N_LABELS_SURE, _N_LABELS_MAX = 32, 4096
_LABEL_FLATNESS = 0.5
_N_VOXELS_A_LABEL = 4
_BELOW_ANY_OFFSET = 600.0
_SMOOTH_BELOW = 0.3  # CT of a soft kernel has 0.75, and half of that where pixels were doubled


@dataclass(frozen=True, slots=True)
class Kind:
    """What a volume was taken for.

    Attributes:
        reason: Why it is not used; empty for CT.
        got: What was found, for a message.
        is_declared: Name or header say so too: the values are not what decides, and ``assume_hu`` does not overrule it.
    """

    reason: Reason = ""
    got: str = ""
    is_declared: bool = False


def kind_of(path: Path, descriptions: Iterable[str], histogram: ValueHistogram, offset_hu: float = 0.0) -> Kind:
    """Tell CT from other volumes.

    Args:
        path: Its name and that of its folder are looked at.
        descriptions: Texts of its header.
        histogram: All its values, before the offset.
        offset_hu: What must be added to its values to get HU.
    """
    declared, got = _declared(path, descriptions), _found(histogram)
    if _is_label_like(histogram):
        has_gas = histogram.n_between(_ALL_BELOW, _GAS_BELOW_HU) > 0
        if has_gas and declared != "label_map":
            return Kind("maybe_not_hu", f"{got}: labels, or a phantom without noise")
        return Kind("label_map", got, declared == "label_map" and not has_gas)
    if declared == "not_ct" and not _is_ct_whatever_it_is_called(histogram, offset_hu):
        return Kind("not_ct", got, is_declared=True)
    if histogram.roughness < _SMOOTH_BELOW and not _is_below_any_offset(histogram):
        return Kind("maybe_not_hu", f"{got} without noise, as in a map of distances, dose or displacement")
    if _has_gas_and_tissue(histogram, offset_hu) or _could_be_soft_tissue(histogram, offset_hu):
        return Kind()
    if (
        declared == "label_map"
        and histogram.least >= 0
        and (histogram.is_whole and histogram.flatness >= _LABEL_FLATNESS)
    ):
        return Kind("label_map", got, is_declared=True)
    return Kind("not_ct" if _is_below_any_offset(histogram) else "maybe_not_hu", got)


def is_clear(words: np.dtype, scale: Scale, histogram: ValueHistogram, offset_hu: float = 0.0) -> bool:
    """Say whether a part of the values tells enough: CT's gas and tissue, or labels in bytes, which no HU fit into."""
    if _is_label_like(histogram):
        return words.itemsize == 1 and scale == Scale()
    return _is_ct_whatever_it_is_called(histogram, offset_hu)


# ── Values ──


def _is_ct_whatever_it_is_called(histogram: ValueHistogram, offset_hu: float) -> bool:
    """Gas, tissue and noise outweigh a name, but not where it takes an offset to make gas of what is not negative."""
    is_rough = histogram.roughness >= _SMOOTH_BELOW
    return is_rough and _has_gas_and_tissue(histogram, offset_hu) and not (offset_hu and histogram.least >= 0)


def _is_label_like(histogram: ValueHistogram) -> bool:
    """Few whole numbers, hardly one negative (-1 and -100 mean "ignore"), and neighbours that are equal.

    CT clipped or stored with 8 bits has few values too, but many are negative, and noise makes neighbours differ.
    """
    n_distinct = histogram.n_distinct()
    if (
        not histogram.is_whole
        or histogram.n_distinct(upper=0) > 2
        or histogram.n_values < _N_VOXELS_A_LABEL * n_distinct
    ):
        return False
    if n_distinct <= _N_LABELS_SURE and histogram.least <= 1:
        return True
    return n_distinct <= _N_LABELS_MAX and histogram.flatness >= _LABEL_FLATNESS


def _has_gas_and_tissue(histogram: ValueHistogram, offset_hu: float) -> bool:
    """Air, lung or bowel gas of many values beside tissue: one value below -300 alone may be padding."""
    n_tissue = histogram.n_between(_GAS_BELOW_HU - offset_hu, _ALL_ABOVE)
    is_tissue_there = n_tissue >= _GAS_SHARE * histogram.n_values
    return _has_gas(histogram, offset_hu) and is_tissue_there and not _is_too_low(histogram, offset_hu)


def _has_gas(histogram: ValueHistogram, offset_hu: float) -> bool:
    gas = _ALL_BELOW, _GAS_BELOW_HU - offset_hu
    return histogram.n_distinct(*gas) > 2 and histogram.n_between(*gas) >= _GAS_SHARE * histogram.n_values


def _is_too_low(histogram: ValueHistogram, offset_hu: float) -> bool:
    """Many values, and not of padding, are lower than any noise around air: a wrong offset, or phases of MR."""
    deep = _ALL_BELOW, _DEEP_BELOW_HU - offset_hu
    return histogram.n_between(*deep) - histogram.n_most_common(*deep) > _DEEP_SHARE * histogram.n_values


def _could_be_soft_tissue(histogram: ValueHistogram, offset_hu: float) -> bool:
    """No gas, as in a tight crop: values reach as far below water as fat or noise do, and not up to an offset.

    What was resampled undershoots a little; networks' inputs and outputs spread over a few units only.
    """
    if _has_gas(histogram, offset_hu):
        return False
    lowest = _GAS_BELOW_HU - offset_hu
    low, high = (histogram.percentile(percent, lowest) + offset_hu for percent in (1, 99))
    is_wide = high - low >= (10 if histogram.is_whole else 50)
    return (
        is_wide and low < 0 and low <= -0.05 * high and high <= 2000 and not _has_tissue_near_1000(histogram, offset_hu)
    )


def _has_tissue_near_1000(histogram: ValueHistogram, offset_hu: float) -> bool:
    """More values lie where an offset of 1000 or 1024 puts tissue than between there and soft tissue."""
    n_near = histogram.n_between(850 - offset_hu, 1200 - offset_hu)
    return n_near >= _GAS_SHARE * histogram.n_values and n_near > histogram.n_between(400 - offset_hu, 800 - offset_hu)


def _is_below_any_offset(histogram: ValueHistogram) -> bool:
    """Not negative, and less than tissue under any offset; whole HU within one organ are that too, but far from 0."""
    starts_at_0 = 0 <= histogram.least <= 0.05 * histogram.greatest
    return histogram.greatest < _BELOW_ANY_OFFSET and (starts_at_0 or (histogram.least >= 0 and not histogram.is_whole))


def _found(histogram: ValueHistogram) -> str:
    values = f"values from {histogram.least:.4g} to {histogram.greatest:.4g}"
    n_distinct = histogram.n_distinct()
    return f"{n_distinct} whole {values}" if histogram.is_whole and n_distinct <= _N_LABELS_MAX else values


# ── Names and headers ──


def _declared(path: Path, descriptions: Iterable[str]) -> Literal["", "label_map", "not_ct"]:
    """What header, name and folder say, in this order; a name with the word CT is no other image's."""
    texts = list(descriptions)
    if any(map(_MR_DESCRIPTION.search, texts)):
        return "not_ct"
    for text in (*texts, path.name, path.parent.name):
        words = _WORDS.findall(text.lower())
        if any(map(_LABEL_WORD.fullmatch, words)):
            return "label_map"
        if any(map(_CT_WORD.fullmatch, words)):
            return ""
        if any(map(_OTHER_WORD.fullmatch, words)) or _is_of_dose({*words} - _ENDING_WORDS):
            return "not_ct"
    return ""


def _is_of_dose(words: set[str]) -> bool:
    """Say whether a name speaks of radiotherapy's dose alone; CT is often called after the dose it was taken with."""
    return any(word.startswith("dose") for word in words) and words <= _DOSE_WORDS

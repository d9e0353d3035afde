"""What a phantom report's ``report.json`` holds: every number at full precision, null for what does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from n2b_ct.evaluation import observers, resolution, texture
from n2b_ct.evaluation.detectability import DEFINITIONS as D_PRIME
from n2b_ct.evaluation.detectability import Detectability
from n2b_ct.evaluation.quality_phantom import insert_measures, linearity, noise_measures
from n2b_ct.evaluation.quality_phantom.insert_measures import InsertResult
from n2b_ct.evaluation.quality_phantom.linearity import Linearity
from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary, ScanResult
from n2b_ct.evaluation.quality_phantom.noise_measures import NoiseResult
from n2b_ct.evaluation.quality_phantom.sentences import summary_sentences
from n2b_ct.evaluation.report.document import DISCLAIMER, Provenance
from n2b_ct.evaluation.resolution import Ttf

SCHEMA = "n2b-ct/phantom-report"
SCHEMA_VERSION = 1
_TTF = ("ttf", "ttf_f50_per_mm", "ttf_f10_per_mm", "ttf_standard_error", "ttf_noise_criterion")
DEFINITIONS: dict[str, str] = {
    **noise_measures.DEFINITIONS,
    "nps_mean_frequency": texture.DEFINITIONS["nps_mean_frequency"],
    **insert_measures.DEFINITIONS,
    "npw": observers.DEFINITIONS["npw"],
    **{name: D_PRIME[name] for name in ("d_prime", "d_prime_interval")},
    **{name: resolution.DEFINITIONS[name] for name in _TTF},
    **linearity.DEFINITIONS,
}


def phantom_document(summary: PhantomSummary, provenance: Provenance, figures: Sequence[str]) -> dict[str, Any]:
    """Build what ``report.json`` holds.

    Args:
        summary: All numbers.
        provenance: Printed as it is.
        figures: Paths of the images beside the file.
    """
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "disclaimer": DISCLAIMER,
        "provenance": asdict(provenance),
        "phantom": summary.phantom.model_dump(mode="json"),
        "summary": summary_sentences(summary),
        "definitions": DEFINITIONS,
        "problems": list(summary.problems),
        **summary.inputs.plain,
        "scans": [_scan_entry(one) for one in summary.scans],
        "figures": list(figures),
    }


def _scan_entry(scan: ScanResult) -> dict[str, Any]:
    return {
        "name": scan.name,
        "n_present": scan.n_present,
        "n_absent": scan.n_absent,
        "placement": {
            "centre_px": scan.placement.centre_px,
            "rotation_degrees": scan.placement.rotation_degrees,
            "is_mirrored": scan.placement.is_mirrored,
            "pixel_mm": scan.placement.pixel_mm,
            "z": scan.placement.z,
        },
        "remarks": list(scan.remarks),
        "noise": _noise_entry(scan.noise),
        "linearity": _linearity_entry(scan.linearity),
        "inserts": [_insert_entry(one, scan) for one in scan.inserts],
    }


def _noise_entry(noise: NoiseResult | None) -> dict[str, Any] | None:
    if noise is None:
        return None
    radial = None if noise.nps is None else noise.nps.radial()
    return {
        "noise_hu": noise.noise_hu.plain,
        "centre_hu": noise.centre_hu.plain,
        "rim_hu": noise.rim_hu.plain,
        "mean_frequency_per_mm": noise.mean_frequency_per_mm.plain,
        "by_subtraction": noise.is_by_subtraction,
        "n_images": noise.n_images,
        "nps": None
        if noise.nps is None or radial is None
        else {
            "frequency_per_mm": radial.frequency_per_mm.tolist(),
            "power_hu2_mm2": radial.power_hu2_mm2.tolist(),
            "peak_frequency_per_mm": radial.peak_frequency_per_mm,
            "region_px": noise.nps.size_px,
            "n_regions": noise.nps.n_rois,
        },
    }


def _linearity_entry(line: Linearity | None) -> dict[str, Any] | None:
    if line is None:
        return None
    return asdict(line) | {"slope": line.slope.plain, "intercept_hu": line.intercept_hu.plain}


def _insert_entry(result: InsertResult, scan: ScanResult) -> dict[str, Any]:
    return {
        "name": result.insert.name,
        "material": result.insert.material,
        "centre_px": scan.placement.insert_px(result.insert),
        "radius_mm": result.insert.radius_mm,
        "nominal_hu": result.insert.hu,
        "nominal_contrast_hu": result.nominal_contrast_hu,
        "hu": result.hu.plain,
        "contrast_hu": result.contrast_hu.plain,
        "noise_hu": result.noise_hu.plain,
        "cnr": result.cnr.plain,
        "ttf": _ttf_entry(result.ttf),
        "d_prime": {name: _d_prime_entry(found) for name, found in result.d_primes.items()},
        "n_present": result.n_present,
        "n_absent": result.n_absent,
        "remarks": list(result.remarks),
    }


def _ttf_entry(ttf: Ttf | None) -> dict[str, Any] | None:
    if ttf is None:
        return None
    n = int(np.searchsorted(ttf.frequency_per_mm, 0.5 * ttf.frequency_per_mm[-1], side="right"))
    return {
        "f50_per_mm": ttf.f50_per_mm,
        "f10_per_mm": ttf.f10_per_mm,
        "fitted_radius_mm": ttf.radius_mm,
        "fitted_contrast_hu": ttf.contrast_hu,
        "frequency_per_mm": ttf.frequency_per_mm[:n].tolist(),
        "ttf": ttf.ttf[:n].tolist(),
        "standard_error": ttf.standard_error[:n].tolist(),
    }


def _d_prime_entry(found: Detectability) -> dict[str, Any]:
    return {
        "value": found.d_prime,
        "low": found.d_prime_low,
        "high": found.d_prime_high,
        "auc": found.auc,
        "held_out": found.d_prime_held_out,
        "resubstitution": found.d_prime_resubstitution,
    }

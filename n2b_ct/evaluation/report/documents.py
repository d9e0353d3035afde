"""The same numbers for machines: ``report.json``, whose form ``report.schema.json`` states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from n2b_ct.evaluation import (
    detectability,
    dose_potential,
    fidelity,
    flat_regions,
    hallucination,
    inserts,
    intervals,
    lesions,
    observers,
    residual,
    resolution,
    rois,
    slice_noise,
    texture,
)
from n2b_ct.evaluation.flat_regions import TISSUE_CLASSES_HU
from n2b_ct.evaluation.report import certainty as certainty_module
from n2b_ct.evaluation.report import summary as summary_module
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.sentences import notes, summary_sentences
from n2b_ct.evaluation.report.summary import Result, Summary
from n2b_ct.evaluation.report.tables import method_descriptions
from n2b_ct.evaluation.results import Certainty, Physics
from n2b_ct.hu import Window

SCHEMA = "n2b-ct/report"
SCHEMA_VERSION = 2
DISCLAIMER = "Research software, not a medical device: these numbers and images are not for diagnosis."

_DEFINED_IN = (
    fidelity,
    flat_regions,
    summary_module,
    intervals,
    certainty_module,
    rois,
    texture,
    slice_noise,
    inserts,
    resolution,
    detectability,
    observers,
    dose_potential,
    residual,
    hallucination,
    lesions,
)
_NOT_USED = {"pair_noise"}
DEFINITIONS: dict[str, str] = {
    name: text for module in _DEFINED_IN for name, text in module.DEFINITIONS.items() if name not in _NOT_USED
}


def report_document(summary: Summary, provenance: Provenance, figures: Sequence[str]) -> dict[str, Any]:
    """Build what ``report.json`` holds: plain values at full precision, null for what does not exist.

    Args:
        summary: All means.
        provenance: Printed as it is.
        figures: Paths of the images beside the file.
    """
    described = method_descriptions(summary, provenance)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "disclaimer": DISCLAIMER,
        "provenance": asdict(provenance),
        "has_reference": summary.has_reference,
        "n_identical": summary.n_identical,
        "summary": summary_sentences(summary),
        "notes": notes(summary),
        "definitions": DEFINITIONS,
        "tissue_classes_hu": TISSUE_CLASSES_HU,
        "windows": [_window_entry(name, window) for name, window in summary.windows.items()],
        "methods": [
            {"name": name, "role": role, "description": described[name]} for name, role in summary.roles.items()
        ],
        "dose_levels": [asdict(level) for level in summary.levels],
        "overall": asdict(summary.overall),
        "anchor": summary.anchor,
        "dropped": list(summary.physics.dropped),
        "problems": list(summary.physics.problems),
        **summary.inputs.plain,
        "results": [_result_entry(result, summary) for result in summary.results.values()],
        "certainty": _certainty_entry(summary.certainty),
        "physics": _physics_entry(summary.physics),
        "figures": list(figures),
    }


def _window_entry(name: str, window: Window) -> dict[str, Any]:
    return {
        "name": name,
        "lower_hu": window.lower_hu,
        "upper_hu": window.upper_hu,
        "data_range_hu": window.width_hu,
    }


def _result_entry(result: Result, summary: Summary) -> dict[str, Any]:
    """One result with its dose, so that a reader needs no join; ``asdict`` gives the statistics."""
    doses = {level.label: level.dose for level in summary.levels}
    return {"dose": doses.get(result.level), "role": summary.roles[result.method], **asdict(result)}


def _certainty_entry(certainty: Certainty) -> dict[str, Any]:
    keys = ("level", "method", "window", "measure")
    return {
        "intervals": [dict(zip(keys, key, strict=True)) | asdict(one) for key, one in certainty.intervals.items()],
        "comparisons": [asdict(one) for one in certainty.comparisons],
        "best_baselines": [asdict(one) for one in certainty.best_baselines.values()],
        "per_series": [asdict(one) for one in certainty.per_series],
    }


def _physics_entry(physics: Physics) -> dict[str, Any]:
    return {
        "texture": [asdict(one) for one in physics.texture.values()],
        "tasks": [asdict(one) for one in physics.tasks],
        "resolution": [asdict(one) for one in physics.resolution],
        "detectability": [asdict(one) for one in physics.detectability],
        "potential": [asdict(one) for one in physics.potential],
        "residual": [asdict(one) for one in physics.residual.values()],
        "hallucination": [asdict(one) for one in physics.hallucination],
        "lesions": [asdict(one) for one in physics.lesions],
    }

"""The form of ``report.json`` as a JSON Schema, made from the very classes that are written.

``report.schema.json`` beside this file is the committed result, for readers in other languages; a test holds it to
:func:`schema_text`, whose text replaces it after a change of a class.

References:
    JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import MeanInterval, PairedComparison
from n2b_ct.evaluation.low_contrast.results import GRADES
from n2b_ct.evaluation.measures import BUILT_IN, GROUPED
from n2b_ct.evaluation.report.document import PHYSICS, SCHEMA, SCHEMA_VERSION, Provenance
from n2b_ct.evaluation.summary import DELTAS, REDUCTION, DoseLevel, Statistic
from n2b_ct.evaluation.table import KEYS
from n2b_ct.evaluation.verdicts import Verdict
from n2b_ct.io.series import FileRecord, SeriesRead

SCHEMA_NAME = "report.schema.json"
_PLAIN: dict[Any, str] = {
    str: "string",
    Path: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
}
_TEXT = {"type": "string"}
_WINDOW_LIMITS = ("lower_hu", "upper_hu", "data_range_hu")
_NUMBER_OR_NOTHING = {"anyOf": [{"type": "number"}, {"type": "null"}]}


def report_schema() -> dict[str, Any]:
    """Make the schema of ``report.json``."""
    properties: dict[str, Any] = {
        "schema": {"const": SCHEMA},
        "schema_version": {"const": SCHEMA_VERSION},
        "disclaimer": _TEXT,
        "provenance": schema_of(Provenance),
        "has_reference": {"type": "boolean"},
        "anchor": _TEXT,
        "n_identical": {"type": "integer"},
        "verdicts": _list(schema_of(Verdict)),
        "summary": _list(_TEXT),
        "notes": _list(_TEXT),
        "dropped": _list(_TEXT),
        "problems": _list(_TEXT),
        "series": _list(schema_of(SeriesRead)),
        "files": _list(schema_of(FileRecord)),
        "definitions": {"type": "object", "additionalProperties": _TEXT},
        "tissue_classes_hu": {"type": "object", "additionalProperties": _list({"type": "number"})},
        "windows": _list(object_schema({"name": _TEXT} | {key: {"type": "number"} for key in _WINDOW_LIMITS})),
        "methods": _list(object_schema({"name": _TEXT, "role": _TEXT, "description": _TEXT})),
        "dose_levels": _list(schema_of(DoseLevel)),
        "overall": schema_of(DoseLevel),
        "results": _list(_result()),
        "certainty": _certainty(),
        "low_contrast": _list(_low_contrast()),
        "physics": _physics(),
        "figures": _list(_TEXT),
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "n2b-ct report"}
    return head | object_schema(properties)


def schema_text() -> str:
    """The committed file's text."""
    return json.dumps(report_schema(), indent=1, ensure_ascii=False) + "\n"


def _result() -> dict[str, Any]:
    """Means by measure; those of installed packages are further keys."""
    mean = schema_of(Statistic)
    names = [name for name in BUILT_IN if name not in GROUPED]
    keys = {"dose": _NUMBER_OR_NOTHING, **dict.fromkeys(("role", "level", "method", "window"), _TEXT)}
    means = dict.fromkeys((*names, *DELTAS, REDUCTION), mean)
    of_mean = {"type": "object", "additionalProperties": mean}
    classes = dict.fromkeys(("class_bias_hu", "ideal_class_bias_hu", "noise_by_place_hu"), of_mean)
    return object_schema(keys | means | classes) | {"additionalProperties": mean}


def _certainty() -> dict[str, Any]:
    keys = dict.fromkeys(("level", "method", "window", "measure"), _TEXT)
    comparison = keys | dict.fromkeys(("against", "against_role"), _TEXT) | schema_of(PairedComparison)["properties"]
    comparison |= {"better": _of_type(bool | None)}
    series = {
        "dose": _NUMBER_OR_NOTHING,
        **dict.fromkeys(("series", "method", "window"), _TEXT),
        "n_slices": {"type": "integer"},
        "measures": {"type": "object", "additionalProperties": schema_of(MeanInterval)},
    }
    return object_schema(
        {
            "intervals": _list(_with(schema_of(MeanInterval), keys)),
            "comparisons": _list(object_schema(comparison)),
            "best_baselines": _list(object_schema(dict.fromkeys(("level", "name", "by"), _TEXT))),
            "per_series": _list(object_schema(series)),
        }
    )


def _low_contrast() -> dict[str, Any]:
    """One method, contrast and size: the share of the contrast that is left, with its interval, and the diameter."""
    lesion = {"level": _TEXT, "method": _TEXT, "contrast_hu": _NUMBER, "size_mm": _NUMBER}
    optional = dict.fromkeys(("low", "high", "size_recovered_mm", "size_low_mm", "size_high_mm"), _NUMBER_OR_NOTHING)
    known = {"recovery": _NUMBER, **optional, "n_lesions": _INTEGER, "measured_on": _TEXT}
    return object_schema(lesion | known | {"grade": {"enum": list(GRADES)}})


def _physics() -> dict[str, Any]:
    parts = {
        part: _list(object_schema({column: _COLUMNS[column] for column in KEYS[part]} | _measures(part)))
        for part in PHYSICS
    }
    return object_schema({"tasks": _list(schema_of(Task)), **parts})


def _measures(part: str) -> dict[str, Any]:
    return {name: schema for schema, names in _MEASURES[part] for name in names.split()}


def schema_of(owner: type) -> dict[str, Any]:
    """The form of a dataclass: an object with exactly its fields."""
    hints = get_type_hints(owner)
    return object_schema({one.name: _of_type(hints[one.name]) for one in fields(owner)})


def _of_type(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        return schema_of(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return {"anyOf": [_of_type(one) for one in arguments]}
    if origin is tuple:
        return _list(_of_type(arguments[0]))
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of_type(arguments[1])}
    msg = f"no JSON form for {hint}"
    raise TypeError(msg)


def object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _with(schema: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return object_schema(more | schema["properties"])


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_NUMBER, _INTEGER, _FLAG = ({"type": name} for name in ("number", "integer", "boolean"))
_CURVE = _list(_NUMBER)
_MEAN = schema_of(MeanInterval)
_COLUMNS = {
    "level": _TEXT,
    "dose": _NUMBER_OR_NOTHING,
    "method": _TEXT,
    "observer": _TEXT,
    "task": schema_of(Task),
}
_MEASURES: dict[str, tuple[tuple[dict[str, Any], str], ...]] = {
    "texture": (
        (_CURVE, "frequency_per_mm power_hu2_mm2"),
        (_list(_CURVE), "plane_hu2_mm2"),
        (_CURVE, "plane_step_per_mm"),
        (_NUMBER_OR_NOTHING, "peak_frequency_per_mm"),
        (_MEAN, "noise_std_hu mean_frequency_per_mm lag1_autocorrelation"),
        (_or_null(_MEAN), "noise_reduction_percent mean_frequency_shift_percent"),
        (_INTEGER, "n_rois roi_size_px"),
        (_TEXT, "source"),
    ),
    "resolution": (
        (_CURVE, "frequency_per_mm ttf standard_error"),
        (_NUMBER_OR_NOTHING, "f50_per_mm f10_per_mm f50_low_per_mm f50_high_per_mm f10_low_per_mm f10_high_per_mm"),
        (_NUMBER_OR_NOTHING, "f50_change_percent contrast_recovery_percent"),
        (_INTEGER, "n_insertions"),
        (_TEXT, "remark"),
    ),
    "detectability": (
        (_NUMBER_OR_NOTHING, "d_prime low high auc cnr"),
        (_INTEGER, "n_pairs"),
        (_TEXT, "remark"),
    ),
    "potential": (
        (_NUMBER, "target_dose target_d_prime"),
        (_NUMBER_OR_NOTHING, "dose reduction_percent"),
        (_TEXT, "remark"),
    ),
    "residual": (
        (_MEAN, "edge_correlation deviation_sds edge_excess_percent"),
        (_NUMBER_OR_NOTHING, "null_correlation"),
        (_INTEGER, "n_slices n_warned n_faint_slices n_faint_warned"),
        (_FLAG, "warns"),
        (_TEXT, "worst"),
        (_or_null(_CURVE), "residual_autocorrelation noise_autocorrelation"),
        (_or_null(_MEAN), "detail_removed_percent faint_removed_percent"),
    ),
    "hallucination": (
        (_NUMBER, "structure_hu p_value false_positive_rate expected_rate"),
        (_FLAG, "warns"),
        (_INTEGER, "n_regions"),
    ),
    "z_resolution": ((_MEAN, "z_transfer_percent"), (_INTEGER, "n_slices")),
    "lesions": ((_MEAN, "cnr contrast_recovery_percent"), (_INTEGER, "n_lesions")),
}
"""Part of the table to its measures, each group with their form."""

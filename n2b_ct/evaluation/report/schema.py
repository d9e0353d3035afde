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
from n2b_ct.evaluation.measures import BUILT_IN, CLASS_BIASES
from n2b_ct.evaluation.report.documents import SCHEMA, SCHEMA_VERSION
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.summary import DELTAS, REDUCTION, DoseLevel, Statistic
from n2b_ct.evaluation.results import (
    DetectabilityResult,
    HallucinationResult,
    LesionResult,
    PotentialResult,
    ResidualResult,
    ResolutionResult,
    TextureResult,
)
from n2b_ct.io.refusals import SeriesRead
from n2b_ct.io.series import FileRecord

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
    names = [name for name in BUILT_IN if name not in CLASS_BIASES.values()]
    keys = {"dose": _NUMBER_OR_NOTHING, **dict.fromkeys(("role", "level", "method", "window"), _TEXT)}
    means = dict.fromkeys((*names, *DELTAS, REDUCTION), mean)
    classes = {"class_bias_hu": {"type": "object", "additionalProperties": mean}}
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


def _physics() -> dict[str, Any]:
    parts = {
        "texture": TextureResult,
        "tasks": Task,
        "resolution": ResolutionResult,
        "detectability": DetectabilityResult,
        "potential": PotentialResult,
        "residual": ResidualResult,
        "hallucination": HallucinationResult,
        "lesions": LesionResult,
    }
    return object_schema({name: _list(schema_of(part)) for name, part in parts.items()})


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


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}

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
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.report.documents import SCHEMA, SCHEMA_VERSION
from n2b_ct.evaluation.report.physics import (
    BestControl,
    Comparison,
    DetectabilityResult,
    HallucinationResult,
    LesionResult,
    PotentialResult,
    ResidualResult,
    ResolutionResult,
    SeriesResult,
    Task,
    TextureResult,
)
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.summary import DoseLevel, Result

SCHEMA_NAME = "report.schema.json"
_PLAIN: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
_TEXT = {"type": "string"}
_WINDOW_LIMITS = ("lower_hu", "upper_hu", "data_range_hu")
_NUMBER_OR_NOTHING = {"anyOf": [{"type": "number"}, {"type": "null"}]}


def report_schema() -> dict[str, Any]:
    """Make the schema of ``report.json``."""
    properties: dict[str, Any] = {
        "schema": {"const": SCHEMA},
        "schema_version": {"const": SCHEMA_VERSION},
        "disclaimer": _TEXT,
        "provenance": _of_class(Provenance),
        "has_reference": {"type": "boolean"},
        "anchor": _TEXT,
        "n_identical": {"type": "integer"},
        "summary": _list(_TEXT),
        "notes": _list(_TEXT),
        "dropped": _list(_TEXT),
        "problems": _list(_TEXT),
        "definitions": {"type": "object", "additionalProperties": _TEXT},
        "tissue_classes_hu": {"type": "object", "additionalProperties": _list({"type": "number"})},
        "windows": _list(_object({"name": _TEXT} | {key: {"type": "number"} for key in _WINDOW_LIMITS})),
        "methods": _list(_object({"name": _TEXT, "role": _TEXT, "description": _TEXT})),
        "dose_levels": _list(_of_class(DoseLevel)),
        "overall": _of_class(DoseLevel),
        "results": _list(_with(_of_class(Result), {"dose": _NUMBER_OR_NOTHING, "role": _TEXT})),
        "certainty": _certainty(),
        "physics": _physics(),
        "figures": _list(_TEXT),
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "n2b-ct report"}
    return head | _object(properties)


def schema_text() -> str:
    """The committed file's text."""
    return json.dumps(report_schema(), indent=1, ensure_ascii=False) + "\n"


def _certainty() -> dict[str, Any]:
    keys = dict.fromkeys(("level", "method", "window", "measure"), _TEXT)
    return _object(
        {
            "intervals": _list(_with(_of_class(MeanInterval), keys)),
            "comparisons": _list(_of_class(Comparison)),
            "best_controls": _list(_of_class(BestControl)),
            "per_series": _list(_of_class(SeriesResult)),
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
    return _object({name: _list(_of_class(part)) for name, part in parts.items()})


def _of_class(owner: type) -> dict[str, Any]:
    hints = get_type_hints(owner)
    return _object({one.name: _of_type(hints[one.name]) for one in fields(owner)})


def _of_type(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        return _of_class(hint)
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


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _with(schema: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return _object(more | schema["properties"])


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}

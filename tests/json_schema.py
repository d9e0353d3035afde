"""As much of a JSON Schema validator as the report's schema uses."""

from __future__ import annotations

from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def schema_problems(value: Any, schema: dict[str, Any], place: str = "$") -> list[str]:
    """Say where a value breaks its schema; empty where it does not."""
    known = {"anyOf", "const", "enum", "type", "properties", "required", "additionalProperties", "items"}
    unknown = set(schema) - known - {"$schema", "title"}
    assert not unknown, f"this validator does not know {unknown}"
    if "anyOf" in schema:
        branches = [schema_problems(value, one, place) for one in schema["anyOf"]]
        return [] if any(not branch for branch in branches) else [f"{place}: fits no branch: {branches}"]
    if "const" in schema:
        return [] if value == schema["const"] else [f"{place}: must be {schema['const']}, got {value}"]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{place}: must be one of {schema['enum']}, got {value}"]
    if not _has_type(value, schema["type"]):
        return [f"{place}: must be {schema['type']}, got {value!r}"]
    if isinstance(value, dict):
        return _object_problems(value, schema, place)
    if isinstance(value, list):
        return [line for k, one in enumerate(value) for line in schema_problems(one, schema["items"], f"{place}[{k}]")]
    return []


def _has_type(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _object_problems(value: dict[str, Any], schema: dict[str, Any], place: str) -> list[str]:
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    lines = [f"{place}: lacks {name}" for name in schema.get("required", []) if name not in value]
    for name, one in value.items():
        if name in properties:
            lines += schema_problems(one, properties[name], f"{place}.{name}")
        elif rest is False:
            lines.append(f"{place}: must not have {name}")
        elif isinstance(rest, dict):
            lines += schema_problems(one, rest, f"{place}.{name}")
    return lines

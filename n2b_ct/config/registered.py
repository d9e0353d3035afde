"""Names of registries in files, and sections whose keys belong to the member that one of their keys names."""

from __future__ import annotations

from typing import Any

from pydantic import AfterValidator, BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from n2b_ct.config.section import Section
from n2b_ct.registry import Registry, UnavailableError


def registered(registry: Registry[Any], key: str, base: type[Section], default: str | None = None) -> BeforeValidator:
    """Return a validator that reads a mapping as the section of the registry's member that ``key`` names.

    The member is such a section itself, or has it as its ``Config``. Problems keep the keys' own paths.

    Args:
        registry: Where names are looked up.
        key: Of the mapping, such as ``name``.
        base: What every member's section derives from.
        default: Name where the mapping has none; None: it must.
    """

    def validate(value: object) -> object:
        if not isinstance(value, dict):
            return value
        values: dict[Any, Any] = value if default is None else {key: default, **value}
        if key not in values:
            raise _error(base, key, "missing", values)
        name = values[key]
        try:
            member = registry.get(str(name))
        except UnavailableError as error:
            raise _error(base, key, _unavailable(error), name) from error
        section: type[Section] = getattr(member, "Config", member)
        return section.model_validate(values)

    return BeforeValidator(validate)


def registered_name(registry: Registry[Any]) -> AfterValidator:
    """Return a validator that refuses a name that the registry does not know; the remedy names the nearest ones."""

    def validate(name: str) -> str:
        try:
            registry.get(name)
        except UnavailableError as error:
            raise _unavailable(error) from error
        return name

    return AfterValidator(validate)


def _unavailable(error: UnavailableError) -> PydanticCustomError:
    details = {"requirement": error.requirement, "got": error.got, "remedy": error.remedy}
    return PydanticCustomError("unavailable", "{requirement}", details)


def _error(base: type[Section], key: str, kind: str | PydanticCustomError, value: object) -> ValidationError:
    return ValidationError.from_exception_data(base.__name__, [InitErrorDetails(type=kind, loc=(key,), input=value)])

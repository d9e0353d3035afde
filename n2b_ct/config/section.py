"""The base class of all sections of a pipeline."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from n2b_ct.registry import did_you_mean


class Section(BaseModel):
    """A frozen section; a misspelt key is an error, which names the nearest keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest_keys(cls, values: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(values)
        except ValidationError as error:
            problems = error.errors()
            if not any(map(_is_unknown_key, problems)):
                raise
            details = [_detailed(problem, cls.model_fields) for problem in problems]
            raise ValidationError.from_exception_data(error.title, details) from error


def _is_unknown_key(problem: ErrorDetails) -> bool:
    """Whether the problem is an unknown key of this very section, not of one in it."""
    return problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1


def _detailed(problem: ErrorDetails, keys: Collection[str]) -> InitErrorDetails:
    """Return the problem as it was; of an unknown key, with a remedy."""
    kind: str | PydanticCustomError = problem["type"]
    context = problem.get("ctx", {})
    if _is_unknown_key(problem):
        context = {"remedy": did_you_mean(str(problem["loc"][0]), keys, "correct its name or remove it")}
        kind = PydanticCustomError("unknown_key", "must be a known key", context)
    elif kind not in get_args(ErrorType):
        kind = PydanticCustomError(problem["type"], problem["msg"], context)
    return InitErrorDetails(type=kind, loc=problem["loc"], input=problem["input"], ctx=context)

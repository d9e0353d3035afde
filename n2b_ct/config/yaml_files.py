"""YAML in and out: plain values only, no duplicate keys, shipped files found from any folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from n2b_ct.config.yaml_text import MOST_BYTES, YamlTextError, decoded, parse_yaml
from n2b_ct.errors import ConfigError, explain

ShippedKind = Literal["pipelines", "pipelines/benchmark", "data_manifests", "quality_phantoms"]
KeyPath = tuple[int | str, ...]
"""The keys that lead to a value, as pydantic gives them."""
Overrides = Sequence[str] | Mapping[str, Any]
"""``section.key=value`` texts, whose values are YAML; or ``section.key`` to its value."""
_PACKAGE = Path(__file__).resolve().parents[1]
_N_SHOWN = 80
_N_PROBLEMS_SHOWN = 30
_MOST_SECTIONS = 16
_DATA_KINDS = ("ct", "natural_images")


class _PlainDumper(yaml.SafeDumper):
    """Writes every value out, where PyYAML refers to one that it has met before."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def shipped_dir(kind: ShippedKind) -> Path:
    """Return the folder of shipped files: inside an installed wheel, else at the repository's root."""
    installed = _PACKAGE / "shipped" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def find_yaml(name: str | Path, kind: ShippedKind, beside: Path | None = None) -> Path:
    """Find a YAML file: as a path, beside the file that names it, else among the shipped ones.

    Args:
        name: A path, or the name of a shipped file with or without ``.yaml``.
        kind: Which shipped folder to look in.
        beside: The folder of the file that names it.

    Raises:
        ConfigError: No such file anywhere.
    """
    path = Path(name)
    names = [path] if path.suffix in {".yaml", ".yml"} else [path, Path(f"{name}.yaml")]
    places = [Path(), *([beside] if beside else []), shipped_dir(kind)]
    for place in places:
        for candidate in names:
            if (place / candidate).is_file():
                return place / candidate
    known = ", ".join(sorted(p.name for p in shipped_dir(kind).glob("*.yaml"))) or "none"
    raise ConfigError(explain(str(name) or kind, "must be a YAML file", "no such file", f"shipped files are: {known}"))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping of plain values.

    Raises:
        ConfigError: The file cannot be read, is not YAML, or is not a mapping.
    """
    try:
        with path.open("rb") as file:
            text = decoded(file.read(MOST_BYTES + 1))
    except OSError as error:
        raise ConfigError(
            explain(path.name, "must be a readable text file", type(error).__name__, "check the path")
        ) from error
    except YamlTextError as error:
        remedy = f"save it as UTF-8 text of at most {MOST_BYTES / 1e6:.0f} MB"
        raise ConfigError(explain(path.name, "must be a readable text file", error, remedy)) from error
    try:
        values = parse_yaml(text)
    except YamlTextError as error:
        raise ConfigError(explain(path.name, "must be YAML", error, "mend that line")) from error
    if not isinstance(values, dict):
        raise ConfigError(
            explain(path.name, "must be a mapping of sections", type(values).__name__, "see a shipped pipeline")
        )
    return values


def as_yaml(values: dict[str, Any]) -> str:
    """Word plain values as YAML, keys in their own order."""
    text: str = yaml.dump(values, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def with_overrides(values: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Apply overrides to a copy of ``values``.

    Raises:
        ConfigError: A text has no ``=``, or a path runs through something that is not a section.
    """
    result: dict[str, Any] = _copy(dict(values))
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_key_and_value, overrides)
    for dotted, value in pairs:
        *sections, key = dotted.strip().split(".")
        if len(sections) > _MOST_SECTIONS:
            requirement = f"must lead through at most {_MOST_SECTIONS} sections"
            subject = f"overrides={dotted[:_N_SHOWN]}"
            raise ConfigError(explain(subject, requirement, len(sections), "check the key's path"))
        place = result
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(
                    explain(f"overrides={dotted}", f"{section} must be a section", "a value", "check the key's path")
                )
        place[key] = value
    return result


def _key_and_value(override: str) -> tuple[str, Any]:
    """Split ``section.key=value``; the value is YAML."""
    dotted, equals, text = override.partition("=")
    if not equals or not dotted.strip():
        remedy = "write overrides=training.seed=1"
        raise ConfigError(explain(f"overrides={override}", "must be key=value", "no key or no =", remedy))
    try:
        return dotted, parse_yaml(text)
    except YamlTextError as error:
        subject = f"overrides={override[:_N_SHOWN]}"
        raise ConfigError(explain(subject, "the value must be YAML", error, "quote it")) from error


def problems_of(error: ValidationError, subject: str | Callable[[KeyPath], str]) -> list[str]:
    """Word every problem of a pydantic error as ``file: path.to.key: requirement, got value; remedy``.

    Args:
        error: What pydantic found.
        subject: The file, or which file and place of it a key path belongs to.
    """
    lines = []
    problems = error.errors()
    for problem in problems[:_N_PROBLEMS_SHOWN]:
        path = ".".join(str(part) for part in _as_written(problem["loc"]))
        requirement, got, remedy = _worded(problem)
        place = subject(problem["loc"]) if callable(subject) else subject
        for text in requirement.splitlines():
            lines.append(explain(f"{place}: {path}" if path else place, text[:1].lower() + text[1:], got, remedy))
    if len(problems) > _N_PROBLEMS_SHOWN:
        more, place = len(problems) - _N_PROBLEMS_SHOWN, subject if isinstance(subject, str) else "elsewhere"
        lines.append(explain(place, "must have no problems", f"{more} more", "correct these first"))
    return lines


def _worded(problem: ErrorDetails) -> tuple[str, str, str]:
    """Return requirement, value and remedy; our own problems bring the latter two along."""
    if problem["type"] == "missing":
        return "must be given", "nothing", "add it"
    own = problem.get("ctx", {})
    requirement = problem["msg"].removeprefix("Value error, ")
    return requirement, own.get("got", _short(problem["input"])), own.get("remedy", "correct it")


def _as_written(loc: tuple[int | str, ...]) -> Iterator[int | str]:
    """Leave out the kind of data, which pydantic puts into the path and nobody wrote there."""
    for before, part in zip(("", *loc), loc, strict=False):
        if not (before == "data" and part in _DATA_KINDS):
            yield part


def _short(value: object) -> str:
    """Show a value of a file, in one line and never a whole section."""
    if isinstance(value, dict):
        return f"a section with {', '.join(map(str, value)) or 'nothing'}"[:_N_SHOWN]
    return repr(value)[:_N_SHOWN]


def _copy(values: Any) -> Any:
    return {key: _copy(value) for key, value in values.items()} if isinstance(values, dict) else values

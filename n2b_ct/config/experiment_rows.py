"""Load an experiment: a pipeline for every row that is trained, and every problem of the file at once.

A row's keys win over the experiment's, section by section; overrides of the command line win over both. A section of
another kind (another noise, another denoiser) replaces the shared one whole, as their keys have nothing in common.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from n2b_ct.config.experiment import ExperimentSection, RowSection
from n2b_ct.config.methods import DenoiserSection, Method
from n2b_ct.config.natural_images import NaturalImageSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.config.yaml_files import KeyPath, ShippedKind, find_yaml, problems_of, read_yaml, with_overrides
from n2b_ct.errors import ConfigError, explain

SHIPPED_EXPERIMENTS: ShippedKind = "pipelines/benchmark"
_SHARED = ("data", "training", "denoising")
_KINDS = ("kind", "name", "filter")
"""Keys that say which keys a section may have."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A table that can be made.

    Attributes:
        section: The file's content, with the overrides.
        pipelines: Name of a row to its pipeline, for every row that is trained.
        chosen: Names of the rows that are to be trained and measured; None: all.
    """

    section: ExperimentSection
    pipelines: Mapping[str, Pipeline]
    chosen: tuple[str, ...] | None = None

    @property
    def colour(self) -> str:
        """Colour of all images: ``gray`` or ``rgb``."""
        return str(self.section.data.get("colour", "gray"))

    def is_chosen(self, name: str) -> bool:
        """Whether a row is to be trained and measured."""
        return self.chosen is None or name in self.chosen

    def only(self, names: Collection[str]) -> Experiment:
        """Choose rows; none named: all.

        Raises:
            ConfigError: There is no such row.
        """
        known = [row.name for row in self.section.rows]
        if unknown := [name for name in names if name not in known]:
            need = f"must name rows of {self.section.name}"
            raise ConfigError(explain("--only", need, ", ".join(unknown), f"its rows are: {', '.join(known)}"))
        return replace(self, chosen=tuple(names) or None)


def load_experiment(name: str | Path, overrides: Iterable[str] = ()) -> Experiment:
    """Read and validate an experiment.

    Args:
        name: A path, or the name of a shipped experiment such as ``bsd68_gaussian25.yaml``.
        overrides: ``section.key=value`` texts that win over the file and over every row of it.

    Raises:
        ConfigError: With one line for every problem that the file and the overrides have.
    """
    path = find_yaml(name, SHIPPED_EXPERIMENTS)
    overrides = list(overrides)
    values = with_overrides(_experiment_values(path), overrides)
    values.setdefault("name", path.stem)
    try:
        section = ExperimentSection.model_validate(values)
    except ValidationError as error:
        raise ConfigError(problems_of(error, path.name)) from error
    return Experiment(section, _pipelines(section, path.name, overrides))


def _experiment_values(path: Path) -> dict[str, Any]:
    values = read_yaml(path)
    if "rows" not in values and "method" in values:
        raise ConfigError(explain(path.name, "must be an experiment with rows", "a pipeline", "run n2b-ct train"))
    return values


def _pipelines(section: ExperimentSection, subject: str, overrides: list[str]) -> dict[str, Pipeline]:
    """Make every trained row's pipeline, or raise a ConfigError with all problems of all rows."""
    shared_overrides = [one for one in overrides if one.partition(".")[0].strip() in _SHARED]
    pipelines, problems = {}, dict[str, None]()
    for k, row in enumerate(section.rows):
        if row.method is None:
            continue
        values, place = with_overrides(_row_values(section, row), shared_overrides), f"{subject}: rows.{k} ({row.name})"
        try:
            pipelines[row.name] = Pipeline.model_validate(values)
        except ValidationError as error:
            own = {key: value for key, value in row.model_dump().items() if value}
            owner = partial(_owner, values=values, own=own, subject=subject, row=place)
            problems |= dict.fromkeys(problems_of(error, owner))
        else:
            problems |= dict.fromkeys(_kind_problems(pipelines[row.name], section, f"{place}: data"))
    if problems:
        raise ConfigError(list(problems))
    return pipelines


def _row_values(section: ExperimentSection, row: RowSection) -> dict[str, Any]:
    """The plain values of a row's pipeline."""
    method = dict(row.method or {})
    if section.denoiser is not None and "denoiser" not in method and _takes_denoiser(method.get("name")):
        method["denoiser"] = section.denoiser
    shared = {key: _merged(getattr(section, key), getattr(row, key)) for key in _SHARED}
    description = f"{section.name}: {row.name}"
    return {"name": row.word, "description": description, "method": method, **shared}


def _merged(base: Any, over: Any) -> Any:
    """Merge two sections, key by key; what is no section, or one of another kind, replaces what was there."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    if any(key in over and over[key] != base.get(key) for key in _KINDS):
        return over
    return {**base, **{key: _merged(base[key], value) if key in base else value for key, value in over.items()}}


def _takes_denoiser(method: object) -> bool:
    """Whether a method takes any denoiser; one that needs a network of its own has that as its default."""
    for section in get_args(get_args(Method)[0]):
        fields = section.model_fields
        if method in get_args(fields["name"].annotation):
            return "denoiser" in fields and fields["denoiser"].default == DenoiserSection()
    return False


def _owner(loc: KeyPath, values: dict[str, Any], own: dict[str, Any], subject: str, row: str) -> str:
    """Where a problem is: in the row, where its own keys lead as far as the merged ones do, else in what rows share."""
    is_own = loc[0] not in _SHARED or _depth(loc, own) >= _depth(loc, values)
    return row if is_own else subject


def _depth(loc: KeyPath, values: Any) -> int:
    """How many parts of a problem's path lead through these values; names of kinds lead nowhere."""
    depth = 0
    for part in loc:
        if isinstance(values, dict) and part in values:
            values, depth = values[part], depth + 1
    return depth


def _kind_problems(pipeline: Pipeline, section: ExperimentSection, place: str) -> list[str]:
    """A table compares one kind of image."""
    data = pipeline.data
    if not isinstance(data, NaturalImageSection):
        return [explain(f"{place}.kind", "must be images", data.kind, "run n2b-ct report for CT")]
    colour = section.data.get("colour", "gray")
    if data.colour != colour:
        return [explain(f"{place}.colour", f"must be {colour} as in data.colour", data.colour, "make another table")]
    return []

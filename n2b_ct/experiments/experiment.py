"""An experiment file: one table of a paper, its columns, its rows and the published values.

:func:`load_experiment` makes a pipeline of every row that is trained. A row's keys win over the experiment's, section
by section; overrides of the command line win over both. A section of another kind (another noise, another denoiser)
replaces the shared one whole, as their keys have nothing in common.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue, ValidationError, model_validator

from n2b_ct.config.natural_images import ImageFolder
from n2b_ct.config.networks import DenoiserSection
from n2b_ct.config.noise import NoiseSection
from n2b_ct.config.printable_names import FolderName, ShownName
from n2b_ct.config.registered import registered_name
from n2b_ct.config.section import Section
from n2b_ct.config.sections import Pipeline
from n2b_ct.config.yaml_files import KeyPath, ShippedKind, find_yaml, problems_of, read_yaml, with_overrides
from n2b_ct.errors import ConfigError, explain
from n2b_ct.registry import BASELINES, METHODS

INPUT_ROW = "input"
"""First row of every table: the noisy images."""
_Values = dict[str, JsonValue]
_Crop = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Annotated[int, Field(ge=16)]]
SHIPPED_EXPERIMENTS: ShippedKind = "pipelines/benchmark"
_SHARED = ("data", "training", "denoising")
_KINDS = ("kind", "name", "filter")
"""Keys that say which keys a section may have."""


class ColumnSection(ImageFolder):
    """A column of the table: test images under one noise."""

    name: ShownName
    """Heading of the column; published values and the gallery refer to it."""
    noise: NoiseSection | None = None
    """The noise that is laid on the images of ``folder``."""
    noisy: str | None = None
    """Instead of ``noise``: a folder of really noisy images, whose truth are the images of ``folder``, one by one
    in the order of their names."""
    seed: int = Field(0, ge=0)
    """Of the noise: image k gets the one of ``[seed, k, 3]``."""

    @model_validator(mode="after")
    def _one_noise(self) -> ColumnSection:
        if (self.noise is None) == (self.noisy is None):
            msg = "needs either noise or a folder of noisy images"
            raise ValueError(msg)
        return self


class PublishedValue(Section):
    """A paper's value for one cell of the table."""

    test: str
    """Name of the column."""
    psnr_db: float | None = None
    """Mean PSNR, dB."""
    ssim: float | None = Field(None, ge=-1, le=1)
    """Mean SSIM."""
    source: str
    """Key of ``sources``."""
    differs: str = ""
    """How the paper's test differs from ours (other images, colour); then only the order of methods is comparable."""

    @model_validator(mode="after")
    def _says_something(self) -> PublishedValue:
        if self.psnr_db is None and self.ssim is None:
            msg = "needs psnr_db or ssim"
            raise ValueError(msg)
        return self


class BaselineRow(Section):
    """A denoiser without training."""

    name: Annotated[str, registered_name(BASELINES)]
    sigma: float | None = Field(None, gt=0)
    """Noise level, 8-bit grey levels; null: the column's where that is one Gaussian level, else estimated from each
    image."""


class RowSection(Section):
    """A row: a method that is trained, or a denoiser without training."""

    name: ShownName
    """Name of the row."""
    method: _Values | None = None
    """A pipeline's ``method`` section."""
    baseline: BaselineRow | None = None
    """Instead of ``method``."""
    data: _Values = Field(default_factory=dict)
    """Keys that differ from the experiment's ``data``."""
    training: _Values = Field(default_factory=dict)
    """Keys that differ from the experiment's ``training``."""
    denoising: _Values = Field(default_factory=dict)
    """Keys that differ from the experiment's ``denoising``."""
    teacher: str | None = None
    """For UPI: the row whose run is ``method.teacher_run``, instead of a stage 1 of its own."""
    published: tuple[PublishedValue, ...] = ()
    """The papers' values."""
    note: str = ""
    """A sentence for the table's foot."""

    @model_validator(mode="after")
    def _one_kind(self) -> RowSection:
        if (self.method is None) == (self.baseline is None):
            msg = "needs either method or baseline"
            raise ValueError(msg)
        if self.baseline is not None and (self.data or self.training or self.denoising):
            msg = "a row without training has no data, training or denoising of its own"
            raise ValueError(msg)
        return self

    @property
    def slug(self) -> str:
        """The name as a part of file names."""
        return file_slug(self.name)


class PublishedRow(Section):
    """A row of the papers that is not run here."""

    name: ShownName
    published: tuple[PublishedValue, ...]
    note: str = ""


class GallerySection(Section):
    """Which test images are shown."""

    test: str
    """Name of the column."""
    images: dict[str, _Crop | None]
    """Names of its images, without their endings, to the square that is shown of each: first row, first column and
    side, pixels; null: the middle."""


class ExperimentSection(Section):
    """One table."""

    name: FolderName
    """Short name, also of the output folder."""
    description: str = ""
    """One sentence that describes it."""
    data: _Values
    """A pipeline's ``data`` section of kind ``natural_images``, for all rows that are trained."""
    tests: tuple[ColumnSection, ...]
    """The columns."""
    training: _Values = Field(default_factory=dict)
    """A pipeline's ``training`` section, for all rows that are trained."""
    denoising: _Values = Field(default_factory=dict)
    """A pipeline's ``denoising`` section, for all rows that are trained."""
    denoiser: _Values | None = None
    """The denoiser of every method that has one and does not say which."""
    rows: tuple[RowSection, ...]
    """The methods, in the table's order; the noisy images themselves always head it."""
    compare_with: str | None = None
    """Name of the row that every other is compared with, image by image."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Key to citation of what is published."""
    published: tuple[PublishedRow, ...] = ()
    """Rows of the papers that are not run here."""
    notes: tuple[str, ...] = ()
    """Sentences for the table's foot."""
    gallery: GallerySection | None = None
    """Images to show; null: none."""

    @model_validator(mode="after")
    def _names_fit(self) -> ExperimentSection:
        filled = {
            "tests": self.tests,
            "rows": self.rows,
            "gallery.images": self.gallery is None or self.gallery.images,
        }
        problems = [
            *(f"{key} must hold at least one" for key, found in filled.items() if not found),
            *_twice("tests", (test.name for test in self.tests)),
            *_twice("rows", (INPUT_ROW, *(row.name for row in self.rows))),
            *self._unknown(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _unknown(self) -> list[str]:
        tests, rows = {test.name for test in self.tests}, {row.name for row in self.rows}
        values = [value for row in self.rows for value in row.published]
        values += [value for row in self.published for value in row.published]
        named = {*(value.test for value in values), *((self.gallery.test,) if self.gallery else ())}
        problems = [f"published and gallery must name a test, not {name!r}" for name in sorted(named - tests)]
        sources = sorted({value.source for value in values} - set(self.sources))
        problems += [f"published must name a key of sources, not {name!r}" for name in sources]
        if self.compare_with is not None and self.compare_with not in rows:
            problems.append(f"compare_with must name a row, not {self.compare_with!r}")
        return problems + self._bad_teachers()

    def _bad_teachers(self) -> list[str]:
        """A teacher is trained before its student."""
        problems, before = [], set[str]()
        for row in self.rows:
            if row.teacher is not None and row.teacher not in before:
                problems.append(f"teacher of {row.name} must name a trained row above it, not {row.teacher!r}")
            before |= {row.name} if row.method is not None else set()
        return problems

    def plain(self) -> dict[str, Any]:
        """Return plain values, ready for YAML or JSON."""
        return self.model_dump(mode="json")


def file_slug(name: str) -> str:
    """A name as a part of file names: ``N2B one σ 25`` becomes ``n2b_one_25``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "unnamed"


def _twice(key: str, names: Iterable[str]) -> list[str]:
    """Names that would share their files."""
    counted = Counter(file_slug(name) for name in names)
    return [f"{key} must have names that differ in letters and digits: {slug}" for slug, n in counted.items() if n > 1]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A validated experiment with the pipelines of its rows.

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
            raise ConfigError(explain("only", need, ", ".join(unknown), f"its rows are: {', '.join(known)}"))
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
    return {"name": row.slug, "description": description, "method": method, **shared}


def _merged(base: Any, over: Any) -> Any:
    """Merge two sections, key by key; what is no section, or one of another kind, replaces what was there."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    if any(key in over and over[key] != base.get(key) for key in _KINDS):
        return over
    return {**base, **{key: _merged(base[key], value) if key in base else value for key, value in over.items()}}


def _takes_denoiser(method: object) -> bool:
    """Whether a method takes any denoiser; one that needs a network of its own has that as its default."""
    try:
        section = METHODS.get(str(method)).Config
    except ConfigError:
        return False
    return bool(section.model_fields["denoiser"].default == DenoiserSection())


def _owner(loc: KeyPath, values: dict[str, Any], own: dict[str, Any], subject: str, row: str) -> str:
    """Return where a problem is: in the row, where its own keys reach as deep as the merged ones, else in the shared
    sections."""
    is_own = loc[0] not in _SHARED or _depth(loc, own) >= _depth(loc, values)
    return row if is_own else subject


def _depth(loc: KeyPath, values: Any) -> int:
    """Return how many parts of a problem's path exist in these values; names of kinds do not count."""
    depth = 0
    for part in loc:
        if isinstance(values, dict) and part in values:
            values, depth = values[part], depth + 1
    return depth


def _kind_problems(pipeline: Pipeline, section: ExperimentSection, place: str) -> list[str]:
    """A table compares one kind of image."""
    data = pipeline.data
    if data.kind != "natural_images":
        return [explain(f"{place}.kind", "must be natural_images", data.kind, "run n2b-ct report for CT")]
    colour = section.data.get("colour", "gray")
    if data.colour != colour:
        return [explain(f"{place}.colour", f"must be {colour} as in data.colour", data.colour, "make another table")]
    return []

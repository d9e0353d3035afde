"""A data manifest: which series a data set has, their doses, its licence, and the rules that split it into roles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from n2b_ct.config.patterns import checked_pattern
from n2b_ct.config.section import Section
from n2b_ct.config.yaml_files import find_yaml, problems_of, read_yaml
from n2b_ct.errors import ConfigError, explain


class SeriesEntry(Section):
    """One series of a data set: its path, its selector, its dose."""

    path: str = "."
    """Folder or file below the data root that contains the series."""
    where: dict[str, str] = Field(default_factory=dict)
    """Header keyword to regular expression (searched, case-insensitive); all must match."""
    dose: float | None = Field(None, gt=0, le=1)
    """Dose fraction, 1 = full. Headers do not tell it: quarter-dose series often carry the full tube current."""
    patient: str = ""
    """Whose series it is, where PatientID is missing or an anonymiser gave one to several: a word, never an ID."""
    repair_uids: bool = False
    """Accept files with blank UIDs; their identity is then a digest of their content."""
    hu_offset: float = Field(0.0, allow_inf_nan=False)
    """What must be added to the values of a NIfTI, NRRD or MetaImage volume to get HU; DICOM says it itself."""
    assume_hu: bool = False
    """Assume HU where a file does not say so, or where a volume's values do not look like HU."""

    @field_validator("where")
    @classmethod
    def _are_patterns(cls, where: dict[str, str]) -> dict[str, str]:
        for keyword, pattern in where.items():
            try:
                checked_pattern(pattern)
            except ValueError as error:
                msg = f"{keyword} {error}"
                raise ValueError(msg) from error
        return where


class RoleEntry(Section):
    """Slices of one series in one role."""

    series: str
    """Name of a series of this manifest."""
    slices: str = ":"
    """Python-style ``first:last:step`` over the sorted slices; ``:`` is all of them."""
    reference: str | None = None
    """Series that shows the same slices at normal dose; slices are paired by position."""

    @field_validator("slices")
    @classmethod
    def _is_a_range(cls, text: str) -> str:
        parse_slices(text)
        return text


def _entry(value: object) -> object:
    return {"series": value} if isinstance(value, str) else value


Entry = Annotated[RoleEntry, BeforeValidator(_entry)]


class SeriesSplit(Section):
    """Roles given series by series."""

    rule: Literal["series"]
    clean: tuple[Entry, ...] = ()
    """Normal-dose slices; never paired with the noisy ones."""
    noisy: tuple[Entry, ...] = ()
    """Low-dose slices to learn from; a ``reference`` serves supervised training only."""
    validation: tuple[Entry, ...] = ()
    """Monitored while training; never used for model selection."""
    test: tuple[Entry, ...] = ()
    """Used by reports; never trained on."""


class ProportionsSplit(Section):
    """Split of one volume: test slices spread evenly, the rest in alternating blocks.

    Counts hold for a volume of ``clean + noisy + test`` slices and scale with the volume's length.
    """

    rule: Literal["proportions"]
    clean: int = Field(ge=1)
    noisy: int = Field(ge=1)
    test: int = Field(ge=1)
    block: int = Field(50, ge=1)
    """Slices per block: clean and noisy blocks alternate, so both cover the whole body and no slice is in both."""
    full_dose: str
    """The normal-dose series: clean slices and references."""
    low_dose: tuple[str, ...] = Field(min_length=1)
    """The low-dose series of the same volume."""


class EveryNthSplit(Section):
    """Every n-th slice tests, all others train in both roles (clean and noisy, drawn unpaired)."""

    rule: Literal["every_nth"]
    first: int = Field(ge=1)
    """First slice used, counted from 1."""
    last: int = Field(ge=1)
    """Last slice used, counted from 1."""
    every: int = Field(ge=2)
    """Test slices are 1, 1 + every, 1 + 2·every … among the used ones."""
    full_dose: str
    low_dose: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _first_before_last(self) -> EveryNthSplit:
        if self.last - self.first < self.every:
            msg = f"must leave at least {self.every} slices between first and last"
            raise ValueError(msg)
        return self


Split = Annotated[SeriesSplit | ProportionsSplit | EveryNthSplit, Field(discriminator="rule")]


class Manifest(Section):
    """The description of a data set."""

    format: Literal[1]
    name: str
    title: str = ""
    licence: str = ""
    """What the data's owners allow; n2b-ct ships descriptions, never pixels."""
    source: str = ""
    """Its origin: a citation, an address."""
    order: Literal["position", "SliceLocation"] = "position"
    """What sorts the slices of a series: ImagePositionPatient along the normal, or SliceLocation ascending."""
    shared_patient: str = ""
    """Why one patient may be on both sides of a split; empty: refused."""
    series: dict[str, SeriesEntry] = Field(min_length=1)
    splits: dict[str, Split] = Field(min_length=1)
    default_split: str = "default"

    @model_validator(mode="after")
    def _names_exist(self) -> Manifest:
        unknown = [
            f"splits.{name}: must name series of the manifest, not {series}"
            for name, split in self.splits.items()
            for series in sorted(series_of(split) - set(self.series))
        ]
        if self.default_split not in self.splits:
            unknown.append(f"default_split: must name a split, not {self.default_split}")
        if unknown:
            raise ValueError("\n".join(unknown))
        return self

    def split(self, name: str | None) -> SeriesSplit | ProportionsSplit | EveryNthSplit:
        """Return a split by name, or the default one.

        Raises:
            ConfigError: No split has that name.
        """
        key = name or self.default_split
        if key not in self.splits:
            raise ConfigError(
                explain(
                    "data.split",
                    f"must be a split of {self.name}",
                    key,
                    f"choose among {', '.join(self.splits)}",
                )
            )
        return self.splits[key]


def load_manifest(name: str | Path | None, beside: Path | None = None) -> Manifest:
    """Read and validate a manifest: a path, beside another file, or a shipped name.

    Raises:
        ConfigError: With one line for every problem; or there is no name, because the pipeline was trained on arrays.
    """
    if name is None:
        raise ConfigError(explain("data.manifest", "must name a data manifest", "null", "name one, or pass arrays"))
    path = find_yaml(name, "data_manifests", beside)
    try:
        return Manifest.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ConfigError(problems_of(error, path.name)) from error


def parse_slices(text: str) -> slice:
    """Turn ``first:last:step`` into a slice; each part may be empty."""
    if not re.fullmatch(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(:\s*(-?[1-9]\d*)?\s*)?", text):
        msg = "must look like first:last or first:last:step, with a step that is not 0"
        raise ValueError(msg)
    return slice(*(int(part) if part.strip() else None for part in text.split(":")))


def series_of(split: SeriesSplit | ProportionsSplit | EveryNthSplit) -> set[str]:
    """Name every series that a split uses."""
    if isinstance(split, SeriesSplit):
        entries = split.clean + split.noisy + split.validation + split.test
        return {name for entry in entries for name in (entry.series, entry.reference) if name}
    return {split.full_dose, *split.low_dose}

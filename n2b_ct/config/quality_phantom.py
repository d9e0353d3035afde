"""Phantoms of image quality: which inserts one has, where they lie and what HU they should show."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from n2b_ct.config.section import Section
from n2b_ct.config.yaml_files import find_yaml, problems_of, read_yaml, shipped_dir
from n2b_ct.errors import ConfigError
from n2b_ct.hu import LARGEST_HU

_KIND: Literal["quality_phantoms"] = "quality_phantoms"


class InsertSection(Section):
    """A round insert, seen across its axis."""

    name: str = Field(min_length=1, max_length=40)
    material: str = ""
    centre_mm: tuple[float, float]
    """From the phantom's centre to the insert's, to the right and down, as the phantom lies unturned."""
    radius_mm: float = Field(gt=0)
    hu: float = Field(ge=-LARGEST_HU, le=LARGEST_HU)
    """Nominal HU."""

    @property
    def distance_mm(self) -> float:
        """Between the two centres."""
        return math.hypot(*self.centre_mm)


class PlacementSection(Section):
    """Where the phantom lies, for images in which it need not or cannot be found."""

    centre_px: tuple[float, float]
    """(row, col) of the phantom's centre; the first pixel's centre is 0, 0."""
    rotation_degrees: float = 0.0
    """Clockwise, as the image is shown."""
    is_mirrored: bool = False
    """Left and right are exchanged before the rotation: the phantom was scanned from its other side."""


class QualityPhantom(Section):
    """A phantom of image quality and how it was scanned."""

    name: str
    title: str = ""
    source: str = ""
    """Where the geometry and the HU come from."""
    scans: Literal["repeats", "present_absent"] = "repeats"
    """``repeats``: the same inserts scanned again and again; ``present_absent``: with and without the inserts."""
    diameter_mm: float = Field(gt=0)
    background_hu: float = Field(0.0, ge=-LARGEST_HU, le=LARGEST_HU)
    placement: PlacementSection | None = None
    """null: found in the images."""
    inserts: tuple[InsertSection, ...] = Field(min_length=1)

    @property
    def radius_mm(self) -> float:
        """Of the phantom."""
        return 0.5 * self.diameter_mm

    def contrast_hu(self, insert: InsertSection) -> float:
        """Nominal contrast of an insert against the background, signed."""
        return insert.hu - self.background_hu

    @property
    def largest_contrast_hu(self) -> float:
        """Of all inserts, without its sign."""
        return max(abs(self.contrast_hu(insert)) for insert in self.inserts)

    @model_validator(mode="after")
    def _fits_together(self) -> QualityPhantom:
        names = [insert.name for insert in self.inserts]
        problems = [f"inserts: {name} must come once" for name in sorted({n for n in names if names.count(n) > 1})]
        problems += [
            f"inserts: {one.name} must lie inside the phantom"
            for one in self.inserts
            if one.distance_mm + one.radius_mm > self.radius_mm
        ]
        if self.largest_contrast_hu == 0.0:
            problems.append("inserts: one at least must differ from the background")
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load_quality_phantom(name: str | Path) -> QualityPhantom:
    """Read and validate a phantom's file.

    Args:
        name: A path, or the name of a shipped one; ``ACR 464`` and ``acr464`` are ``acr-464``.

    Raises:
        ConfigError: There is no such file; else with one line for every problem that it has.
    """
    path = find_yaml(_shipped_name(name), _KIND)
    values = read_yaml(path)
    values.setdefault("name", path.stem)
    try:
        return QualityPhantom.model_validate(values)
    except ValidationError as error:
        raise ConfigError(problems_of(error, path.name)) from error


def _shipped_name(name: str | Path) -> str | Path:
    """The shipped file that is meant, however its name is written; the name itself where there is none."""
    if Path(name).exists():
        return name
    known = {_letters(path.stem): path.name for path in shipped_dir(_KIND).glob("*.yaml")}
    return known.get(_letters(Path(name).stem if str(name).endswith((".yaml", ".yml")) else str(name)), name)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())

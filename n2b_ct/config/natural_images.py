"""The sections that say which photographs are trained on, and which noise is laid on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from n2b_ct.config.section import Section

_SLICE = re.compile(r"^-?\d*:-?\d*(:-?[1-9]\d*)?$")

# ── Noise ──


def _one_level_or_two(value: object) -> object:
    """Refuse what is neither a number nor two, so that a problem is told once and not once for each."""
    numbers = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        msg = "must be a number, or the lowest and the highest"
        raise ValueError(msg)
    return value


def _within(requirement: str, is_allowed: Callable[[float], bool]) -> AfterValidator:
    """Check a level, or both ends of a range and their order."""

    def checked(value: float | tuple[float, float]) -> float | tuple[float, float]:
        ends = value if isinstance(value, tuple) else (value, value)
        if not all(map(is_allowed, ends)):
            raise ValueError(requirement)
        if ends[0] > ends[1]:
            msg = "must be one level, or the lowest and the highest"
            raise ValueError(msg)
        return value

    return AfterValidator(checked)


_Level = Annotated[float | tuple[float, float], BeforeValidator(_one_level_or_two)]
_GreyLevels = Annotated[_Level, _within("must be 0 or more", lambda level: level >= 0)]
_Variance = Annotated[_Level, _within("must be 0 or more and below 1/3", lambda level: 0 <= level < 1 / 3)]
_Probability = Annotated[_Level, _within("must be from 0 to 1", lambda level: 0 <= level <= 1)]
_TextProbability = Annotated[_Level, _within("must be from 0 to 0.9", lambda level: 0 <= level <= 0.9)]


class GaussianNoiseSection(Section):
    """White Gaussian noise, x = y + n."""

    kind: Literal["gaussian"]
    sigma: _GreyLevels
    """Standard deviation in 8-bit grey levels, or the range that every image draws its own from."""


class CorrelatedNoiseSection(Section):
    """Gaussian noise that neighbours share, as in CT."""

    kind: Literal["correlated"]
    sigma: _GreyLevels
    """Standard deviation in 8-bit grey levels, or its range."""
    correlation_px: float = Field(0.6, gt=0)
    """Standard deviation of the filter behind it."""


class SpeckleNoiseSection(Section):
    """Multiplicative noise, x = y + n · y, n uniform."""

    kind: Literal["speckle"]
    variance: _Variance
    """Variance v of n, or its range; below 1/3, where n reaches −1."""


class SaltAndPepperNoiseSection(Section):
    """Pixels turned white or black."""

    kind: Literal["salt_and_pepper"]
    probability: _Probability
    """Probability p of a pixel to be changed, or its range."""


class TextNoiseSection(Section):
    """Random strings over the image."""

    kind: Literal["text"]
    probability: _TextProbability
    """Probability p of a pixel to be covered, or its range."""
    size_px: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (10, 40)
    """Smallest and largest font size."""

    @field_validator("size_px")
    @classmethod
    def _smallest_first(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            msg = "must be the smallest and then the largest"
            raise ValueError(msg)
        return value


NoiseSection = Annotated[
    GaussianNoiseSection | CorrelatedNoiseSection | SpeckleNoiseSection | SaltAndPepperNoiseSection | TextNoiseSection,
    Field(discriminator="kind"),
]

# ── Images ──


class ImageFolder(Section):
    """Some images of a folder, in the order of their names."""

    folder: str
    """Relative to the data's root, or absolute."""
    select: str = ":"
    """Which of them, as a slice: ``::2`` is the first, the third and so on."""
    count: int | None = Field(None, ge=1)
    """Keep the first so many of those; null: all."""

    @field_validator("select")
    @classmethod
    def _is_slice(cls, text: str) -> str:
        if not _SLICE.match(text):
            msg = "must be a slice such as '::2' or '100:200'"
            raise ValueError(msg)
        return text

    @property
    def chosen(self) -> slice:
        """``select`` as Python's slice; ``count`` counts after it."""
        return slice(*(int(part) if part else None for part in self.select.split(":")))


class NaturalImageSection(Section):
    """Which images, in which roles, under which noise. The network sees black as 0 and white as 1."""

    kind: Literal["natural_images"]
    root: Path | None = None
    """The data's folder; ``--data-root`` wins over it."""
    noisy: ImageFolder
    """What is learned from: clean images that ``noise`` is laid on, or, without ``noise``, images noisy already."""
    clean: ImageFolder | None = None
    """Clean images, unpaired; null where the method needs none."""
    validation: ImageFolder | None = None
    """Clean images to watch the training by, under the same noise; null: none."""
    colour: Literal["gray", "rgb"] = "gray"
    """What the images must be."""
    noise: NoiseSection | None = None
    """The noise that is laid on; null: the noisy images have their own, and no ground truth."""
    realisations: Literal["one", "fresh"] = "one"
    """``one``: a noisy image keeps its noise, as a real one does; ``fresh``: every patch drawn gets new noise."""
    logarithm: bool = False
    """Train and denoise in the logarithm, where speckle is additive."""
    clipped: bool = False
    """Clip noisy images to black and white before the network, as files do; the published protocol for Gaussian
    noise does not."""
    noisy_flat_share: float = Field(0.1, gt=0, le=1)
    """Noise2Blur draws noisy patches from this flattest share of all images' places, where noise is seen best and
    least structure can pass for it. Other methods ignore it."""

    @model_validator(mode="after")
    def _fresh_needs_noise(self) -> NaturalImageSection:
        if self.noise is None and self.realisations == "fresh":
            msg = "realisations: fresh needs a noise to draw"
            raise ValueError(msg)
        if self.noise is None and self.validation is not None:
            msg = "validation needs a noise: without it there is no ground truth"
            raise ValueError(msg)
        return self

    @property
    def n_channels(self) -> int:
        """Channels of every image."""
        return 3 if self.colour == "rgb" else 1

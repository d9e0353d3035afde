"""The data section of natural images: folders by role, and the noise that is added to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from n2b_ct.config.noise import NoiseSection
from n2b_ct.config.section import Section

_SLICE = re.compile(r"^-?\d*:-?\d*(:-?[1-9]\d*)?$")


class ImageFolder(Section):
    """Some images of a folder, in the order of their names."""

    folder: str
    """Relative to the data's root, or absolute: a folder, or a pattern of its files such as ``SIDD/*/*_NOISY_*.PNG``,
    in which ``**`` stands for folders of any depth."""
    select: str = ":"
    """Which of its pictures, as a slice: ``::2`` is the first, the third and so on."""
    crop_px: int | None = Field(None, ge=16, le=8192)
    """Cut every picture into squares of this side, which do not overlap, and take each for an image; null: whole."""
    count: int | None = Field(None, ge=1)
    """Keep the first so many of those, of crops where pictures are cut; null: all."""

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
    """Which images, in which roles, under which noise. For the network black is 0 and white is 1."""

    kind: Literal["natural_images"]
    root: Path | None = None
    """The data's folder; ``--data-root`` wins over it."""
    noisy: ImageFolder
    """Training images: clean ones to which ``noise`` is added, or, without ``noise``, noisy ones."""
    reference: str | None = None
    """Truth of noisy images that have their own noise: a folder or a pattern, one for one, for methods that learn from
    it."""
    clean: ImageFolder | None = None
    """Clean images, unpaired; null where the method needs none."""
    validation: ImageFolder | None = None
    """Clean images for validation, under the same noise; null: none."""
    colour: Literal["gray", "rgb"] = "gray"
    """What the images must be."""
    noise: NoiseSection | None = None
    """The noise that is added; null: the noisy images have their own, and no ground truth."""
    realisations: Literal["one", "fresh"] = "one"
    """``one``: a noisy image keeps its noise, as a real one does; ``fresh``: every patch drawn gets new noise."""
    logarithm: bool = False
    """Train and denoise in the logarithm, where speckle is additive."""
    clipped: bool = False
    """Clip noisy images to black and white before the network, as files do; the published protocol for Gaussian
    noise does not."""
    noisy_flat_share: float = Field(0.1, gt=0, le=1)
    """Noise2Blur draws noisy patches from this flattest share of all images' positions, where noise is seen best and
    least structure can pass for it. Other methods ignore it."""

    @model_validator(mode="after")
    def _noise_fits(self) -> NaturalImageSection:
        if self.noise is None and self.realisations == "fresh":
            msg = "realisations: fresh needs a noise to draw"
            raise ValueError(msg)
        if self.noise is not None and self.reference is not None:
            msg = "reference is for noisy images without noise, which adds noise to their truth"
            raise ValueError(msg)
        if self.noise is not None and self.noise.rgb_only and self.colour != "rgb":
            msg = f"noise {self.noise.kind} needs colour: rgb"
            raise ValueError(msg)
        if self.noise is None and self.validation is not None:
            msg = "validation needs a noise: without it there is no ground truth"
            raise ValueError(msg)
        return self

    @property
    def n_channels(self) -> int:
        """Channels of every image."""
        return 3 if self.colour == "rgb" else 1

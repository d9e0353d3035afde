"""The base section of noises: kind, level, and the noise that it describes.

A noise's own keys are declared in its file (:mod:`n2b_ct.noises`), which the registry finds by its kind.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, SerializeAsAny

from n2b_ct.config.registered import registered
from n2b_ct.config.section import Section
from n2b_ct.registry import NOISES, is_subclass


class NoiseConfig(Section):
    """A noise's section; a noise adds its own keys."""

    title: ClassVar[str] = ""
    """Its name in tables; its kind where empty."""
    rgb_only: ClassVar[bool] = False
    """Whether it is made for RGB images alone."""
    kind: str

    @property
    def known_sigma(self) -> float | None:
        """σ in 8-bit grey levels, where all images have the same white Gaussian noise; else None."""
        return None

    @abstractmethod
    def noise(self) -> Any:
        """Return the :class:`n2b_ct.noises.noise.ImageNoise` for images on [0, 1]."""


NOISES.expect("must be a class derived from NoiseConfig", lambda member: is_subclass(member, NoiseConfig))
NoiseSection = Annotated[SerializeAsAny[NoiseConfig], registered(NOISES, "kind", NoiseConfig)]


def _one_level_or_two(value: object) -> object:
    """Refuse what is neither a number nor a pair, with one problem."""
    numbers = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        msg = "must be a number, or the lowest and the highest"
        raise ValueError(msg)
    return value


def within(requirement: str, is_allowed: Callable[[float], bool]) -> AfterValidator:
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


LevelOrRange = Annotated[float | tuple[float, float], BeforeValidator(_one_level_or_two)]
"""One level, or the lowest and the highest of a range that every image draws its own from."""
GreyLevels = Annotated[LevelOrRange, within("must be 0 or more", lambda level: level >= 0)]

"""Windows of HU in a pipeline: by name, or by their ends."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from n2b_ct.config.section import Section
from n2b_ct.hu import WINDOWS, Window

_MOST_HU = 1_000_000.0


class WindowSection(Section):
    """An HU interval."""

    lower_hu: float = Field(ge=-_MOST_HU, le=_MOST_HU)
    """HU that becomes 0 for the network."""
    upper_hu: float = Field(ge=-_MOST_HU, le=_MOST_HU)
    """HU that becomes 1 for the network."""

    @model_validator(mode="after")
    def _lower_below_upper(self) -> WindowSection:
        if not self.lower_hu < self.upper_hu:
            msg = f"lower_hu must be below upper_hu, got [{self.lower_hu:g}, {self.upper_hu:g}]"
            raise ValueError(msg)
        return self

    @property
    def window(self) -> Window:
        """The window as a :class:`~n2b_ct.hu.Window`."""
        return Window(self.lower_hu, self.upper_hu)


def _window_by_name(value: object) -> object:
    if isinstance(value, str):
        if value not in WINDOWS:
            msg = f"must be a window's name ({', '.join(WINDOWS)}) or lower_hu and upper_hu"
            raise ValueError(msg)
        window = WINDOWS[value]
        return {"lower_hu": window.lower_hu, "upper_hu": window.upper_hu}
    if isinstance(value, list) and len(value) == 2:
        return {"lower_hu": value[0], "upper_hu": value[1]}
    return value


NamedWindow = Annotated[WindowSection, BeforeValidator(_window_by_name)]

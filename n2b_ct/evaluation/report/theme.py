"""The page's colours in light and dark, named once for its style sheet, its plots and its viewer.

Lines also differ in dash and marker, so that no colour alone tells two methods apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from n2b_ct.evaluation.summary import Role

LIGHT: dict[str, str] = {
    "paper": "#fbfbf9",
    "card": "#ffffff",
    "ink": "#1d2733",
    "quiet": "#586473",
    "line": "#dde3e9",
    "strong-line": "#3c4754",
    "accent": "#0b5cae",
    "best": "#e5effa",
    "warn": "#fdf4e3",
    "warn-line": "#c98a1f",
    "verdict-green": "#1d6b3a",
    "verdict-amber": "#8a5a00",
    "verdict-red": "#ab1f1f",
    "method-input": "#64707e",
    "method-reference": "#222c38",
    "model-1": "#0b5cad",
    "model-2": "#c2410c",
    "model-3": "#6d28a8",
    "model-4": "#a3195b",
    "baseline-1": "#3f7a71",
    "baseline-2": "#8a6a1f",
    "baseline-3": "#7d6784",
    "baseline-4": "#5f7440",
}
DARK: dict[str, str] = {
    "paper": "#11161b",
    "card": "#181f26",
    "ink": "#e6ebf0",
    "quiet": "#9ba8b5",
    "line": "#2c3742",
    "strong-line": "#8b98a5",
    "accent": "#78b8f9",
    "best": "#1b3550",
    "warn": "#2a2417",
    "warn-line": "#b98a34",
    "verdict-green": "#7fd09b",
    "verdict-amber": "#f0bf5a",
    "verdict-red": "#ff9a92",
    "method-input": "#8e9ba8",
    "method-reference": "#e0e6ec",
    "model-1": "#6db3f8",
    "model-2": "#fb9a5b",
    "model-3": "#c79bf2",
    "model-4": "#f28fb8",
    "baseline-1": "#7fb5ac",
    "baseline-2": "#cdb274",
    "baseline-3": "#b5aabb",
    "baseline-4": "#a7ba85",
}
N_SHADES = 4
_MARKERS = "osD^vPX*"
_DASHES = ("--", (0, (5, 1.5, 1, 1.5)), (0, (2.5, 1.5)), (0, (7, 2)))


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How a method is drawn everywhere: the name of its colour, its marker, its dash and its width in points."""

    ink: str
    marker: str
    dash: str | tuple[float, tuple[float, ...]]
    width: float


def line_styles(roles: Mapping[str, Role]) -> dict[str, LineStyle]:
    """Give every method its looks, in the order of the tables: models strong and solid, baselines quiet and dashed."""
    styles: dict[str, LineStyle] = {}
    for role in ("input", "baseline", "model", "reference"):
        for k, method in enumerate(name for name, own in roles.items() if own == role):
            styles[method] = _style(role, k)
    return {method: styles[method] for method in roles}


def theme_css() -> str:
    """The colours as custom properties: light, dark where the system asks for it, and either by the page's switch."""
    light, dark = (" ".join(f"--{name}: {value};" for name, value in theme.items()) for theme in (LIGHT, DARK))
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f':root[data-theme="dark"] {{ color-scheme: dark; {dark} }}\n'
        "@media screen and (prefers-color-scheme: dark) {\n"
        f'  :root:not([data-theme="light"]) {{ color-scheme: dark; {dark} }}\n'
        "}\n"
        f"@media print {{ :root:root {{ color-scheme: light; {light} }} }}\n"
    )


def _style(role: str, k: int) -> LineStyle:
    marker = _MARKERS[k % len(_MARKERS)]
    if role == "input":
        return LineStyle("method-input", "x", ":", 1.5)
    if role == "reference":
        return LineStyle("method-reference", "_", (0, (1, 1.5)), 1.3)
    if role == "baseline":
        return LineStyle(f"baseline-{1 + k % N_SHADES}", marker, _DASHES[k % len(_DASHES)], 1.4)
    return LineStyle(f"model-{1 + k % N_SHADES}", marker, "-" if k < N_SHADES else (0, (9, 2)), 2.2)

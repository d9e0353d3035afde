"""``report.html``: one file that opens from disk and fetches nothing; its content security policy forbids it, too."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from n2b_ct.evaluation.report.charts import inline_svg
from n2b_ct.evaluation.report.document import DISCLAIMER, Provenance, definitions, method_descriptions
from n2b_ct.evaluation.report.page_parts import Section, data_uri, without_empty
from n2b_ct.evaluation.report.page_sections import (
    curves_section,
    detection_section,
    dose_table,
    fidelity_section,
    noise_section,
    outside_section,
    removal_section,
    resolution_section,
    texture_section,
)
from n2b_ct.evaluation.report.sentences import notes, summary_sentences
from n2b_ct.evaluation.report.slice_images import MAX_BYTES, Panel, ViewerSlice, viewer_slices, viewer_view
from n2b_ct.evaluation.report.theme import line_styles, theme_css
from n2b_ct.evaluation.summary import Role, Summary
from n2b_ct.evaluation.verdicts import verdicts

_SCRIPTS = ("page.js", "viewer_planes.js", "viewer_images.js", "viewer.js")
_STYLES = ("report.css", "viewer.css")
_MEANING = "A number without its window, data range and SSIM definition cannot be compared with another one"
_BESIDE = "report.json (the same numbers), per_slice.csv (every slice), figures/ (the images and plots as PNG)"
_MEDIA_TYPES = {".json": "application/json", ".csv": "text/csv"}


def render_page(
    summary: Summary,
    panels: Sequence[Panel],
    provenance: Provenance,
    contents: Mapping[str, bytes],
) -> str:
    """Lay out the page.

    Args:
        summary: All means.
        panels: Slices of the viewer; as many as fit into a page are shown.
        provenance: Printed as it is, escaped.
        contents: The report's other files by name; JSON and CSV among them can be downloaded from the page.

    Raises:
        DataError: A panel's slice holds NaN, or a method has no slice there.
    """
    sections, absent = _sections(summary)
    downloads = downloads_of(contents)
    room = MAX_BYTES - sum(len(link) for _, link, _ in downloads)
    return lay_out(
        provenance,
        summary.roles,
        verdicts=verdicts(summary),
        sentences=summary_sentences(summary),
        notes=notes(summary),
        problems=summary.problems,
        dropped=(*summary.dropped, *(f"{part.title}: {part.reason}." for part in absent)),
        first_table=dose_table(summary),
        sections=sections,
        viewer=_viewer(summary, viewer_slices(panels, room), len(panels)),
        downloads=downloads,
        methods=method_descriptions(summary, provenance),
        overall=summary.overall.label,
        definitions=definitions(summary),
        beside=_BESIDE,
        meaning=_MEANING,
    )


def lay_out(provenance: Provenance, roles: Mapping[str, Role], **parts: Any) -> str:
    """Lay out a page of any report.

    Args:
        provenance: Printed as it is, escaped.
        roles: Method to role; gives each its ink.
        parts: What the template names.
    """
    script = "\n".join(_text(name) for name in _SCRIPTS)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            parts,
            provenance=provenance,
            policy=_policy(script),
            style=Markup(theme_css() + "".join(_text(name) for name in _STYLES)),  # noqa: S704, our own files
            script=Markup(script),  # noqa: S704, our own files
            inks={method: style.ink for method, style in line_styles(roles).items()},
            disclaimer=DISCLAIMER,
        )
    )


def _sections(summary: Summary) -> tuple[list[Section], list[Section]]:
    """Those that are shown, and those that are left out."""
    found = [
        curves_section(summary),
        fidelity_section(summary),
        noise_section(summary),
        texture_section(summary),
        resolution_section(summary),
        detection_section(summary),
        removal_section(summary),
    ]
    further = outside_section(summary)
    shown = [one for one in found if not one.reason] + ([further] if further else [])
    shown = [replace(one, parts=without_empty(one.parts)) for one in shown]
    return shown, [one for one in found if one.reason]


def _viewer(summary: Summary, slices: Sequence[ViewerSlice], n_panels: int) -> dict[str, Any] | None:
    """What the template needs of the viewer, and the JSON that its script reads; None without slices."""
    if not slices:
        return None
    view = viewer_view(slices, summary)
    planes = {own: packed for k, entry in enumerate(slices) for own, packed in entry.blocks(k).items()}
    return view | {"planes": planes, "json": _script_json(view), "n_left_out": n_panels - len(slices)}


def downloads_of(contents: Mapping[str, bytes]) -> list[tuple[str, str, int]]:
    """Name, data: link and size in kB of every file with numbers."""
    found = []
    for name, content in contents.items():
        media_type = _MEDIA_TYPES.get(name[name.rfind(".") :])
        if media_type:
            found.append((name, data_uri(content, media_type), max(1, round(len(content) / 1000))))
    return found


def _policy(script: str) -> str:
    """Forbid every fetch and every script but the page's own."""
    digest = b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    rules = (
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def _script_json(value: object) -> Markup:
    """JSON that no value in it can break out of a script element with."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704


def _text(name: str) -> str:
    return files("n2b_ct.evaluation.report").joinpath(name).read_text("utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["svg"] = lambda chart: Markup(inline_svg(chart))  # noqa: S704, its labels are escaped
    return environment

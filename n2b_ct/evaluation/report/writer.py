"""Writes a report's folder atomically."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from n2b_ct.errors import OutputError, explain
from n2b_ct.evaluation.report.csv_files import csv_files
from n2b_ct.evaluation.report.document import Provenance, report_document
from n2b_ct.evaluation.report.figures import figure_files
from n2b_ct.evaluation.report.page import render_page
from n2b_ct.evaluation.report.slice_images import Panel, draw_panel
from n2b_ct.evaluation.summary import Summary
from n2b_ct.io.atomic import PARTIAL_PREFIX

HTML_NAME = "report.html"
JSON_NAME = "report.json"


def write_report(
    out_dir: Path,
    summary: Summary,
    panels: Sequence[Panel] = (),
    provenance: Provenance | None = None,
    overwrite: bool = False,
) -> Path:
    """Write ``report.html``, ``report.json``, ``*.csv`` and ``figures/*.png``.

    Everything is made first, written into a hidden folder beside ``out_dir`` and then moved, so that a folder
    never holds half a report. The page needs none of the files beside it.

    Args:
        out_dir: The folder; it may exist if it is empty.
        summary: What :func:`summarise` made of the rows.
        panels: Slices to show.
        provenance: Where the numbers come from; it must name no patient.
        overwrite: Replace the report in a folder that has files; other files stay.

    Returns:
        Path of ``report.html``.

    Raises:
        OutputError: The folder has files and ``overwrite`` is off, or it cannot be written.
        DataError: A panel's slice holds NaN.
    """
    require_free_place(out_dir, overwrite)
    return write_contents(out_dir, report_contents(summary, panels, provenance or Provenance()))


def write_contents(out_dir: Path, contents: Mapping[str, bytes]) -> Path:
    """Write files that lie in memory, relative path to bytes, into a folder: all of them or none.

    Returns:
        Path of ``report.html``.

    Raises:
        OutputError: The folder cannot be written.
    """
    partial_dir = out_dir.parent / f"{PARTIAL_PREFIX}{secrets.token_hex(8)}"
    try:
        _write_all(partial_dir, contents)
        _move_into_place(partial_dir, out_dir, list(contents))
    except OSError as error:
        remedy = "choose a folder that can be written"
        got = error.strerror or type(error).__name__
        raise OutputError(explain(str(out_dir), "the report must be written", got, remedy)) from error
    finally:
        shutil.rmtree(partial_dir, ignore_errors=True)
    return out_dir / HTML_NAME


def require_free_place(out_dir: Path, overwrite: bool) -> None:
    """Refuse a folder with files; worth calling before hours of measuring.

    Raises:
        OutputError: The path is a file, or a folder with files while ``overwrite`` is off.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise OutputError(explain(str(out_dir), "a report goes into a folder", "a file", "choose another path"))
    if out_dir.is_dir() and not overwrite and any(out_dir.iterdir()):
        remedy = "choose another folder or pass overwrite=True"
        raise OutputError(explain(str(out_dir), "the folder must be empty", "a folder with files", remedy))


def report_contents(summary: Summary, panels: Sequence[Panel], provenance: Provenance) -> dict[str, bytes]:
    """Make every file of a report in memory, relative path to bytes; the page comes last."""
    contents = _image_files(summary, panels) | figure_files(summary)
    document = report_document(summary, provenance, sorted(contents))
    contents[JSON_NAME] = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode("utf-8")
    contents |= {name: text.encode("utf-8") for name, text in csv_files(summary).items()}
    contents[HTML_NAME] = render_page(summary, panels, provenance, contents).encode("utf-8")
    return contents


def _image_files(summary: Summary, panels: Sequence[Panel]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for k, panel in enumerate(panels, start=1):
        for n, (method, images) in enumerate(draw_panel(panel, summary.windows[summary.primary_window]).items()):
            stem = f"figures/panel_{k:02d}_{n}_{_file_word(method)}"
            found |= {f"{stem}_{kind}.png" if kind else f"{stem}.png": png for kind, png in images.items()}
    return found


def _file_word(method: str) -> str:
    """A method's name as a part of a file name; the number before it keeps names apart."""
    return re.sub(r"[^a-z0-9]+", "_", method.lower()).strip("_") or "method"


def _write_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _move_into_place(partial_dir: Path, out_dir: Path, names: Sequence[str]) -> None:
    """One rename where the place is free; else file by file, the page last."""
    if not out_dir.exists() or not any(out_dir.iterdir()):
        if out_dir.exists():
            out_dir.rmdir()
        partial_dir.rename(out_dir)
        return
    for name in names:
        target = out_dir / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (partial_dir / name).replace(target)

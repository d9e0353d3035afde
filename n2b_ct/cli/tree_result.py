"""Shared parts of the commands over trees: option checks, printed lines, JSON, exit code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from n2b_ct.cli.console import json_text, say, say_err
from n2b_ct.cli.options import with_options

_FIRST_YEAR, _LAST_YEAR = 1000, 9998  # what DICOM can write, in any time zone

if TYPE_CHECKING:
    from n2b_ct.batch.outcomes import Outcome, TreeResult
    from n2b_ct.io.series import FileRecord


def require_usable_json(json_path: Path | None) -> None:
    """Check before the work that the JSON can be written at its end."""
    from n2b_ct.errors import OutputError, explain

    if json_path is None:
        return
    subject = f"json_path={json_path}"
    if not json_path.parent.is_dir():
        raise OutputError(explain(subject, "must lie in a folder", "no such folder", "make it first"))
    if json_path.exists() and not json_path.is_file():
        raise OutputError(explain(subject, "must be a file or must not exist", "something else", "name another"))


def time_of(iso: str | None) -> datetime | None:
    """Read ``--created``."""
    from n2b_ct.errors import ConfigError, explain

    try:
        found = None if iso is None else datetime.fromisoformat(iso)
    except ValueError as error:
        raise ConfigError(explain("created", "must be an ISO 8601 time", iso, "write 2026-03-04T05:06:07")) from error
    if found is not None and not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        requirement = f"must lie in the years {_FIRST_YEAR} to {_LAST_YEAR}"
        raise ConfigError(explain("created", requirement, iso, "write 2026-03-04T05:06:07"))
    return found


def tell(result: TreeResult, json_path: Path | None) -> None:
    """Print results, warnings and errors, and write them to the JSON.

    Exits with 1 at least where the JSON cannot be written; the work is done and printed all the same.
    """
    from n2b_ct.io.dicom.reasons import OTHER_VOLUMES

    unwritten = _write_json(result, json_path) if json_path is not None else ""
    for outcome in result.outcomes:
        if outcome.status != "failed":
            say(_line(outcome))
        for line in outcome.warnings:
            say_err(f"warning: {with_options(line)}")
    for reason in OTHER_VOLUMES:
        if skipped := [record for record in result.records if record.reason == reason]:
            say_err(f"skipped: {skipped[0].path.parent}: {_first_of(skipped)}")
    for line in _complaints(result):
        say_err(f"error: {line}")
    if unwritten:
        say_err(f"error: {unwritten}")
        raise typer.Exit(exit_code(result) or 1)


def _write_json(result: TreeResult, path: Path) -> str:
    """Write the JSON; returns the error where that failed."""
    from n2b_ct.errors import OutputError
    from n2b_ct.io.atomic import remove_partials, write_atomically

    content = json_text(_plain(result)) + "\n"
    try:
        remove_partials(path)
        write_atomically(path, lambda file: file.write(content.encode()))
    except (OutputError, OSError) as error:
        return str(error)
    return ""


def _line(outcome: Outcome) -> str:
    what = f"{outcome.n_slices} slices" if outcome.n_slices else "image"
    noises = ((outcome.removed_std_hu, "HU"), (outcome.removed_std_grey, "grey levels"))
    removed = "".join(f", removed noise {std:.1f} {unit}" for std, unit in noises if std is not None)
    if outcome.noise_after_hu is not None:
        removed = f", noise {outcome.noise_hu:.1f} -> {outcome.noise_after_hu:.1f} HU at strength {outcome.strength:g}"
    why = f"; {with_options(outcome.detail)}" if outcome.detail else ""
    fit = f"; {outcome.fit}" if outcome.fit and "not_fitted" not in outcome.problems else ""
    return f"{outcome.status:<7} {outcome.output}: {what}{removed}{fit}{why}"


def _complaints(result: TreeResult) -> list[str]:
    """One line for every series that failed, and for every folder and reason of refused files."""
    failed = [outcome for outcome in result.outcomes if outcome.status == "failed"]
    lines = [f"{outcome.source}: {with_options(outcome.detail)}" for outcome in failed]
    reported = {(outcome.source, outcome.reason) for outcome in failed}
    details = {outcome.detail for outcome in failed}
    refused = [record for record in result.records if record.action == "error" and record.detail not in details]
    lines += _grouped(record for record in refused if (record.path.parent, record.reason) not in reported)
    return list(dict.fromkeys(lines))


def _grouped(records: Iterable[FileRecord]) -> list[str]:
    """One line for every folder and reason."""
    groups: dict[tuple[Path, str], list[FileRecord]] = {}
    for record in records:
        groups.setdefault((record.path.parent, record.reason), []).append(record)
    return [f"{folder}: {_first_of(alike)}" for (folder, _), alike in groups.items()]


def _first_of(records: Sequence[FileRecord]) -> str:
    others = f" (and {len(records) - 1} more)" if len(records) > 1 else ""
    return f"{with_options(records[0].detail) or records[0].reason}{others}"


def exit_code(result: TreeResult) -> int:
    """0 all done, 1 some failed, 2 nothing could be done."""
    if not result.failed:
        return 0
    return 1 if any(outcome.status != "failed" for outcome in result.outcomes) else 2


def _plain(result: TreeResult) -> dict[str, Any]:
    from n2b_ct.version import __version__

    return {
        "format": 1,
        "n2b_ct": __version__,
        "series": [
            {
                **outcome.plain,
                "detail": with_options(outcome.detail),
                "warnings": [*map(with_options, outcome.warnings)],
            }
            for outcome in result.outcomes
        ],
        "files": [{**record.plain, "detail": with_options(record.detail)} for record in result.records],
    }

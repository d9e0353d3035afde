"""``n2b-ct index`` and ``n2b-ct inspect``: the contents of a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from n2b_ct.cli.console import say, say_err, say_json
from n2b_ct.cli.options import AssumeHU, VolumeOffsetHU, with_options
from n2b_ct.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from n2b_ct.data.anonymisation import Pattern
    from n2b_ct.data.inventory import Inventory
    from n2b_ct.io.series import SeriesRef
    from n2b_ct.io.volumes import VolumeInfo

_WIDTH_ELSEWHERE = 100
_EXIT_SOME_REFUSED, _EXIT_NOTHING_USABLE = 1, 2

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder with DICOM or volumes somewhere in it.")]
_Repair = Annotated[bool, typer.Option("--repair-uids", help="Take files with blank UIDs too.")]


def index(
    folder: _Folder,
    out: Annotated[Path, typer.Option(help="The manifest to write.")],
    repair_uids: _Repair = False,
    assume_hu: AssumeHU = False,
    volume_offset_hu: VolumeOffsetHU = 0.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a manifest that is there.")] = False,
) -> None:
    """Find the CT series of a folder and write a manifest with proposed roles, for review.

    Example: n2b-ct index /data/scanner --out scanner.yaml
    """
    from n2b_ct.config.yaml_files import as_yaml
    from n2b_ct.data.manifest_draft import draft_manifest
    from n2b_ct.errors import DataError, OutputError, explain
    from n2b_ct.io.atomic import write_text_atomically

    if folder.is_file():
        raise DataError(explain(f"input {folder}", "must be a folder", "a file", "name the folder that holds it"))
    if out.exists() and not overwrite:
        raise OutputError(explain(f"manifest {out}", "must not be there yet", "a file", "pass --overwrite"))
    found = _inventory(folder, repair_uids=repair_uids, assume_hu=assume_hu, hu_offset=volume_offset_hu)
    manifest = draft_manifest(found.series, folder, out.stem, found.volumes, hu_offset=volume_offset_hu)
    write_text_atomically(out, as_yaml(manifest))
    _print(found, folder, all_files=False)
    say(f"manifest: {out}; read it and set roles, doses and shared_patient")
    _warn_of_gaps(found)


def inspect(
    folder: _Folder,
    repair_uids: _Repair = False,
    assume_hu: AssumeHU = False,
    volume_offset_hu: VolumeOffsetHU = 0.0,
    all_files: Annotated[bool, typer.Option("--files", help="List every file that is not used, and why.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead: series, volumes, every file.")] = False,
) -> None:
    """Print the CT of a folder with its problems, and the files that are not used with reasons.

    Exit code: 0 all that looks like CT can be used; 1 some of it cannot; 2 nothing can.

    Example: n2b-ct inspect /data/scanner
    """
    found = _inventory(folder, repair_uids=repair_uids, assume_hu=assume_hu, hu_offset=volume_offset_hu)
    if as_json:
        say_json(_plain(found))
    else:
        _print(found, folder, all_files=all_files)
    raise typer.Exit(_exit_code(found))


def _warn_of_gaps(found: Inventory) -> None:
    """Warn of entries with refused files; exit 1 if there is one."""
    from n2b_ct.errors import explain

    remedy = "replace them, or pass --skip-bad-slices to the commands that read it"
    gaps = {number: one for number, one in enumerate(found.series, start=1) if found.refused(one)}
    for number, one in gaps.items():
        refused = found.refused(one)
        got = f"{len(refused)} refused ({refused[0].path.name}: {refused[0].reason})"
        subject = f"series_{number} in {one.directory}"
        say_err(f"warning: {explain(subject, 'files must be usable', got, remedy)}")
    if gaps:
        raise typer.Exit(_EXIT_SOME_REFUSED)


def _inventory(folder: Path, **rules: Any) -> Inventory:
    from n2b_ct.data.inventory import take_inventory

    with progress_bar("reading headers") as progress:
        return take_inventory(folder, progress, **rules)


def _print(found: Inventory, folder: Path, *, all_files: bool) -> None:
    from n2b_ct.cli.inventory_text import inventory_lines

    width = shutil.get_terminal_size((_WIDTH_ELSEWHERE, 24)).columns
    for line in inventory_lines(found, folder, width, all_files=all_files):
        say(line)


def _exit_code(found: Inventory) -> int:
    if not found.series and not found.volumes:
        return _EXIT_NOTHING_USABLE
    return _EXIT_SOME_REFUSED if found.n_errors else 0


def _plain(found: Inventory) -> dict[str, Any]:
    """Return the inventory as JSON values."""
    from n2b_ct.data.inventory import part_words, patient_numbers

    keys = dict.fromkeys(one.patient_key for one in found.series)
    patients = {key: number for number, key in enumerate(keys, start=1)}
    shown = patient_numbers(found.series)
    return {
        "format": 1,
        "series": [
            {
                **_plain_series(one, patients[one.patient_key], len(found.refused(one))),
                "part": part_words(one, shown),
            }
            for one in found.series
        ],
        "volumes": [_plain_volume(one) for one in found.volumes],
        "patterns": [_plain_pattern(one) for one in found.patterns],
        "files": [{**record.plain, "detail": with_options(record.detail)} for record in found.records],
    }


def _plain_series(one: SeriesRef, patient: int, n_refused: int) -> dict[str, Any]:
    """Return a series as JSON values; patients are only numbered, in order of appearance."""
    from n2b_ct.data.inventory import dose_hints
    from n2b_ct.io.series import public_uid

    return {
        "series": one.public_uid,
        "short_uid": one.short_uid,
        "study_instance_uid": public_uid(one.study_instance_uid),
        "patient": patient,
        "description": one.description,
        "directory": str(one.directory),
        "n_slices": len(one),
        "n_refused_files": n_refused,
        "rows": one.rows,
        "cols": one.cols,
        "pixel_spacing_mm": one.pixel_spacing_mm,
        "orientation": one.orientation,
        "positions_mm": [instance.position_mm for instance in one.instances],
        "problems": one.problems,
        "dose_hints": dose_hints(one),
        "facts": one.facts,
        "instances": [str(instance.path) for instance in one.instances],
    }


def _plain_pattern(one: Pattern) -> dict[str, Any]:
    from n2b_ct.io.dicom.reasons import PATTERNS

    meaning, remedy = PATTERNS[one.code]
    series = list(dict.fromkeys(series.public_uid for series in one.series))
    directories = list(dict.fromkeys(str(series.directory) for series in one.series))
    return {
        "code": one.code,
        "meaning": meaning,
        "remedy": remedy,
        "n_series": len(one.series),
        "series": series,
        "directories": directories,
    }


def _plain_volume(one: VolumeInfo) -> dict[str, Any]:
    return {
        "path": str(one.path),
        "form": one.format_name,
        "shape": one.shape,
        "spacing_mm": one.spacing_mm,
        "word_type": one.word_type,
        "is_compressed": one.is_compressed,
        "data_paths": [str(path) for path in one.data_paths],
        "problems": one.problems,
    }

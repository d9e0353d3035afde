"""``n2b-ct index`` and ``n2b-ct inspect``: what lies in a folder."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from n2b_ct.cli.progress import progress_bar

if TYPE_CHECKING:
    from n2b_ct.io.dicom.scan import ScanResult

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder with DICOM somewhere in it.")]
_Repair = Annotated[bool, typer.Option("--repair-uids", help="Take files with blank UIDs too.")]


def index(
    folder: _Folder,
    out: Annotated[Path, typer.Option(help="The manifest to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a manifest that is there.")] = False,
) -> None:
    """Find the CT series of a folder and write a manifest with proposed roles, to be read and corrected.

    Example: n2b-ct index /data/scanner --out scanner.yaml
    """
    from n2b_ct.config.yaml_files import write_yaml
    from n2b_ct.data.indexing import manifest_for
    from n2b_ct.errors import DataError, OutputError, explain

    if folder.is_file():
        raise DataError(explain(f"input {folder}", "must be a folder", "a file", "name the folder that holds it"))
    if out.exists() and not overwrite:
        raise OutputError(explain(f"manifest {out}", "must not be there yet", "a file", "pass --overwrite"))
    result = _scanned(folder, repair_uids=False)
    write_yaml(manifest_for(result.series, folder, out.stem), out)
    _print_table(result)
    typer.echo(f"manifest: {out}; read it and set roles, doses and shared_patient")


def inspect(
    folder: _Folder,
    repair_uids: _Repair = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print the CT series of a folder, and the files that are not used with reasons.

    Example: n2b-ct inspect /data/scanner
    """
    result = _scanned(folder, repair_uids=repair_uids)
    if as_json:
        typer.echo(json.dumps(_plain(result), indent=2, default=str))
    else:
        _print_table(result)


def _scanned(folder: Path, *, repair_uids: bool) -> ScanResult:
    from n2b_ct.io.dicom.scan import scan

    with progress_bar("reading headers") as progress:
        return scan(folder, progress, repair_uids=repair_uids)


def _print_table(result: ScanResult) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in (
        "series",
        "description",
        "slices",
        "size",
        "spacing mm",
        "kernel",
        "kVp",
        "problems",
        "folder",
    ):
        table.add_column(heading, overflow="fold")
    for one in result.series:
        spacing = "x".join(f"{mm:g}" for mm in one.pixel_spacing_mm) if one.pixel_spacing_mm else "?"
        cells = (
            one.short_uid,
            one.description,
            str(len(one)),
            f"{one.rows}x{one.cols}",
            spacing,
            one.facts.get("ConvolutionKernel", ""),
            one.facts.get("KVP", ""),
            ", ".join(one.problems),
            str(one.directory),
        )
        table.add_row(*map(Text, cells))
    Console(width=None if result.series else 80).print(table)
    unused = Counter((record.action, record.reason) for record in result.records if record.action != "used")
    for (action, reason), count in sorted(unused.items()):
        typer.echo(f"{action}: {count} files, {reason}")


def _plain(result: ScanResult) -> dict[str, Any]:
    return {
        "format": 1,
        "series": [{**asdict(one), "instances": [str(i.path) for i in one.instances]} for one in result.series],
        "files": [asdict(record) for record in result.records],
    }

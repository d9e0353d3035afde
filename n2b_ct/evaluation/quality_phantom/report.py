"""``phantom_report``: scans of a quality phantom in, a report's folder out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from n2b_ct.config.arguments import checked_arguments
from n2b_ct.config.quality_phantom import QualityPhantom, load_quality_phantom
from n2b_ct.errors import ConfigError, explain
from n2b_ct.evaluation.quality_phantom.document import phantom_document
from n2b_ct.evaluation.quality_phantom.figures import placement_png
from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary, measure_scans
from n2b_ct.evaluation.quality_phantom.page import render_phantom_page
from n2b_ct.evaluation.report.document import Provenance
from n2b_ct.evaluation.report.writer import HTML_NAME, JSON_NAME, require_free_place, write_contents
from n2b_ct.io.progress import Progress

PICTURE_NAME = "figures/inserts.png"


@checked_arguments()
def phantom_report(
    spec: str | os.PathLike[str] | QualityPhantom,
    images: Mapping[str, str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    absent: Mapping[str, str | os.PathLike[str]] | None = None,
    volume_offset_hu: float = 0.0,
    assume_hu: bool = False,
    skip_bad_slices: bool = False,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> PhantomSummary:
    """Report on scans of an image quality phantom, before and after denoising; write HTML, JSON and figures.

    Noise and its spectrum come from repeats by subtraction; each insert gives HU, contrast, CNR, transfer function and
    d′ of two observers. What cannot be used is left out and listed in ``problems``.

    Args:
        spec: The phantom: its YAML, or the name of a shipped one: ``acr-464``, ``catphan-604``, ``mita-lcd``.
        images: Name to a folder or file of its scans: DICOM series, NIfTI, NRRD or MetaImage volumes. The first is
            what the others are compared with. Several series, or the slices of one, are repeats.
        out: The report's folder.
        absent: Name to the scans without inserts, of a phantom scanned with and without; where a name is not in it,
            a folder beside with ``absent`` for ``present`` in its name, or the series below ``absent`` in its own.
        volume_offset_hu: What must be added to volumes' values to get HU.
        assume_hu: Take values for HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.
        overwrite: Replace a report that is there.
        command: The command line, to be printed in the report.
        progress: Called with (scans done, all scans, name).

    Returns:
        The numbers of the report.

    Raises:
        ConfigError: The phantom's file is wrong, or ``absent`` names a scan that ``images`` does not.
        DataError: Nothing can be measured; one line for each reason.
        OutputError: The report's folder is in use.

    Examples:
        >>> import n2b_ct as n2b
        >>> summary = n2b.phantom_report("acr-464", {"input": "acr", "n2b": "acr-denoised"}, "report")
        >>> [scan.name for scan in summary.scans]
        ['input', 'n2b']
    """
    own = spec if isinstance(spec, QualityPhantom) else load_quality_phantom(Path(spec))
    folders, without = ({name: Path(path) for name, path in given.items()} for given in (images, absent or {}))
    out = Path(out)
    _require_names(own, folders, without)
    require_free_place(out, overwrite)
    summary = measure_scans(
        own,
        folders,
        without,
        hu_offset=volume_offset_hu,
        assume_hu=assume_hu,
        skip_bad_slices=skip_bad_slices,
        progress=progress,
    )
    write_contents(out, phantom_contents(summary, _provenance(own, command)))
    return summary


def phantom_contents(summary: PhantomSummary, provenance: Provenance) -> dict[str, bytes]:
    """Make every file of a report in memory, relative path to bytes; the page comes last."""
    contents = {PICTURE_NAME: placement_png(summary)}
    document = phantom_document(summary, provenance, sorted(contents))
    contents[JSON_NAME] = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode("utf-8")
    contents[HTML_NAME] = render_phantom_page(summary, provenance, contents).encode("utf-8")
    return contents


def _provenance(phantom: QualityPhantom, command: str) -> Provenance:
    data = {"phantom": phantom.title or phantom.name, "geometry and HU": phantom.source}
    return Provenance(
        title=f"Phantom report: {phantom.name}",
        pipeline="",
        data={label: text for label, text in data.items() if text},
        commands=(command,) if command else (),
    )


def _require_names(phantom: QualityPhantom, images: Mapping[str, Path], absent: Mapping[str, Path]) -> None:
    if not images:
        raise ConfigError(explain("images", "at least one is needed", "none", "pass images={NAME: DIR}"))
    if unknown := [name for name in absent if name not in images]:
        raise ConfigError(explain("absent", "must name scans of images", ", ".join(unknown), "use the same names"))
    if absent and phantom.scans != "present_absent":
        need = f"is for phantoms that are scanned with and without inserts, which {phantom.name} is not"
        raise ConfigError(explain("absent", need, ", ".join(absent), "leave it out, or set scans: present_absent"))

"""Denoise files and folders."""

from __future__ import annotations

from pathlib import Path

from n2b_ct.batch.folders import denoise_tree
from n2b_ct.batch.outcomes import DenoiseOptions, TreeResult
from n2b_ct.batch.picture_tree import denoise_pictures
from n2b_ct.inference.model import AnyModel, PictureModel, load_any_model
from n2b_ct.io.progress import Progress
from n2b_ct.training.devices import choose_device


def denoise(
    source: Path,
    output: Path,
    model: Path | AnyModel,
    *,
    options: DenoiseOptions | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> TreeResult:
    """Denoise a DICOM file, a series folder, a tree of series, or volumes, to a mirrored place; or pictures.

    Args:
        source: What to denoise.
        output: Where to; outside the source.
        model: A run folder, a model file, or a loaded model.
        options: Strength, residual, what to do with outputs that are there.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        progress: Called with (slices or pictures done, all of them, series or file).

    Raises:
        ModelError: The model file is not ours.
        ConfigError: An option that is not for this kind of model.
        DataError: There is nothing to denoise.
        OutputError: The output overlaps the input, or is there already.
    """
    loaded = load_any_model(model, choose_device(device)) if isinstance(model, Path) else model
    if isinstance(loaded, PictureModel):
        return denoise_pictures(source, output, loaded, options or DenoiseOptions(), progress)
    return denoise_tree(source, output, loaded, options or DenoiseOptions(), progress)

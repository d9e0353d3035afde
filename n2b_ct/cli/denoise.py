"""``n2b-ct denoise``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from n2b_ct.cli.options import (
    AssumeHU,
    Created,
    Device,
    KeepProved,
    ReplaceOutputs,
    Select,
    SkipBadSlices,
    Threads,
    VolumeOffsetHU,
    share_of,
    strength_of,
)
from n2b_ct.cli.progress_bar import progress_bar
from n2b_ct.cli.tree_result import exit_code, require_usable_json, tell, time_of

_Source = Annotated[
    Path, typer.Argument(metavar="INPUT", help="A DICOM file, a series folder, a tree, or a volume; or images.")
]
_Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="Mirrors the input's tree; must lie outside it.")]
_Model = Annotated[str, typer.Option(help="base: the shipped model; or a run folder or a model file.")]
_Adapt = Annotated[
    str | None,
    typer.Option(metavar="5m", help="Fit the model to each protocol first, from its noisy series, in this time."),
]
_Strength = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE|auto",
        parser=strength_of,
        help="Share of the predicted noise to remove; auto: what leaves the least noise; the model's if not given.",
    ),
]
_Reduce = Annotated[
    float | None,
    typer.Option(
        metavar="50%", parser=share_of, help="Reduce σ in flat tissue by this share, whatever strength that takes."
    ),
]
_TargetNoise = Annotated[
    float | None, typer.Option("--target-noise", metavar="HU", help="Leave this σ in flat tissue, HU.")
]
_Residual = Annotated[bool, typer.Option("--residual", help="Write the removed noise too, as series or images.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Write one status per series or image here.")]
_Repair = Annotated[
    bool,
    typer.Option("--repair", "--repair-uids", help="Take files with blank UIDs; add type 2 elements that are missing."),
]
_Force = Annotated[bool, typer.Option("--force", help="Denoise even what n2b-ct has derived.")]
_KeepPrivate = Annotated[bool, typer.Option("--keep-private", help="Copy private elements; they go by default.")]
_Equipment = Annotated[
    Literal["scanner", "n2b"], typer.Option(help="Which equipment the series names: scanner or n2b.")
]
_Widen = Annotated[bool, typer.Option("--widen-bits", help="Store 16 bits, so that nothing is clipped.")]
_Compress = Annotated[
    Literal["none", "jpeg-ls", "jpeg2000", "rle"], typer.Option("--compress", help="Lossless transfer syntax.")
]
_Qualification = Annotated[
    Literal["research", "product", "service"], typer.Option(help="ContentQualification of the series.")
]
_PerChannel = Annotated[
    bool, typer.Option("--per-channel", help="Let a model of gray images denoise the channels of RGB one by one.")
]
_Scheduler = Annotated[
    str | None,
    typer.Option(metavar="tls://HOST:8786", help="A Dask scheduler, whose workers process the series and volumes."),
]
_NumberOffset = Annotated[int, typer.Option(help="Added to SeriesNumber.")]


def denoise(
    source: _Source,
    output: _Output,
    model: _Model = "base",
    adapt: _Adapt = None,
    strength: _Strength = None,
    reduce: _Reduce = None,
    target_noise_hu: _TargetNoise = None,
    residual: _Residual = False,
    device: Device = "auto",
    threads: Threads = None,
    select: Select = None,
    resume: KeepProved = False,
    overwrite: ReplaceOutputs = False,
    json_path: _Json = None,
    repair: _Repair = False,
    assume_hu: AssumeHU = False,
    volume_offset_hu: VolumeOffsetHU = 0.0,
    skip_bad_slices: SkipBadSlices = False,
    force: _Force = False,
    keep_private: _KeepPrivate = False,
    equipment: _Equipment = "scanner",
    widen_bits: _Widen = False,
    compress: _Compress = "none",
    content_qualification: _Qualification = "research",
    series_number_offset: _NumberOffset = 1000,
    created: Created = None,
    per_channel: _PerChannel = False,
    scheduler: _Scheduler = None,
) -> None:
    """Denoise CT: HU in, HU out, derived DICOM series with new UIDs; every series appears whole or not at all.

    With a model of images: PNG, TIFF, BMP, JPEG and WebP, gray or RGB, in the form and depth of the source.

    Example: n2b-ct denoise /data/low_dose /data/denoised --json status.json
    """
    from n2b_ct import api

    require_usable_json(json_path)
    with progress_bar("denoising") as progress:
        result = api.denoise(
            source,
            output,
            model=model,
            adapt=adapt,
            strength=strength,
            reduce=reduce,
            target_noise_hu=target_noise_hu,
            residual=residual,
            select=select,
            resume=resume,
            overwrite=overwrite,
            repair=repair,
            assume_hu=assume_hu,
            volume_offset_hu=volume_offset_hu,
            skip_bad_slices=skip_bad_slices,
            force=force,
            per_channel=per_channel,
            created=time_of(created),
            keep_private=keep_private,
            equipment=equipment,
            widen_bits=widen_bits,
            compress=compress,
            content_qualification=content_qualification,
            series_number_offset=series_number_offset,
            device=device,
            threads=threads,
            scheduler=scheduler,
            progress=progress,
        )
    tell(result, json_path)
    raise typer.Exit(exit_code(result))

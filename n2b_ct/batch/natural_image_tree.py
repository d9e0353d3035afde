"""Denoise a tree of images: every image below a folder, each to its mirrored place, whole or not at all."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from n2b_ct.batch.natural_image_job import NaturalImageJob
from n2b_ct.batch.natural_image_places import natural_image_places, natural_image_records
from n2b_ct.batch.outcomes import DenoiseOptions, TreeResult
from n2b_ct.batch.places import refuse_overlap
from n2b_ct.batch.trees import nothing_found, prepare_places, require_source
from n2b_ct.batch.work import Steps, Work
from n2b_ct.errors import ConfigError, explain
from n2b_ct.inference.model import Model
from n2b_ct.io.progress import Progress

_FOR_CT_ONLY = {
    "repair_uids": "--repair",
    "assume_hu": "--assume-hu",
    "skip_bad_slices": "--skip-bad-slices",
    "allow_own_output": "--force",
    "volume_offset_hu": "--volume-offset-hu",
    "select": "--select",
    "created": "--created",
    "write": "an option of writing DICOM",
}


def denoise_natural_images(
    source: Path, output: Path, model: Model, options: DenoiseOptions, progress: Progress | None = None
) -> TreeResult:
    """Denoise every image at or below ``source``.

    An image that fails is reported and the others are done.

    Raises:
        ConfigError: An option that is for CT, or for models of the other colour.
        DataError: Nothing to denoise.
        OutputError: The output overlaps the input, or is there already and must not be touched.
    """
    require_source(source, "an image or a folder of images")
    _require_options(model, options)
    refuse_overlap(source, output)
    records = natural_image_records(source)
    paths = [record.path for record in records if record.action == "used"]
    if not paths:
        remedy = "pass a model of CT if it is DICOM or volumes you have"
        raise nothing_found(source, "image (png, tif, bmp, jpg, webp)", records, remedy)
    targets = natural_image_places(paths, source, output)
    work = Work(model, options, options.created or datetime.now().astimezone(), Steps(progress, len(paths)))
    jobs = [NaturalImageJob(path, target, work) for path, target in zip(paths, targets, strict=True)]
    places = [place for target in targets for place in work.places(target)]
    prepare_places(places, options.if_present, (job.look() for job in jobs))
    return TreeResult(tuple(job.run() for job in jobs), tuple(records))


def _require_options(model: Model, options: DenoiseOptions) -> None:
    usual = DenoiseOptions()
    for name, option in _FOR_CT_ONLY.items():
        if getattr(options, name) != getattr(usual, name):
            raise ConfigError(explain(option, "is for CT", "a model of images", "leave it out"))
    if options.per_channel and model.scale.colour == "rgb":
        raise ConfigError(explain("--per-channel", "is for models of gray images", "one of RGB", "leave it out"))

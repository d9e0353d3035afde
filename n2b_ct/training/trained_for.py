"""What a model is trained for: the noise and the pixels of its images, kept in the model file for reports."""

from __future__ import annotations

from collections.abc import Sequence

from n2b_ct.data.ct_source import CTSource
from n2b_ct.data.image_source import ImageSource
from n2b_ct.data.phantom_source import PhantomSource
from n2b_ct.data.roles import RoleSlice
from n2b_ct.evaluation.flat_regions import find_flat_blocks, noise_std_hu
from n2b_ct.io.series import SeriesRef

N_SLICES = 8
Ranges = dict[str, list[float]]


def trained_for(source: ImageSource) -> Ranges:
    """Return ``noise_std_hu`` (in flat soft tissue) and ``pixel_mm``, each lowest and highest; only what is known.

    Raises:
        DataError: A slice cannot be read.
    """
    if isinstance(source, PhantomSource):
        known = {"noise_std_hu": list(source.section.noise_hu)} if source.noise is None else {}
        return known | {"pixel_mm": list(source.pixels_mm)}
    return _of_slices(source.roles.noisy) if isinstance(source, CTSource) else {}


def _of_slices(slices: Sequence[RoleSlice]) -> Ranges:
    shown = [slices[int((k + 0.5) * len(slices) / N_SLICES)] for k in range(N_SLICES)] if slices else []
    read = [one.series.read_hu([one.index])[0] for one in dict.fromkeys(shown)]
    noises = [noise for hu in read if (noise := noise_std_hu(hu, find_flat_blocks(hu))) is not None]
    series = {one.series.name: one.series.source for one in slices}
    sources = [one for one in series.values() if isinstance(one, SeriesRef)]
    pixels = [side for one in sources for side in one.pixel_spacing_mm or ()]
    found = {"noise_std_hu": noises, "pixel_mm": pixels}
    return {name: [float(min(values)), float(max(values))] for name, values in found.items() if values}

"""The filter that makes a method's blurred labels."""

from __future__ import annotations

from typing import Any

from n2b_ct.config.methods import Method, Noise2BlurSection
from n2b_ct.data.slices import Label
from n2b_ct.filters.blur import blur


def label_filter(method: Method) -> Label | None:
    """Return what makes y_b of a whole image ``[rows, cols]``; None for methods without labels."""
    if not isinstance(method, Noise2BlurSection):
        return None
    return lambda image: blur(image, method.blur)


def label_settings(method: Method) -> dict[str, Any] | None:
    """Say how blurred labels are made, in plain values; None for methods without labels."""
    return method.blur.model_dump(mode="json") if isinstance(method, Noise2BlurSection) else None


def label_filters(method: Method) -> tuple[str, ...]:
    """Name the filter of a method's blurred labels; empty for methods without labels."""
    return (method.blur.filter,) if isinstance(method, Noise2BlurSection) else ()

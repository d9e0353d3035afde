"""What an image's header must say, so that its pixels can be written back as they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from PIL import ExifTags, Image

from n2b_ct.errors import DataError, explain
from n2b_ct.io.natural_images.names import FORMS
from n2b_ct.io.natural_images.natural_image import BitDepth, Colour, Form

PILLOW_FORMATS = ("PNG", "TIFF", "BMP", "JPEG", "WEBP")
_FORM_OF: dict[str | None, Form] = {
    "PNG": "png",
    "TIFF": "tiff",
    "BMP": "bmp",
    "JPEG": "jpeg",
    "MPO": "jpeg",  # a camera's JPEG with previews behind the photograph
    "WEBP": "webp",
}
_GRAY16_MODES = ("I;16", "I;16B", "I;16L", "I")
_REFUSED_MODES = {
    "1": "bilevel",
    "P": "a palette",
    "PA": "a palette with alpha",
    "LA": "gray with an alpha channel",
    "La": "gray with an alpha channel",
    "RGBA": "RGB with an alpha channel",
    "RGBa": "RGB with an alpha channel",
    "RGBX": "RGB with a fourth channel",
    "CMYK": "CMYK",
    "LAB": "CIELAB",
    "F": "floating point",
    "I": "integers of 32 bits or with a sign",
}
_PNG_BITS_AT = 24
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_ON_THEIR_SIDE = (5, 6, 7, 8)
_UNSIGNED, _WHITE_IS_ZERO = 1, 0


@dataclass(frozen=True, slots=True)
class Header:
    """What an image's header says.

    Attributes:
        form: What kind of file it is.
        bit_depth: Bits of a stored value.
        is_rgb: RGB, else gray.
        size_px: Rows and columns, upright.
        orientation: Exif's: 1 is upright.
        colour_profile: ICC profile.
    """

    form: Form
    bit_depth: BitDepth
    is_rgb: bool
    size_px: tuple[int, int]
    orientation: int
    colour_profile: bytes | None

    @property
    def colour(self) -> Colour:
        """Gray or RGB."""
        return "rgb" if self.is_rgb else "gray"

    @property
    def is_rgb16(self) -> bool:
        """RGB of 16 bits, which Pillow would halve."""
        return self.is_rgb and self.bit_depth == 16


def understand(image: Image.Image, content: bytes, path: Path, subject: str) -> Header:
    """Read the header of an image that Pillow has opened.

    Raises:
        DataError: It could not be written back as it is, or is not what its name says.
    """
    form = _FORM_OF[image.format]
    if form != FORMS.get(path.suffix.lower(), form):
        got = f"a {form.upper()} file"
        raise DataError(explain(subject, f"must be what its name says, {path.suffix}", got, "rename it"))
    n_pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if n_pages > 1:
        raise DataError(explain(subject, "must hold one image", n_pages, "save them one by one"))
    bits = _bits(image, form, content)
    _require_mode(image, form, bits, subject)
    if bits not in (8, 16):
        raise DataError(explain(subject, "must have 8 or 16 bits", bits, "save it with 8"))
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    is_on_its_side = orientation in _ON_THEIR_SIDE and form != "tiff"  # Pillow knows it of a TIFF's size already
    return Header(
        form,
        cast(BitDepth, bits),
        image.mode == "RGB",
        image.size if is_on_its_side else image.size[::-1],
        orientation,
        image.info.get("icc_profile") or None,
    )


def _bits(image: Image.Image, form: Form, content: bytes) -> int:
    """Bits of a stored value; Pillow's mode does not tell."""
    if form == "png":
        return content[_PNG_BITS_AT]
    if form == "tiff":
        by_channel = set(_tiff_tag(image, _TIFF_BITS, (1,)))
        return max(by_channel) if len(by_channel) == 1 else 0
    return 8


def _require_mode(image: Image.Image, form: Form, bits: int, subject: str) -> None:
    is_gray16 = bits == 16 and image.mode in _GRAY16_MODES and (form == "png" or image.mode != "I")
    if "transparency" in image.info:
        got = "a transparent colour"
    elif image.mode not in ("L", "RGB") and not is_gray16:
        got = _REFUSED_MODES.get(image.mode, image.mode)
    elif form == "tiff" and set(_tiff_tag(image, _TIFF_SAMPLE_FORMAT, (_UNSIGNED,))) != {_UNSIGNED}:
        got = "numbers with a sign"
    elif form == "tiff" and _WHITE_IS_ZERO in _tiff_tag(image, _TIFF_PHOTOMETRIC, (1,)):
        got = "white stored as 0"
    else:
        return
    raise DataError(explain(subject, "must be plain gray or RGB", got, "convert it to 8-bit or 16-bit gray or RGB"))


def _tiff_tag(image: Image.Image, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
    value = image.tag_v2.get(tag, default)  # type: ignore[attr-defined]
    return value if isinstance(value, tuple) else (value,)

"""Natural images in and out: PNG, TIFF and BMP both ways, JPEG and WebP read.

An image that is read and written again is the same pixel for pixel. What cannot be kept so (palettes, alpha channels,
CMYK, floating point, several pages) is refused in one line, and so is whatever is damaged.
"""

from n2b_ct.io.natural_images.names import in_natural_order, is_natural_image, list_natural_images, written_name
from n2b_ct.io.natural_images.natural_image import Colour, NaturalImage
from n2b_ct.io.natural_images.read import read_header, read_natural_image
from n2b_ct.io.natural_images.write import write_natural_image

__all__ = [
    "Colour",
    "NaturalImage",
    "in_natural_order",
    "is_natural_image",
    "list_natural_images",
    "read_header",
    "read_natural_image",
    "write_natural_image",
    "written_name",
]

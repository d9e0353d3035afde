"""Natural pictures in and out: PNG, TIFF and BMP both ways, JPEG and WebP read.

A picture that is read and written again is the same pixel for pixel. What cannot be kept so (palettes, alpha channels,
CMYK, floating point, several pages) is refused in one line, and so is whatever is damaged.
"""

from n2b_ct.io.pictures.names import in_natural_order, is_picture, list_pictures, written_name
from n2b_ct.io.pictures.picture import Colour, Picture
from n2b_ct.io.pictures.read import read_header, read_picture
from n2b_ct.io.pictures.write import write_picture

__all__ = [
    "Colour",
    "Picture",
    "in_natural_order",
    "is_picture",
    "list_pictures",
    "read_header",
    "read_picture",
    "write_picture",
    "written_name",
]

"""Natural images: what is read is written back pixel for pixel, in the source's form, depth and colour."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

from n2b_ct.errors import DataError, OutputError
from n2b_ct.io.natural_images import (
    NaturalImage,
    in_natural_order,
    is_natural_image,
    list_natural_images,
    read_header,
    read_natural_image,
    write_natural_image,
    written_name,
)
from n2b_ct.io.natural_images.write import to_words

SHAPES = {"gray": (13, 9), "rgb": (13, 9, 3)}
WORDS = {8: np.uint8, 16: np.uint16}


def random_words(colour, bit_depth):
    rng = np.random.default_rng([bit_depth, len(SHAPES[colour])])
    return rng.integers(0, 2**bit_depth, SHAPES[colour]).astype(WORDS[bit_depth])


@pytest.mark.parametrize("colour", ["gray", "rgb"])
@pytest.mark.parametrize(("ending", "bit_depth"), [(".png", 8), (".tif", 8), (".bmp", 8), (".png", 16), (".tiff", 16)])
def test_what_was_written_reads_the_same_here_and_in_an_independent_library(tmp_path, ending, bit_depth, colour):
    words = random_words(colour, bit_depth)
    form = {".png": "png", ".bmp": "bmp"}.get(ending, "tiff")
    like = NaturalImage(words / np.float32(2**bit_depth - 1), bit_depth, form)
    write_natural_image(tmp_path / f"a{ending}", like.pixels, like)
    image = read_natural_image(tmp_path / f"a{ending}")
    assert (image.form, image.bit_depth, image.colour, image.size) == (form, bit_depth, colour, "13x9")
    assert image.pixels.dtype == np.float32
    np.testing.assert_array_equal(to_words(image.pixels, bit_depth), words)
    np.testing.assert_array_equal(independently_read(tmp_path / f"a{ending}"), words)


def independently_read(path):
    """Decode with a library that did not write the file: imagecodecs, tifffile, or the bytes of a BMP by hand."""
    imagecodecs = pytest.importorskip("imagecodecs")
    content = path.read_bytes()
    if path.suffix == ".png":
        return imagecodecs.png_decode(content)
    return imagecodecs.bmp_decode(content) if path.suffix == ".bmp" else tifffile.imread(path)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("colour", ["gray", "rgb"])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_foreign_tiffs_are_read_exactly_and_come_back_the_same(tmp_path, compression, byteorder, colour, bit_depth):
    words = random_words(colour, bit_depth)
    photometric = "rgb" if colour == "rgb" else "minisblack"
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(source, words, photometric=photometric, compression=compression, byteorder=byteorder)
    image = read_natural_image(source)
    np.testing.assert_array_equal(to_words(image.pixels, bit_depth), words)
    write_natural_image(target, image.pixels, image)
    np.testing.assert_array_equal(tifffile.imread(target), words)


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_every_stored_value_survives_float32(bit_depth):
    words = np.arange(2**bit_depth).astype(WORDS[bit_depth])
    pixels = words.astype(np.float32) / np.float32(2**bit_depth - 1)
    np.testing.assert_array_equal(to_words(pixels, bit_depth), words)


def test_values_are_rounded_to_the_nearest_and_clipped():
    pixels = np.array([-0.2, 0.49 / 255, 0.51 / 255, 254.4 / 255, 1.7], dtype=np.float32)
    np.testing.assert_array_equal(to_words(pixels, 8), [0, 0, 1, 254, 255])


def test_black_is_0_and_white_is_1(tmp_path):
    Image.fromarray(np.array([[0, 255], [51, 102]], dtype=np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_natural_image(tmp_path / "a.png").pixels, [[0, 1], [0.2, 0.4]], rtol=1e-6)


@pytest.mark.parametrize(("form", "how"), [("jpeg", {"quality": 90}), ("webp", {"lossless": True})])
def test_lossy_forms_are_read_and_become_png(tmp_path, form, how):
    words = random_words("rgb", 8)
    Image.fromarray(words).save(tmp_path / f"a.{form}", **how)
    with Image.open(tmp_path / f"a.{form}") as image:
        expected = np.asarray(image)
    image = read_natural_image(tmp_path / f"a.{form}")
    np.testing.assert_array_equal(to_words(image.pixels, 8), expected)
    write_natural_image(tmp_path / "a.png", image.pixels, image)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), expected)


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: np.swapaxes(stored, 0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(np.swapaxes(stored, 0, 1), 2),
    8: np.rot90,
}
"""What Exif's Orientation asks a viewer to do, from its definition of row 0 and column 0."""


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_an_image_that_a_camera_turned_comes_back_upright(tmp_path, orientation, ending):
    words = np.kron(np.array([[0, 60, 120], [180, 220, 250]]), np.ones((8, 8))).astype(np.uint8)
    Image.fromarray(words).save(tmp_path / f"a.{ending}", exif=oriented(orientation))
    pixels = read_natural_image(tmp_path / f"a.{ending}").pixels
    expected = UPRIGHT[orientation](words)
    assert pixels.shape == expected.shape == read_header(tmp_path / f"a.{ending}").size_px
    np.testing.assert_allclose(255 * pixels, expected, atol=4)


def test_what_is_written_upright_is_not_turned_again(tmp_path):
    words = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(words).save(tmp_path / "a.png", exif=oriented(6))
    image = read_natural_image(tmp_path / "a.png")
    write_natural_image(tmp_path / "b.png", image.pixels, image)
    np.testing.assert_array_equal(read_natural_image(tmp_path / "b.png").pixels, image.pixels)


@pytest.mark.parametrize("colour", ["gray", "rgb"])
@pytest.mark.parametrize(("ending", "bit_depth"), [("png", 8), ("png", 16), ("tif", 8), ("tif", 16)])
def test_the_colour_profile_stays_and_the_cameras_remarks_go(tmp_path, ending, bit_depth, colour):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    like = NaturalImage(random_words(colour, bit_depth) / np.float32(2**bit_depth - 1), bit_depth, "png", profile)
    like = NaturalImage(like.pixels, bit_depth, "png" if ending == "png" else "tiff", profile)
    write_natural_image(tmp_path / f"a.{ending}", like.pixels, like)
    assert read_natural_image(tmp_path / f"a.{ending}").colour_profile == profile


def test_remarks_do_not_reach_the_written_file(tmp_path):
    remarks = PngInfo()
    remarks.add_text("Author", "Somebody")
    exif = Image.Exif()
    exif[0x013B] = "Somebody"
    Image.fromarray(random_words("gray", 8)).save(tmp_path / "a.png", pnginfo=remarks, exif=exif)
    image = read_natural_image(tmp_path / "a.png")
    write_natural_image(tmp_path / "b.png", image.pixels, image)
    assert b"Somebody" in (tmp_path / "a.png").read_bytes()
    assert b"Somebody" not in (tmp_path / "b.png").read_bytes()


def test_the_first_image_of_a_cameras_jpeg_with_previews_is_the_photograph(tmp_path):
    photograph, preview = (Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (200, 10))
    photograph.save(tmp_path / "a.mpo", save_all=True, append_images=[preview])
    (tmp_path / "a.mpo").rename(tmp_path / "a.jpg")
    assert read_natural_image(tmp_path / "a.jpg").pixels.mean() == pytest.approx(200 / 255, abs=0.01)


def test_an_image_of_nan_is_not_written(tmp_path):
    like = NaturalImage(np.zeros((4, 4), np.float32))
    with pytest.raises(DataError, match=r"a\.png: must hold finite pixels"):
        write_natural_image(tmp_path / "a.png", np.full((4, 4), np.nan), like)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_output_error_and_leaves_nothing(tmp_path):
    like = NaturalImage(np.zeros((4, 4), np.float32))
    with pytest.raises(OutputError, match="must be writable"):
        write_natural_image(tmp_path / "absent" / "a.png", like.pixels, like)
    assert list(tmp_path.iterdir()) == []


# ── Names ──


def test_numbers_in_names_count_by_their_value(tmp_path):
    names = ["p10.png", "p2.PNG", "P1.tif", "a.jpeg", ".hidden.png", "notes.txt", "p2.webp"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_natural_images(tmp_path)] == ["a.jpeg", "P1.tif", "p2.PNG", "p2.webp", "p10.png"]


def test_natural_order_takes_any_name(tmp_path):
    names = ["²", "٣", "1", "x1y", "x", "", "10x", "x01", "x1", "ß", "a\udcff"]
    paths = [tmp_path / (name + ".png") for name in names]
    assert sorted(map(str, in_natural_order(paths))) == sorted(map(str, paths))
    assert in_natural_order(reversed(paths)) == in_natural_order(paths)


def test_only_lossy_forms_change_their_names():
    assert [written_name(name) for name in ("a.PNG", "a.b.jpg", "c.WebP", "d.tif", "e.bmp")] == [
        "a.PNG",
        "a.b.png",
        "c.png",
        "d.tif",
        "e.bmp",
    ]


def test_an_image_is_known_by_its_name(tmp_path):
    assert is_natural_image(tmp_path / "A.JPG")
    assert not is_natural_image(tmp_path / ".A.jpg")
    assert not is_natural_image(tmp_path / "a.dcm")


# ── What is refused ──


def save(path, image, **how):
    image.save(path, **how)
    return path


def gray(side=8):
    return Image.fromarray(np.arange(side * side, dtype=np.uint8).reshape(side, side))


def float_tiff(folder):
    tifffile.imwrite(folder / "a.tif", np.zeros((8, 8), np.float32))
    return folder / "a.tif"


def signed_tiff(folder):
    tifffile.imwrite(folder / "a.tif", np.zeros((8, 8), np.int16))
    return folder / "a.tif"


def wide_tiff(folder):
    tifffile.imwrite(folder / "a.tif", np.zeros((8, 8), np.uint32))
    return folder / "a.tif"


def planar_tiff(folder):
    words = np.zeros((3, 8, 8), np.uint16)
    tifffile.imwrite(folder / "a.tif", words, photometric="rgb", planarconfig="separate")
    return folder / "a.tif"


def inverted_tiff(folder):
    tifffile.imwrite(folder / "a.tif", np.zeros((8, 8), np.uint8), photometric="miniswhite")
    return folder / "a.tif"


def turned_rgb16(folder):
    words = np.zeros((8, 8, 3), np.uint16)
    tags = [(TiffImagePlugin.ExifTags.Base.Orientation, "H", 1, 6, True)]
    tifffile.imwrite(folder / "a.tif", words, photometric="rgb", extratags=tags)
    return folder / "a.tif"


def alpha16(folder):
    words = np.zeros((8, 8, 4), np.uint16)
    tifffile.imwrite(folder / "a.tif", words, photometric="rgb", extrasamples=["unassalpha"])
    return folder / "a.tif"


def two_bits(folder):
    content = bytearray(save(folder / "a.png", gray().convert("P"), bits=2).read_bytes())
    content[25] = 0  # the colour type: gray instead of a palette
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (folder / "a.png").write_bytes(content)
    return folder / "a.png"


def wrong_name(folder):
    content = io.BytesIO()
    gray().convert("RGB").save(content, "JPEG")
    (folder / "a.png").write_bytes(content.getvalue())
    return folder / "a.png"


REFUSED = {
    "palette": (lambda f: save(f / "a.png", gray().convert("P")), "must be plain gray or RGB, got a palette"),
    "alpha": (lambda f: save(f / "a.png", gray().convert("RGBA")), "got RGB with an alpha channel"),
    "gray_alpha": (lambda f: save(f / "a.png", gray().convert("LA")), "got gray with an alpha channel"),
    "transparent": (lambda f: save(f / "a.png", gray(), transparency=3), "got a transparent colour"),
    "webp_alpha": (lambda f: save(f / "a.webp", Image.new("RGBA", (8, 8))), "got RGB with an alpha channel"),
    "bilevel": (lambda f: save(f / "a.png", gray().convert("1")), "got bilevel"),
    "bilevel_bmp": (lambda f: save(f / "a.bmp", gray().convert("1")), "got bilevel"),
    "cmyk": (lambda f: save(f / "a.jpg", gray().convert("CMYK")), "got CMYK"),
    "cmyk_tiff": (lambda f: save(f / "a.tif", gray().convert("CMYK")), "got CMYK"),
    "lab": (lambda f: save(f / "a.tif", gray().convert("RGB").convert("LAB")), "got CIELAB"),
    "float": (float_tiff, "got floating point"),
    "signed": (signed_tiff, "got integers of 32 bits or with a sign"),
    "wide": (wide_tiff, "got integers of 32 bits or with a sign"),
    "planar": (planar_tiff, "must store RGB pixel by pixel"),
    "white_is_zero": (inverted_tiff, "got white stored as 0"),
    "turned_rgb16": (turned_rgb16, "must be stored upright at 16 bits, got orientation 6"),
    "alpha16": (alpha16, "got RGB with an alpha channel"),
    "two_bits": (two_bits, "must have 8 or 16 bits, got 2"),
    "pages": (
        lambda f: save(f / "a.tif", gray(), save_all=True, append_images=[gray()]),
        "must hold one image, got 2",
    ),
    "animated": (
        lambda f: save(f / "a.png", gray(), save_all=True, append_images=[gray().rotate(90)]),
        "must hold one image, got 2",
    ),
    "animated_webp": (
        lambda f: save(f / "a.webp", gray(), save_all=True, append_images=[gray().rotate(90)], lossless=True),
        "must hold one image, got 2",
    ),
    "wrong_name": (wrong_name, r"must be what its name says, \.png, got a JPEG file; rename it"),
    "one_pixel": (lambda f: save(f / "a.png", gray(1)), "must be at least 2x2 pixels, got 1x1"),
    "a_line": (lambda f: save(f / "a.png", gray().crop((0, 0, 8, 1))), "must be at least 2x2 pixels, got 1x8"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_could_not_be_written_back_is_refused_in_one_line(tmp_path, kind):
    make, words = REFUSED[kind]
    path = make(tmp_path)
    with pytest.raises(DataError, match=words) as caught:
        read_natural_image(path, "data.noisy.folder: a")
    assert str(caught.value).startswith("data.noisy.folder: a: ")
    assert len(str(caught.value).splitlines()) == 1


def png_chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(DataError, match=r"bomb\.png: must have at most 179 million pixels"):
        read_natural_image(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("content", "got"), [(b"", "something else"), (b"GIF89a" + bytes(40), "something else"), (b"MM\0*", "")]
)
def test_what_is_no_image_is_refused(tmp_path, content, got):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=f"a.png: must be a whole PNG, TIFF, BMP, JPEG or WebP image, got {got}"):
        read_natural_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["absent.png", ""])
def test_an_image_that_is_not_there_or_a_folder_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="got no such file"):
        read_natural_image(tmp_path / name)


def valid_files(folder):
    for colour in SHAPES:
        for bit_depth, endings in ((8, ("png", "tif", "bmp", "jpg", "webp")), (16, ("png", "tif"))):
            for ending in endings:
                path = folder / f"{colour}{bit_depth}.{ending}"
                words = random_words(colour, bit_depth)
                if ending in ("jpg", "webp"):
                    Image.fromarray(words).save(path)
                else:
                    form = "tiff" if ending == "tif" else ending
                    like = NaturalImage(words / np.float32(2**bit_depth - 1), bit_depth, form)
                    write_natural_image(path, like.pixels, like)
                yield path


def test_an_image_cut_short_is_refused_or_lacks_nothing(tmp_path):
    for path in list(valid_files(tmp_path)):
        whole, content = read_natural_image(path).pixels, path.read_bytes()
        for n_bytes in range(0, len(content) - 1, max(1, len(content) // 25)):
            path.write_bytes(content[:n_bytes])
            try:
                pixels = read_natural_image(path).pixels
            except DataError as error:
                assert len(str(error).splitlines()) == 1  # noqa: PT017 (either is right)
            else:
                np.testing.assert_array_equal(pixels, whole)


def test_damaged_images_never_raise_anything_but_one_line(tmp_path):
    rng = np.random.default_rng(5)
    n_refused = 0
    for path in list(valid_files(tmp_path)):
        content = path.read_bytes()
        for _ in range(25):
            damaged = bytearray(content)
            for place in rng.integers(0, len(content), 3):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                read_natural_image(path)
            except DataError as error:
                n_refused += 1
                assert len(str(error).splitlines()) == 1  # noqa: PT017 (damage may miss what matters)
    assert n_refused > 100


def test_a_flipped_bit_in_the_pixels_of_a_png_is_found(tmp_path):
    path = save(tmp_path / "a.png", Image.fromarray(random_words("gray", 8)), compress_level=0)
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="got a damaged file"):
        read_natural_image(path)

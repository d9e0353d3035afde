"""Elements that break the rules of PS3.5 and PS3.6: gone, doubled, misnamed, mismeasured, or absurd."""

from __future__ import annotations

from random import Random

from pydicom.datadict import dictionary_VR, tag_for_keyword

from benchmarks.fuzz.anatomy import PIXEL_DATA, UNDEFINED_LENGTH, Anatomy, Element

_VRS = ("UN", "SQ", "OB", "OW", "US", "SS", "DS", "IS", "UI", "PN", "LT", "UT", "FD", "AT", "SV", "ZZ", "??", "\0\0")
_LENGTHS = (1, 3, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, UNDEFINED_LENGTH)
_NUMBERS = ("0", "-0", "-1", "1e308", "-1e308", "1e-308", "1e400", "NaN", "inf", "65536", "2147483648", "9" * 16)
_TEXTS = (
    "",
    " ",
    "one",
    "1,5",
    "0x10",
    "1\\2\\3",
    "\\",
    "\\\\\\",
    "1 2",
    "\x00",
    "\x1b$B",
    "\x1b[31m",
    "%s{0}",
    "../..",
)
_SHORTS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 64, 255, 4095, 32767, 32768, 60000, 65535)
_NUMERIC_TEXT = (
    "RescaleSlope",
    "RescaleIntercept",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SliceLocation",
    "GantryDetectorTilt",
    "InstanceNumber",
    "AcquisitionNumber",
    "SeriesNumber",
    "NumberOfFrames",
    "KVP",
    "WindowCenter",
)
_NUMERIC_WORDS = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
)
_WORDY = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "ImageType",
    "RescaleType",
    "PhotometricInterpretation",
    "SeriesDescription",
    "ConvolutionKernel",
    "TimezoneOffsetFromUTC",
    "LossyImageCompression",
    "LossyImageCompressionMethod",
    "StudyDate",
    "PatientName",
    "PatientID",
)
_CHARSETS = (
    "",
    "ISO_IR 100",
    "ISO_IR 192",
    "ISO 2022 IR 13\\ISO 2022 IR 87",
    "GB18030",
    "bogus",
    "\\",
    "ISO_IR 100" * 9,
)


def delete(draw: Random, seed: Anatomy) -> bytes:
    """Leave 1 to 3 elements out."""
    kept = list(seed.elements)
    for _ in range(min(draw.randint(1, 3), len(kept))):
        kept.pop(draw.randrange(len(kept)))
    return seed.with_elements(*kept).content


def double(draw: Random, seed: Anatomy) -> bytes:
    """Write an element twice, the second time anywhere."""
    elements = list(seed.elements)
    elements.insert(draw.randrange(len(elements) + 1), draw.choice(elements))
    return seed.with_elements(*elements).content


def disorder(draw: Random, seed: Anatomy) -> bytes:
    """Swap two elements, or shuffle all."""
    elements = list(seed.elements)
    if draw.random() < 0.3:
        draw.shuffle(elements)
    else:
        one, other = draw.randrange(len(elements)), draw.randrange(len(elements))
        elements[one], elements[other] = elements[other], elements[one]
    return seed.with_elements(*elements).content


def swap_values(draw: Random, seed: Anatomy) -> bytes:
    """Give an element the value of another."""
    one, other = draw.choice(seed.elements), draw.choice(seed.elements)
    return _exchanged(seed, one, seed.made(one.tag, one.vr, other.value)).content


def wrong_vr(draw: Random, seed: Anatomy) -> bytes:
    """Claim another VR, the length field as it was."""
    one = draw.choice(seed.elements)
    vr = draw.choice(_VRS)
    head = one.head[:4] + vr.encode() + one.head[6:]
    if draw.random() < 0.5:
        head = seed.encoding.head(one.tag, vr, len(one.value))
    return _exchanged(seed, one, Element(one.tag, vr, head, one.value)).content


def wrong_length(draw: Random, seed: Anatomy) -> bytes:
    """Claim another length: off by a few, huge, undefined."""
    one = draw.choice(seed.elements)
    near = len(one.value) + draw.choice([-2, -1, 1, 2, 8, 100])
    length = draw.choice([near, near, *_LENGTHS, draw.randrange(1 << 32)])
    head = seed.encoding.head(one.tag, one.vr, length)
    return _exchanged(seed, one, Element(one.tag, one.vr, head, one.value)).content


def odd_value(draw: Random, seed: Anatomy) -> bytes:
    """Make a value of odd length, or empty."""
    one = draw.choice(seed.elements)
    value = draw.choice([one.value[:-1], one.value + b"\0", b""])
    return _exchanged(seed, one, seed.made(one.tag, one.vr, value)).content


def wrong_tag(draw: Random, seed: Anatomy) -> bytes:
    """Claim another tag: a neighbour, another group, a delimiter, anything."""
    one = draw.choice(seed.elements)
    tags = [one.tag + 1, one.tag ^ 0x10000, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0, PIXEL_DATA, draw.randrange(1 << 32)]
    tag = draw.choice(tags)
    return _exchanged(seed, one, Element(tag, one.vr, seed.encoding.tag(tag) + one.head[4:], one.value)).content


def extreme_words(draw: Random, seed: Anatomy) -> bytes:
    """Put absurd numbers in Rows, Bits…, padding: one to three of them."""
    for keyword in draw.sample(_NUMERIC_WORDS, draw.randint(1, 3)):
        words = [draw.choice(_SHORTS) for _ in range(draw.choice([1, 1, 1, 1, 0, 2, 5]))]
        value = b"".join(seed.encoding.number(word, 2) for word in words)
        vr = draw.choice(["SS", "US"]) if keyword.endswith(("Value", "Limit")) else "US"
        seed = seed.put(seed.made(_tag(keyword), vr, value))
    return seed.content


def extreme_numbers(draw: Random, seed: Anatomy) -> bytes:
    """Put absurd decimal text in Rescale…, positions, spacing, numbers."""
    for keyword in draw.sample(_NUMERIC_TEXT, draw.randint(1, 2)):
        n_values = draw.choice([0, 1, 1, 2, 3, 3, 6, 6, 1000])
        values = "\\".join(draw.choice((*_NUMBERS, *_TEXTS)) for _ in range(n_values))
        seed = _with_text(seed, keyword, values.encode("latin-1"))
    return seed.content


def garbage_text(draw: Random, seed: Anatomy) -> bytes:
    """Put noise, control characters or 64 kB of text in UIDs, codes, names."""
    for keyword in draw.sample(_WORDY, draw.randint(1, 2)):
        value = draw.choice(
            [*(text.encode("latin-1") for text in _TEXTS), draw.randbytes(40), b"A\\" * 5000, b"1." * 40]
        )
        seed = _with_text(seed, keyword, value + b"x" * draw.choice([0, 0, 0, 65, 40000]))
    return seed.content


def character_set(draw: Random, seed: Anatomy) -> bytes:
    """Name another character set than the text is in."""
    spoiled = _with_text(seed, "SpecificCharacterSet", draw.choice(_CHARSETS).encode())
    return _with_text(spoiled, "SeriesDescription", draw.choice([draw.randbytes(20), b"\x1b$B;3ED\x1b(J"])).content


def huge_count(draw: Random, seed: Anatomy) -> bytes:
    """Add tens of thousands of small elements, private or public."""
    group = draw.choice([0x0009, 0x0011, 0x0020, 0x5000])
    n_elements = draw.choice([1000, 10000, 60000])
    many = [seed.made(group << 16 | 0x1000 + place % 0xE000, "LO", b"x ") for place in range(n_elements)]
    kept = (
        [one for one in seed.elements if one.tag < group << 16],
        [one for one in seed.elements if one.tag > group << 16],
    )
    return seed.with_elements(*kept[0], *many, *kept[1]).content


def _exchanged(seed: Anatomy, old: Element, new: Element) -> Anatomy:
    return seed.with_elements(*(new if one is old else one for one in seed.elements))


def _with_text(seed: Anatomy, keyword: str, value: bytes) -> Anatomy:
    tag = _tag(keyword)
    return seed.put(seed.made(tag, dictionary_VR(tag), value + b" " * (len(value) % 2)))


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


MUTATORS = {
    f"elements: {mutator.__name__.replace('_', ' ')}": mutator
    for mutator in (
        delete,
        double,
        disorder,
        swap_values,
        wrong_vr,
        wrong_length,
        odd_value,
        wrong_tag,
        extreme_words,
        extreme_numbers,
        garbage_text,
        character_set,
        huge_count,
    )
}

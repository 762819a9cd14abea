"""The decoded pixels of a file, compared with the values that were written, format by format."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from fdt_core.datasets.raw_files.image_decoding import decode, is_image
from fdt_core.datasets.raw_files.source import Conversion
from tests.fdt_core.datasets.archives import image_file, pixels

RAMP = np.linspace(0, 65535, 20 * 30).reshape(20, 30).astype(np.uint16)


def written(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def decoded(contents: bytes) -> tuple[npt.NDArray[np.uint8], list[Conversion]]:
    image, conversions = decode(contents)
    assert image.mode == "RGB"
    return np.asarray(image), list(conversions)


def grey_png(values: npt.NDArray[np.uint16], transparent: int | None = None) -> bytes:
    """A PNG of 16-bit grey, written byte by byte; one value may mean transparent."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    key = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + key + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def big_endian_tiff(values: npt.NDArray[np.uint16]) -> bytes:
    height, width = values.shape
    return written(Image.frombytes("I;16B", (width, height), values.astype(">u2").tobytes()), "TIFF")


# 16 bits


@pytest.mark.parametrize(
    "contents",
    [
        grey_png(RAMP),
        written(Image.fromarray(RAMP), "TIFF"),
        written(Image.fromarray(RAMP), "TIFF", compression="tiff_lzw"),
        big_endian_tiff(RAMP),
        written(Image.fromarray(RAMP), "PPM"),
        b"P2\n30 20\n65535\n" + " ".join(map(str, RAMP.ravel())).encode(),
    ],
    ids=["png", "tiff", "lzw", "big-endian", "pgm", "plain pgm"],
)
def test_sixteen_bit_grey_is_scaled_by_its_full_range(contents: bytes) -> None:
    values, conversions = decoded(contents)
    expected = np.round(RAMP / 65535 * 255)
    assert np.array_equal(values, np.stack([expected] * 3, axis=2))
    assert conversions == [Conversion.SIXTEEN_BIT]


def test_white_is_zero_is_inverted_with_16_bits_as_with_8() -> None:
    values, _ = decoded(written(Image.fromarray(RAMP), "TIFF", tiffinfo={262: 0}))
    assert (values[0, 0, 0], values[-1, -1, 0]) == (255, 0)


def test_twelve_bits_are_scaled_to_the_full_range() -> None:
    packed = b"\xff" * 6
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in sorted({256: 2, 257: 2, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 6}.items())
    )
    head = struct.pack("<2sHI", b"II", 42, 14)
    values, conversions = decoded(head + packed + struct.pack("<H", 9) + entries + struct.pack("<I", 0))
    assert values.min() == 255
    assert conversions == [Conversion.SIXTEEN_BIT]


@pytest.mark.parametrize(
    "contents",
    [
        written(Image.fromarray(RAMP.astype(np.float32) / 65535), "TIFF"),
        written(Image.fromarray(RAMP.astype(np.int32) * 1000), "TIFF"),
        written(Image.fromarray(RAMP.astype(np.float32)), "PPM"),
    ],
    ids=["float", "int32", "pfm"],
)
def test_pixels_without_a_known_range_are_refused(contents: bytes) -> None:
    with pytest.raises(ValueError, match="which values are black and white is not known: save it with 8 or 16 bits"):
        decode(contents)


def test_16_bit_colours_are_reported_and_keep_their_upper_bits() -> None:
    header = b"P6\n2 1\n65535\n"
    values, conversions = decoded(header + np.array([65535, 0, 32896, 257, 514, 65278], dtype=">u2").tobytes())
    assert values.tolist() == [[[255, 0, 128], [1, 2, 254]]]
    assert conversions == [Conversion.SIXTEEN_BIT]


# EXIF


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_orientation_of_every_format_is_turned_upright(format: str, orientation: int) -> None:
    """The image is stored so that its orientation brings it back: decoding gives the upright one."""
    upright = Image.fromarray(np.kron(pixels(2, 3, 3), np.ones((16, 16, 1), dtype=np.uint8)))
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # the inverse Image.Transpose
    stored = upright if back is None else upright.transpose(Image.Transpose(back))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    values, conversions = decoded(written(stored, format, exif=exif, **options))
    assert values.shape == (32, 48, 3)
    assert np.abs(values.astype(int) - np.asarray(upright)).mean() < 8
    assert conversions == ([] if orientation == 1 else [Conversion.UPRIGHT])


def test_an_image_with_damaged_exif_data_is_read() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = written(Image.fromarray(pixels(16, 24, 3)), "JPEG", exif=exif)
    damaged = contents.replace(b"MM\x00\x2a", b"MM\xff\xff").replace(b"II\x2a\x00", b"II\xff\xff")
    assert damaged != contents
    assert decoded(damaged)[0].shape == (16, 24, 3)


# Transparency


def half_transparent(mode: str) -> Image.Image:
    """Black, with alpha 255, 127 and 0 from left to right."""
    array = np.zeros((2, 3, 4), dtype=np.uint8)
    array[..., 3] = (255, 127, 0)
    return Image.fromarray(array).convert(mode)


@pytest.mark.parametrize(
    "contents",
    [
        written(half_transparent("RGBA"), "PNG"),
        written(half_transparent("LA"), "PNG"),
        written(half_transparent("RGBA"), "TIFF"),
        written(half_transparent("RGBA"), "WEBP", lossless=True),
    ],
    ids=["RGBA", "LA", "tiff", "webp"],
)
def test_transparent_pixels_are_laid_over_white(contents: bytes) -> None:
    values, conversions = decoded(contents)
    assert values[0, :, 0].tolist() == [0, 128, 255]
    assert conversions == [Conversion.TRANSPARENT]


@pytest.mark.parametrize(
    "contents",
    [
        written(Image.fromarray(np.array([[7, 9]], dtype=np.uint8)), "PNG", transparency=9),
        written(Image.fromarray(np.array([[[7, 7, 7], [9, 9, 9]]], dtype=np.uint8)), "PNG", transparency=(9, 9, 9)),
        written(Image.fromarray(np.array([[7, 9]], dtype=np.uint8)).convert("P"), "PNG", transparency=9),
        written(Image.fromarray(np.array([[7, 9]], dtype=np.uint8)).convert("P"), "GIF", transparency=9),
        grey_png(np.array([[7 * 257, 9 * 257]], dtype=np.uint16), transparent=9 * 257),
    ],
    ids=["L", "RGB", "P", "gif", "16-bit"],
)
def test_a_colour_that_means_transparent_becomes_white(contents: bytes) -> None:
    values, conversions = decoded(contents)
    assert values[0, :, 0].tolist() == [7, 255]
    assert Conversion.TRANSPARENT in conversions


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    array = pixels(9, 9, 4)
    array[..., 3] = 255
    values, conversions = decoded(image_file(array, "PNG"))
    assert np.array_equal(values, array[..., :3])
    assert conversions == []


# Frames


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_is_used_and_this_is_reported(format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if format == "WEBP" else {}
    values, conversions = decoded(written(frames[0], format, save_all=True, append_images=frames[1:], **options))
    assert values[4, 4].tolist() == [255, 0, 0]
    assert conversions == [Conversion.FIRST_FRAME]


# Unchanged, refused, recognised


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        *((format, mode) for format in ("PNG", "BMP", "TIFF", "GIF") for mode in ("1", "L", "P", "RGB")),
        *((format, mode) for format in ("TIFF", "JPEG") for mode in ("CMYK", "YCbCr")),
        ("JPEG", "RGB"),
        ("JPEG", "L"),
    ],
)
def test_ordinary_images_are_decoded_as_by_pillow(format: str, mode: str) -> None:
    contents = written(Image.fromarray(pixels(12, 17, 3)).convert(mode), format)
    values, conversions = decoded(contents)
    assert np.array_equal(values, np.asarray(Image.open(io.BytesIO(contents)).convert("RGB")))
    assert conversions == []


@pytest.mark.parametrize("part", [0, 3, 60, 0.5, 0.95])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_truncated_image_is_refused(format: str, part: float) -> None:
    contents = image_file(pixels(64, 64, 3), format)
    with pytest.raises(ValueError, match=r"\S"):
        decode(contents[: int(part * len(contents)) if part < 1 else int(part)])


def test_an_image_with_too_many_pixels_is_refused_with_the_limit() -> None:
    contents = written(Image.new("1", (14_000, 14_000)), "PNG")
    with pytest.raises(ValueError, match="more than 178,956,970 pixels"):
        decode(contents)


def test_no_program_is_run_for_a_drawing() -> None:
    with pytest.raises(ValueError, match="its format is not supported"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")


PHOTO = image_file(pixels(12, 12, 3), "JPEG")


@pytest.mark.parametrize(
    ("name", "contents", "expected"),
    [
        ("a.jfif", PHOTO, True),
        ("a.JPE", PHOTO, True),
        ("img_large", PHOTO, True),
        ("photo.2019", PHOTO, True),
        ("drawing.dat", image_file(pixels(12, 12), "PNG"), True),
        ("damaged.png", b"", True),
        ("shot.dng", image_file(pixels(12, 12, 3), "TIFF"), False),
        ("notes.txt", b"BMW and P6 are words", False),
        ("empty", b"", False),
        ("page.html", b"<html>", False),
    ],
)
def test_content_decides_if_the_suffix_does_not(tmp_path: Path, name: str, contents: bytes, expected: bool) -> None:
    (tmp_path / name).write_bytes(contents)
    assert is_image(tmp_path / name) is expected


def test_a_photo_with_any_suffix_of_an_image_is_read_as_what_it_is() -> None:
    assert np.array_equal(decoded(PHOTO)[0], np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(PHOTO)))))

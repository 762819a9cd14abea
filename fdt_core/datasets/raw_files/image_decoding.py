"""Decode an image file to 8-bit RGB pixels without clipping, wrong orientation or guessing.

Checked with each mode of Pillow 13: `convert("RGB")` alone clips 16-bit grey at 255, drops transparency, so that the
colours hidden under it show, and leaves a phone's photo on its side.
"""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from fdt_core.datasets.raw_files.source import Conversion

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".webp", ".avif", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".qoi"),
    }
)
"""A file with one of these suffixes (in any case) counts as an image; for others, their first bytes decide."""

_CAMERA_SUFFIXES = frozenset({".dng", ".nef", ".cr2", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"})
"""Raw files of cameras: their content looks like TIFF, but only a small preview could be read."""

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF", "TIFF", "PPM", "JPEG2000", "QOI", "SGI")
"""Formats that are read, with any suffix: recognised by their first bytes, and made of pixels, not drawings."""

_ORIENTATIONS = range(2, 9)  # in EXIF; 1 is upright, others are undefined


def is_image(path: Path) -> bool:
    """Whether the file is an image: by its suffix, or by its first bytes if the suffix does not tell.

    A file with the suffix of an image counts as one even if it is damaged: `decode` finds that out. So a folder of a
    million images is counted without opening any.

    Raises:
        OSError: if the file must be opened and cannot be.
    """
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES | _CAMERA_SUFFIXES:
        return suffix in IMAGE_SUFFIXES
    with path.open("rb") as file, _quiet():
        try:
            Image.open(file, formats=_readable_formats())
        except Image.DecompressionBombError:  # an image, but too large: `decode` reports that
            return True
        except Exception:  # Pillow's readers raise whatever their parsers do: struct.error, IndexError, ...
            return False
    return True


def decode(contents: bytes) -> tuple[Image.Image, tuple[Conversion, ...]]:
    """Decode the image in a file's `contents` as 8-bit RGB; returns it and the conversions made.

    16-bit grey is scaled by its full range. EXIF orientation is applied. Transparent pixels are laid over white. Of
    several frames or pages the first is used.

    Raises:
        ValueError: if it cannot be read, or could only be converted by guessing; the message ends a sentence.
    """
    try:
        with _quiet(), Image.open(io.BytesIO(contents), formats=_readable_formats()) as image:
            return _rgb(image)
    except UnidentifiedImageError as error:
        raise ValueError("its format is not supported, or it is damaged") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels: make it smaller") from error
    except MemoryError as error:
        raise ValueError("it does not fit into memory") from error
    except Exception as error:  # damaged files raised 7 types of errors in 50,000 tries with changed bytes
        raise ValueError(str(error) or type(error).__name__) from error


def _rgb(image: Image.Image) -> tuple[Image.Image, tuple[Conversion, ...]]:
    # Read before the pixels are: Pillow turns a TIFF while loading it, and then drops its orientation.
    turned, frames, sixteen_bit = _is_turned(image), getattr(image, "n_frames", 1), _is_sixteen_bit(image)
    white, black = _sixteen_bit_range(image) if _has_wide_pixels(image) else (0, 0)
    image.load()
    upright = ImageOps.exif_transpose(image) if turned else image
    rgb, transparent = _over_white(_scaled(upright, white, black) if _has_wide_pixels(image) else upright)
    happened = {
        Conversion.SIXTEEN_BIT: sixteen_bit,
        Conversion.UPRIGHT: turned,
        Conversion.TRANSPARENT: transparent,
        Conversion.FIRST_FRAME: frames > 1,
    }
    return rgb, tuple(kind for kind in Conversion if happened[kind])


def _is_turned(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _ORIENTATIONS
    except Exception:  # with damaged EXIF data the pixels are still readable, and viewers show the image unturned
        return False


def _is_sixteen_bit(image: Image.Image) -> bool:
    """Whether the file has 16 (or 12) bits per channel; for colours, Pillow itself keeps the upper 8."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else None
    wide_ppm = image.format == "PPM" and isinstance(arguments, tuple) and arguments[1] > 255
    return image.mode.startswith("I") or ";16" in str(arguments) or wide_ppm


def _has_wide_pixels(image: Image.Image) -> bool:
    return image.mode == "F" or image.mode.startswith("I")


def _sixteen_bit_range(image: Image.Image) -> tuple[int, int]:
    """The values of white and black in an image with wide pixels; ValueError if they are not known.

    Mode `I` has 32 bits, but for a PGM (and, before Pillow 11, a PNG) the values are those of 16 bits.
    """
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PPM", "PNG")):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise ValueError(
            f"it has {kind} pixels, and which values are black and white is not known: save it with 8 or 16 bits"
        )
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 65535, 0
    largest = 2 ** image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0] - 1
    return (0, largest) if image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0 else (largest, 0)


def _scaled(image: Image.Image, white: int, black: int) -> Image.Image:
    """Grey pixels from `black` to `white` as 8 bits, rounded; with an alpha channel if one value means transparent."""
    values = np.asarray(image).astype(np.int64)
    scaled = Image.fromarray(
        ((510 * abs(values - black) + abs(white - black)) // (2 * abs(white - black))).astype(np.uint8)
    )
    if "transparency" in image.info:
        scaled.putalpha(Image.fromarray(np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)))
    return scaled


def _over_white(image: Image.Image) -> tuple[Image.Image, bool]:
    """The image as RGB over white, and whether any of it was transparent."""
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        if np.asarray(alpha).min() < 255:
            page = Image.new("RGB", image.size, "white")
            page.paste(with_alpha.convert("RGB"), mask=alpha)
            return page, True
    return image.convert("RGB"), False


@functools.cache
def _readable_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(format_ for format_ in _FORMATS if format_ in Image.OPEN)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Pillow's warnings: they name no file, and what matters raises an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

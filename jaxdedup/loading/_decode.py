"""One image from a file, from bytes, from Pillow or from an array, as uint8 pixels.

The pixels are those that imagededup sees: the format is judged by content, the first frame is
taken, and unless a setting says otherwise EXIF orientation is ignored and alpha dropped. RGB and
grey JPEGs, which are most of all files, go through simplejpeg (libjpeg-turbo) straight into the
caller's buffer, with the same pixels as Pillow; Pillow decodes everything else, and has the last
word on a JPEG that simplejpeg refuses.
"""

import io
import os
from collections.abc import Callable, Collection
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

# The two plugins are imported for their formats, which Pillow does not load by itself.
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from jaxdedup.runtime import read_regular

from ._colours import Note, Pixels, Range, as_image, image_pixels, unnoted
from ._formats import PLUGINS, pillow_formats, suffixes, what_raw_needs, why_unknown
from ._geometry import lies, trimmed, upright

try:
    import simplejpeg
except ImportError:  # a platform without its wheels: Pillow alone gives the same pixels
    simplejpeg = None

Allocate = Callable[[tuple[int, ...]], Pixels]
Admit = Callable[[int], None]

_JPEG_MAGIC = b"\xff\xd8\xff"
_HEAD = 16  # bytes that tell a format
_LONGEST_REASON = 200
_ORIENTATION = 0x0112  # EXIF's tag
# Errors whose words are for users; those of others are about the decoder.
_SPEAKING = (OSError, SyntaxError, ValueError)


class DecodeError(ValueError):
    """An image can't be loaded; the message says why."""


class Unreadable(NamedTuple):
    """An item that its source could not read, in the place of an image: why."""

    reason: str


class Content(NamedTuple):
    """An item whose bytes are read where it is decoded, by any thread: ``read`` gives them."""

    read: Callable[[], bytes]


Item = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | NDArray[Any] | Unreadable | Content


def _new_buffer(shape: tuple[int, ...]) -> Pixels:
    return np.empty(shape, np.uint8)


def _admit_all(pixels: int) -> None:
    pass


class _Way(NamedTuple):
    """How to decode: the settings of :func:`decode`."""

    asked: frozenset[str]
    draft_size: tuple[int, int] | None
    background: str
    range: Range
    note: Note
    admit: Admit
    exif_orientation: bool


def decode(
    item: Item,
    allocate: Allocate = _new_buffer,
    *,
    formats: Collection[str] = (),
    draft_size: tuple[int, int] | None = None,
    background: str = "",
    range: Range = "clip",
    exif_orientation: bool = False,
    trim: bool = False,
    note: Note = unnoted,
    admit: Admit = _admit_all,
) -> Pixels:
    """Decode one image.

    Args:
        item: a path, the bytes of a file, an open binary file, a Pillow image, or an array as
            :func:`as_image` takes it.
        allocate: called once with the shape of the image when it is known; gives the C-contiguous
            memory that the pixels are written to.
        formats: suffixes of what else to read: ``"avif"``; ``"heic"`` and ``"jxl"``, where
            pillow-heif and pillow-jxl-plugin are installed; and others (``"mp4"``, ``"cr2"``) of
            files which imageio may open where Pillow can't, if its plugin is installed. Of a
            video, the first frame.
        draft_size: let the JPEG decoder scale down while it decodes, to no less than this
            ``(height, width)``. Fast, but not the pixels of the image.
        background: ``"#rrggbb"``, what transparent images are laid on, as Pillow's
            ``alpha_composite`` does; "" drops the alpha, as imagededup does.
        range: ``"scale"`` to scale 16-bit values and floats from 0–1 to 0–255; ``"clip"`` to clip
            those of files and wrap those of arrays, as imagededup does.
        exif_orientation: whether to turn an image as its EXIF data says, so that it stands upright.
        trim: whether to cut rows and columns at the edges that are of one colour: in which no
            channel varies by more than 24 of 255. An image that is so throughout stays whole.
        note: called with ``"alpha"`` or ``"range"`` where that leaves one flat colour.
        admit: called with the number of pixels before a file is decoded; it may wait.

    Returns:
        The array that ``allocate`` gave: ``uint8[H, W, 3]``, or ``uint8[H, W]`` for a grey image.

    Raises:
        DecodeError: the image can't be loaded, whatever the reason.

    Example:
        >>> decode(Image.new("RGB", (4, 2), "red")).shape
        (2, 4, 3)
    """
    asked = suffixes(formats)
    way = _Way(asked, draft_size, background, range, note, admit, exif_orientation)
    try:
        if trim:
            return _fill(allocate, trimmed(_decode(item, _new_buffer, way)))
        return _decode(item, allocate, way)
    except DecodeError:
        raise
    except Exception as error:  # decoders raise anything at all on damaged files
        raise DecodeError(why_damaged(error)) from error


def image_size(item: Item) -> tuple[int, int] | None:
    """The ``(width, height)`` that an image's header tells, without decoding it.

    Returns:
        None where Pillow can't open the item.

    Example:
        >>> image_size(b"no image")
    """
    return _told(item, lambda image: image.size)


def orientation_of(item: Item) -> int:
    """How an image is to be turned to be seen, as EXIF numbers it: 1 for not at all.

    Example:
        >>> orientation_of(b"no image")
        1
    """
    return _told(item, lambda image: int(image.getexif().get(_ORIENTATION, 1))) or 1


def _told(item: Item, tell: Callable[[Image.Image], Any]) -> Any:
    """What the header of an image tells; None where it can't be opened, or is damaged."""
    try:
        if isinstance(item, Image.Image):
            return tell(item)
        with opened(item) as file, open_image(file) as image:
            return tell(image)
    except Exception:  # decoders raise anything at all on damaged files
        return None


def open_image(file: BinaryIO, asked: Collection[str] = PLUGINS) -> Image.Image:
    """A file of a format that is read as an image of Pillow's, which is not decoded yet.

    Args:
        file: an open binary file.
        asked: of the formats that have to be asked for, those that were; by default all.

    Raises:
        UnidentifiedImageError: another format, or none.

    Example:
        >>> Image.new("L", (3, 2)).save(file := io.BytesIO(), "PNG")
        >>> open_image(file).size
        (3, 2)
    """
    return Image.open(file, formats=pillow_formats(frozenset(asked)))


def opened(item: Any) -> BinaryIO:
    """The file that a path, bytes, a file or a `Content` stands for, from its beginning.

    Example:
        >>> opened(b"GIF89a").read(3)
        b'GIF'
    """
    if isinstance(item, (str, os.PathLike)):
        return read_regular(item)
    return io.BytesIO(item if isinstance(item, (bytes, bytearray, memoryview)) else read_file(item))


def read_file(file: Any) -> bytes:
    """What is left of an open binary file.

    Raises:
        DecodeError: it is one of text.

    Example:
        >>> read_file(io.StringIO("a.png"))
        Traceback (most recent call last):
        ...
        jaxdedup.loading._decode.DecodeError: expected a binary file, got StringIO
    """
    content = None if isinstance(file, io.TextIOBase) else file.read()
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise DecodeError(f"expected a binary file, got {type(file).__name__}")
    return bytes(content)


def _decode(item: Item, allocate: Allocate, way: _Way) -> Pixels:
    if isinstance(item, Unreadable):
        raise DecodeError(item.reason)
    if isinstance(item, Image.Image):
        return _fill(allocate, _pillow_pixels(item, way))
    if isinstance(item, (str, os.PathLike)):
        return _decode_path(os.fspath(item), allocate, way)
    if isinstance(item, Content):
        return _decode_file(io.BytesIO(_read(item)), allocate, way)
    if isinstance(item, (bytes, bytearray, memoryview)) or hasattr(item, "read"):
        # A file is read: perhaps it is a pipe, and not every file can be rewound.
        return _decode_file(opened(item), allocate, way)
    if hasattr(item, "__array__"):
        return _fill(allocate, _array_pixels(item, way))
    raise DecodeError(
        "expected a path, bytes, a binary file, a Pillow image or an array, "
        f"got {type(item).__name__}"
    )


def _array_pixels(item: Any, way: _Way) -> Pixels:
    try:
        array = np.asarray(item)
    except Exception as error:  # of its library: it was deleted, or has a gradient
        raise DecodeError(f"can't be read: {_words(error)}") from error
    try:
        return as_image(array, way.range, way.note)
    except ValueError as error:
        raise DecodeError(str(error)) from None


def _read(item: Content) -> bytes:
    try:
        return item.read()
    except Exception as error:  # of a network, or an archive
        raise DecodeError(why_damaged(error, "can't be read")) from error


def _decode_path(path: str, allocate: Allocate, way: _Way) -> Pixels:
    suffix = os.path.splitext(path)[1].lstrip(".").lower()
    try:
        file = read_regular(path)
    except ValueError as error:
        raise DecodeError(f"has a name that no file can have: {error}") from None
    with file:
        if suffix not in way.asked:
            return _decode_file(file, allocate, way)
        try:
            pixels = _decode_file(file, _new_buffer, way)
        except Exception as error:
            if told := what_raw_needs(suffix):
                raise DecodeError(told) from error
            pixels = _imageio_pixels(file, suffix)
    return _fill(allocate, pixels)


def _decode_file(file: BinaryIO, allocate: Allocate, way: _Way) -> Pixels:
    """Judged by its first bytes, so that a file that is no image is not read to its end."""
    head = file.read(_HEAD)
    if not head:
        raise DecodeError("is empty")
    file.seek(0)
    if simplejpeg is not None and head.startswith(_JPEG_MAGIC):
        content = file.read(getattr(file, "size", 0) or -1)  # of one whose size is known, at once
        pixels = _decode_jpeg(content, allocate, way)
        if pixels is not None:
            return pixels
    try:
        return _fill(allocate, _decode_with_pillow(file, way))
    except UnidentifiedImageError:
        raise DecodeError(why_unknown(head, way.asked)) from None


def _decode_jpeg(content: bytes, allocate: Allocate, way: _Way) -> Pixels | None:
    """The pixels of a well-formed RGB or grey JPEG; None leaves the file to Pillow.

    Whatever simplejpeg raises, the last word is Pillow's.
    """
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except Exception:
        return None
    if colours not in ("YCbCr", "RGB", "Gray"):
        return None
    _refuse_bomb(height, width)
    way.admit(height * width)
    channels = () if colours == "Gray" else (3,)
    colours = "RGB" if channels else "GRAY"
    orientation = orientation_of(content) if way.exif_orientation else 1
    scale = {}
    if way.draft_size is not None:
        least = way.draft_size[::-1] if lies(orientation) else way.draft_size
        scale = {"min_height": least[0], "min_width": least[1]}
    if scale or orientation != 1:
        try:
            pixels = simplejpeg.decode_jpeg(content, colours, **scale)
        except Exception:
            return None
        pixels = pixels.reshape(*pixels.shape[:2], *channels)
        return _fill(allocate, upright(pixels, orientation))

    pixels = allocate((height, width, *channels))
    try:
        simplejpeg.decode_jpeg(content, colours, buffer=pixels)
    except Exception:
        as_pillow_sees = _decode_with_pillow(io.BytesIO(content), way)
        if as_pillow_sees.shape != pixels.shape:
            raise DecodeError("is damaged: its header tells another size") from None
        pixels[...] = as_pillow_sees
    return pixels


def _refuse_bomb(height: int, width: int) -> None:
    """Pillow's own limit, for the files that Pillow doesn't see."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and height * width > 2 * limit:
        raise DecodeError(f"has {height * width:,} pixels, more than the limit of {2 * limit:,}")


def _decode_with_pillow(file: BinaryIO, way: _Way) -> Pixels:
    file.seek(0)
    with open_image(file, way.asked) as image:
        way.admit(image.width * image.height)
        return _pillow_pixels(image, way)


def _pillow_pixels(image: Image.Image, way: _Way) -> Pixels:
    pixels = image_pixels(image, way.background, way.range, way.note)
    if not pixels.size:
        raise DecodeError("has no pixels")
    return upright(pixels, orientation_of(image)) if way.exif_orientation else pixels


def _imageio_pixels(file: BinaryIO, suffix: str) -> Pixels:
    import imageio.v3 as imageio

    file.seek(0)
    image = imageio.imread(file, index=0, extension=f".{suffix}")
    return as_image(image[..., :3] if image.ndim == 3 else image)


def _fill(allocate: Allocate, pixels: Pixels) -> Pixels:
    filled = allocate(pixels.shape)
    filled[...] = pixels
    return filled


def why_damaged(error: Exception, verdict: str = "is damaged") -> str:
    """Why an image can't be loaded, in words that are about the image.

    Example:
        >>> why_damaged(KeyError(6))
        'is damaged'
    """
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, UnidentifiedImageError):
        return "is not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "has more pixels than the limit: " + str(error)[:_LONGEST_REASON]
    if isinstance(error, MemoryError):
        return "takes more memory than there is"
    told = _words(error)
    return f"{verdict}: {told}" if told and isinstance(error, _SPEAKING) else verdict


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST_REASON]

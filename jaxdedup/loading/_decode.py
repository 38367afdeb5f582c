"""One image from a file, from bytes, from Pillow or from an array, as uint8 pixels.

The pixels are those that imagededup sees: the format is judged by content, the first frame is
taken, EXIF orientation is ignored, alpha is dropped. RGB and grey JPEGs, which are most of all
files, go through simplejpeg (libjpeg-turbo) straight into the caller's buffer, with the same pixels
as Pillow; Pillow decodes everything else, and has the last word on a JPEG that simplejpeg refuses.
"""

import io
import os
import stat
from collections.abc import Callable, Collection
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

# The two plugins are imported for their formats, which Pillow does not load by itself.
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

try:
    import simplejpeg
except ImportError:  # a platform without its wheels: Pillow alone gives the same pixels
    simplejpeg = None

Pixels = NDArray[np.uint8]
Allocate = Callable[[tuple[int, ...]], Pixels]

_PILLOW_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF", "WEBP")  # JPEG finds MPO
_JPEG_MAGIC = b"\xff\xd8\xff"


class DecodeError(ValueError):
    """An image can't be loaded; the message says why."""


class Unreadable(NamedTuple):
    """An item that its source could not read, in the place of an image: why."""

    reason: str


Item = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | NDArray[Any] | Unreadable


def _new_buffer(shape: tuple[int, ...]) -> Pixels:
    return np.empty(shape, np.uint8)


def decode(
    item: Item,
    allocate: Allocate = _new_buffer,
    *,
    formats: Collection[str] = (),
    draft_size: tuple[int, int] | None = None,
) -> Pixels:
    """Decode one image.

    Args:
        item: a path, the bytes of a file, an open binary file, a Pillow image, or an array as
            :func:`as_image` takes it.
        allocate: called once with the shape of the image when it is known; gives the C-contiguous
            memory that the pixels are written to.
        formats: suffixes (``"mp4"``, ``"cr2"``) of files which imageio may open where Pillow
            can't; its plugin for the format has to be installed. Of a video, the first frame.
        draft_size: let the JPEG decoder scale down while it decodes, to no less than this
            ``(height, width)``. Fast, but not the pixels of the image.

    Returns:
        The array that ``allocate`` gave: ``uint8[H, W, 3]``, or ``uint8[H, W]`` for a grey image.

    Raises:
        DecodeError: the image can't be loaded, whatever the reason.

    Example:
        >>> decode(Image.new("RGB", (4, 2), "red")).shape
        (2, 4, 3)
    """
    try:
        return _decode(item, allocate, formats, draft_size)
    except DecodeError:
        raise
    except Exception as error:  # decoders raise anything at all on damaged files
        raise DecodeError(_reason(error)) from error


def as_image(array: Any) -> Pixels:
    """An array as an image.

    Args:
        array: ``[H, W, 3]`` or ``[H, W]`` of any real dtype; what is not uint8 is cast as
            ``astype("uint8")`` does, wrapping around, as imagededup does.

    Returns:
        ``uint8[H, W, 3]`` or ``uint8[H, W]``.

    Raises:
        ValueError: another number of axes or channels, or no pixels.

    Example:
        >>> as_image(np.array([[256, 511]]))
        array([[  0, 255]], dtype=uint8)
    """
    image = np.asarray(array)
    if image.dtype.kind not in "buif":
        raise ValueError(f"expected an image array of numbers, got dtype {image.dtype}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or not image.size:
        raise ValueError(
            f"expected an image array of shape (H, W, 3) or (H, W), got shape {image.shape}"
        )
    with np.errstate(invalid="ignore"):  # NaN has no uint8, and its cast would warn
        return image.astype(np.uint8, copy=False)


def own(item: Any) -> Item:
    """An item that nobody else can change, or touch at the same time, while it is decoded.

    Paths and bytes are so already. Files are read, what has pixels is copied: their owner may fill
    a buffer again, close a file, or give one image twice.

    Args:
        item: as :func:`decode` takes it.

    Returns:
        The item as a path, bytes or an array; :class:`Unreadable` where reading fails.

    Example:
        >>> buffer = np.zeros((2, 2), np.uint8)
        >>> owned = own(buffer)
        >>> buffer[...] = 9
        >>> owned.max()
        np.uint8(0)
    """
    if isinstance(item, (str, bytes, os.PathLike, Unreadable)):
        return item
    try:
        if isinstance(item, (bytearray, memoryview)):
            return bytes(item)
        return item.read() if hasattr(item, "read") else decode(item)
    except DecodeError as error:
        return Unreadable(str(error))
    except Exception as error:
        return Unreadable(_reason(error))


def image_size(item: Item) -> tuple[int, int] | None:
    """The ``(width, height)`` that an image's header tells, without decoding it.

    Returns:
        None where Pillow can't open the item.

    Example:
        >>> image_size(b"no image")
    """
    file = io.BytesIO(item) if isinstance(item, bytes) else item
    try:
        with Image.open(cast(Any, file)) as image:
            return image.size
    except Exception:  # decoders raise anything at all on damaged files
        return None


def _decode(
    item: Item,
    allocate: Allocate,
    formats: Collection[str],
    draft_size: tuple[int, int] | None,
) -> Pixels:
    if isinstance(item, Unreadable):
        raise DecodeError(item.reason)
    if isinstance(item, Image.Image):
        return _fill(allocate, _pillow_pixels(item))
    if isinstance(item, (str, os.PathLike)):
        return _decode_path(os.fspath(item), allocate, formats, draft_size)
    if isinstance(item, (bytes, bytearray, memoryview)):
        return _decode_file(io.BytesIO(item), allocate, draft_size)
    if hasattr(item, "read"):  # perhaps a pipe: not every file can be rewound
        return _decode_file(io.BytesIO(cast(BinaryIO, item).read()), allocate, draft_size)
    if hasattr(item, "__array__"):
        return _fill(allocate, as_image(item))
    raise DecodeError(
        "expected a path, bytes, a binary file, a Pillow image or an array, "
        f"got {type(item).__name__}"
    )


def _decode_path(
    path: str, allocate: Allocate, formats: Collection[str], draft_size: tuple[int, int] | None
) -> Pixels:
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer for ever
        raise DecodeError("is a folder" if stat.S_ISDIR(mode) else "is not a regular file")
    suffix = os.path.splitext(path)[1].lstrip(".").lower()
    with open(path, "rb") as file:
        if suffix not in {name.lstrip(".").lower() for name in formats}:
            return _decode_file(file, allocate, draft_size)
        try:
            pixels = _decode_file(file, _new_buffer, draft_size)
        except Exception:
            pixels = _imageio_pixels(path)
    return _fill(allocate, pixels)


def _decode_file(file: BinaryIO, allocate: Allocate, draft_size: tuple[int, int] | None) -> Pixels:
    """Judged by its first bytes, so that a file that is no image is not read to its end."""
    head = file.read(len(_JPEG_MAGIC))
    if not head:
        raise DecodeError("is empty")
    file.seek(0)
    if simplejpeg is not None and head == _JPEG_MAGIC:
        pixels = _decode_jpeg(file.read(), allocate, draft_size)
        if pixels is not None:
            return pixels
    return _fill(allocate, _decode_with_pillow(file))


def _decode_jpeg(
    content: bytes, allocate: Allocate, draft_size: tuple[int, int] | None
) -> Pixels | None:
    """The pixels of a well-formed RGB or grey JPEG; None leaves the file to Pillow."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    if colours not in ("YCbCr", "RGB", "Gray"):
        return None
    _refuse_bomb(height, width)
    channels = () if colours == "Gray" else (3,)
    colours = "RGB" if channels else "GRAY"
    if draft_size is not None:
        smallest = {"min_height": draft_size[0], "min_width": draft_size[1]}
        try:
            pixels = simplejpeg.decode_jpeg(content, colours, **smallest)
        except ValueError:
            return None
        return _fill(allocate, pixels.reshape(*pixels.shape[:2], *channels))

    pixels = allocate((height, width, *channels))
    try:
        simplejpeg.decode_jpeg(content, colours, buffer=pixels)
    except ValueError:
        pixels[...] = _decode_with_pillow(io.BytesIO(content))
    return pixels


def _refuse_bomb(height: int, width: int) -> None:
    """Pillow's own limit, for the files that Pillow doesn't see."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and height * width > 2 * limit:
        raise Image.DecompressionBombError(
            f"has {height * width} pixels, more than the limit of {2 * limit}"
        )


def _decode_with_pillow(file: BinaryIO) -> Pixels:
    file.seek(0)
    with Image.open(file, formats=_PILLOW_FORMATS) as image:
        return _pillow_pixels(image)


def _pillow_pixels(image: Image.Image) -> Pixels:
    if image.mode not in ("RGB", "L"):
        # Drops alpha, and clips 16-bit and float images, the way imagededup does. A grey image
        # would become one of three equal channels, whose luma is the grey again.
        image = image.convert("RGBA").convert("RGB")
    pixels = np.asarray(image)
    if not pixels.size:
        raise DecodeError("has no pixels")
    return pixels


def _imageio_pixels(path: str) -> Pixels:
    import imageio.v3 as imageio

    image = imageio.imread(path, index=0)
    return as_image(image[..., :3] if image.ndim == 3 else image)


def _fill(allocate: Allocate, pixels: Pixels) -> Pixels:
    filled = allocate(pixels.shape)
    filled[...] = pixels
    return filled


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, UnidentifiedImageError):
        return "is not an image of a known format"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

"""What becomes of transparency, and of values that are not of 8 bits.

imagededup drops the one and clips the other. That turns some pictures into one flat colour, and
flat pictures are everybody's duplicates: so it is noted, and there are settings against it.
"""

import logging
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

Pixels = NDArray[np.uint8]
Range = Literal["clip", "scale"]
Flat = Literal["alpha", "range"]  # what made a picture flat
Note = Callable[[Flat], None]

_16_BITS = 65535
_FLAT = 0.9  # of the pixels, of a picture that was clipped

_TOLD: dict[Flat, str] = {
    "alpha": "{} one flat colour without transparency, which is dropped as by imagededup: "
    "background='white' (--background white) lays such images on white",
    "range": "{} (nearly) one flat colour, as 16-bit and float values are cut to 8 bits as by "
    "imagededup: range='scale' (--range scale) scales them",
}

logger = logging.getLogger("jaxdedup")


class FlatImages:
    """Counts images that became flat, and tells so once, with how to change it.

    Example:
        >>> flat = FlatImages()
        >>> flat.note("alpha")
        >>> flat.counts
        Counter({'alpha': 1})
    """

    def __init__(self) -> None:
        self.counts: Counter[Flat] = Counter()
        self._lock = Lock()

    def note(self, kind: Flat) -> None:
        """Count an image. Any thread may do so."""
        with self._lock:
            self.counts[kind] += 1

    def tell(self) -> None:
        """Warn in the log of what was counted."""
        for kind, count in self.counts.items():
            logger.warning(_TOLD[kind].format(f"{count:,} image{'s are' * (count > 1) or ' is'}"))


def unnoted(kind: Flat) -> None:
    """Note nothing."""


def background_colour(colour: str | tuple[int, int, int] | None) -> str:
    """A colour as ``"#rrggbb"``; "" for none.

    Args:
        colour: any that Pillow knows (``"white"``, ``"#fff"``), or RGB from 0 to 255.

    Raises:
        ValueError: it is no colour, or a transparent one.

    Example:
        >>> background_colour("white"), background_colour(None)
        ('#ffffff', '')
    """
    if not colour:
        return ""
    try:
        rgb = ImageColor.getrgb(colour) if isinstance(colour, str) else tuple(colour)
        red, green, blue = rgb
        return "#" + bytes([red, green, blue]).hex()
    except (TypeError, ValueError):
        raise ValueError(
            f"expected background as an opaque colour, such as 'white', got {colour!r:.80}"
        ) from None


def as_image(array: Any, range: Range = "clip", note: Note = unnoted) -> Pixels:
    """An array as an image.

    Args:
        array: ``[H, W, 3]`` or ``[H, W]`` of any real dtype; what is not uint8 is cast as
            ``astype("uint8")`` does, wrapping around, as imagededup does.
        range: ``"scale"`` to scale uint16 from 0–65535, and floats from 0–1, in place of that.
        note: called where the cast leaves nothing of the picture.

    Returns:
        ``uint8[H, W, 3]`` or ``uint8[H, W]``.

    Raises:
        ValueError: another number of axes or channels, or no pixels.

    Example:
        >>> as_image(np.array([[256, 511]]))
        array([[  0, 255]], dtype=uint8)
        >>> as_image(np.array([[0.0, 0.5, 1.0]]), range="scale")
        array([[  0, 128, 255]], dtype=uint8)
    """
    image = np.asarray(array)
    if image.dtype.kind not in "buif":
        raise ValueError(f"expected an image array of numbers, got dtype {image.dtype}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or not image.size:
        raise ValueError(
            f"expected an image array of shape (H, W, 3) or (H, W), got shape {image.shape}"
        )
    native = image.dtype.newbyteorder("=")
    if range == "scale" and (native == np.uint16 or native.kind == "f"):
        return _scaled(image)
    if image.dtype.kind == "f" and 0 <= image.min() < image.max() <= 1:
        note("range")
    with np.errstate(invalid="ignore"):  # NaN has no uint8, and its cast would warn
        return image.astype(np.uint8, copy=False)


def image_pixels(
    image: Image.Image, background: str = "", range: Range = "clip", note: Note = unnoted
) -> Pixels:
    """A Pillow image as pixels.

    Args:
        image: of any mode.
        background: the colour that a transparent image is laid on, as Pillow's
            ``alpha_composite`` does; "" drops the alpha, as imagededup does.
        range: ``"clip"`` clips 16-bit and float values to 255, as imagededup does; ``"scale"``
            takes them from 0–65535 and 0–1 to 0–255.
        note: called where one of the two leaves one flat colour of a picture that was none.

    Returns:
        ``uint8[H, W, 3]``, or ``uint8[H, W]`` for a grey image.

    Example:
        >>> image_pixels(Image.new("RGBA", (1, 1), (0, 0, 0, 0)), background="#ffffff")
        array([[[255, 255, 255]]], dtype=uint8)
    """
    is_deep = image.mode.startswith(("I", "F"))
    if is_deep and range == "scale":
        return _scaled(np.asarray(image))
    if background and image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, background)
        return np.asarray(Image.alpha_composite(ground, image).convert("RGB"))
    if image.mode in ("RGB", "L"):
        # A grey image would become one of three equal channels, whose luma is the grey again.
        return np.asarray(image)
    rgba = image.convert("RGBA")
    pixels: Pixels = np.asarray(rgba.convert("RGB"))
    if is_deep:
        if _was_cut(image, pixels):
            note("range")
    elif _is_flat(pixels) and len(set(rgba.getchannel("A").getextrema())) > 1:
        note("alpha")
    return pixels


def _scaled(values: NDArray[Any]) -> Pixels:
    """From 0–65535, or of floats from 0–1, to 0–255; never by an image's own extremes."""
    if values.dtype.kind == "f":
        unit = np.clip(np.nan_to_num(values.astype(np.float64)), 0, 1)
        return np.floor(unit * 255 + 0.5).astype(np.uint8)
    whole = np.clip(values, 0, _16_BITS).astype(np.uint32)
    return ((whole * 255 + _16_BITS // 2) // _16_BITS).astype(np.uint8)


def _is_flat(pixels: Pixels) -> bool:
    first = pixels[:1, :1]
    return bool((pixels[0] == first).all()) and bool((pixels == first).all())


def _was_cut(image: Image.Image, pixels: Pixels) -> bool:
    """Whether 8 bits could not hold an image's values, and next to nothing is left of it."""
    values = np.asarray(image)  # Pillow knows the extremes of some modes only
    low, high = values.min(), values.max()
    is_cut = low < 0 or high > 255 or (image.mode == "F" and high <= 1)
    at_ends = max(float((pixels >= 254).mean()), float((pixels <= 1).mean()))
    return bool(low < high and is_cut and at_ends >= _FLAT)

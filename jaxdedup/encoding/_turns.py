"""The eight ways to turn an image, and methods that encode all of them, by composition.

The weights of a resize are symmetric: the small image of a mirrored image is the mirrored small
image, to the last bit. That of a transposed image is another one, as its passes come in the order
that the transposed shape asks for. So two small images make eight.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ._method import Method, check_method

Orientations = Literal["none", "mirrors", "all"]

#: As ``PIL.Image.Transpose`` has them; rotations are counter-clockwise. The latter four are the
#: former four after a transpose.
TURNS = (
    *("none", "flip_top_bottom", "flip_left_right", "rotate_180"),
    *("transpose", "rotate_90", "rotate_270", "transverse"),
)
#: What undoes each of them, by number.
INVERSE_TURNS = (0, 1, 2, 3, 4, 6, 5, 7)

ROWS: dict[str, int] = {"none": 1, "mirrors": 4, "all": 8}


def oriented(method: Method, orientations: Orientations = "all") -> Method:
    """A method whose rows are those of the turned images, side by side, the upright one first.

    Each equals the row of the file whose image was turned. A hash resizes an image twice at most;
    a network runs once a turn.

    Args:
        method: that encodes images as they are.
        orientations: ``"none"``; ``"mirrors"``: the first four of `TURNS`; or ``"all"`` eight.

    Returns:
        A method of the same name, ``uint8[turns · b]`` or ``float32[turns · D]`` a row.

    Raises:
        TypeError: no method.
        ValueError: unknown orientations, or a method that has none, as it looks at colours alone.

    Example:
        >>> from jaxdedup.encoding import METHODS
        >>> oriented(METHODS["phash"]).row.width
        64
    """
    check_method(method)
    if orientations not in get_args(Orientations):
        raise ValueError(
            f"expected orientations among {', '.join(get_args(Orientations))}, "
            f"got {orientations!r:.80}"
        )
    if method.orientations != "none":
        raise ValueError(f"expected a method of one row an image, got {method.name} of several")
    if orientations == "none":
        return method
    if method.name.startswith("imagehash-colorhash"):
        raise ValueError("colorhash has no orientations: it is the same however an image is turned")
    row = replace(method.row, rows=ROWS[orientations])
    compute: Callable[..., Any] = method.compute
    if method.prepare is not None:
        prepare = method.prepare.oriented(ROWS[orientations])
        return replace(method, row=row, prepare=prepare, orientations=orientations)
    if method.load is None:
        turn = _OfMirrors if method.size else _OfTurned
        compute = turn(compute, ROWS[orientations])
    return replace(method, row=row, compute=compute, orientations=orientations)


def mirrored(images: Any) -> list[Any]:
    """The first four of `TURNS`, of ``[..., h, w]``."""
    upside_down = images[..., ::-1, :]
    return [images, upside_down, images[..., ::-1], upside_down[..., ::-1]]


@dataclass(frozen=True)
class _OfMirrors:
    """From one small image to bits ``[..., 4, count]``."""

    compute: Callable[[Any], Any]
    rows: int

    def __call__(self, luma: Any) -> Any:
        space = luma.__array_namespace__()
        return space.stack([self.compute(image) for image in mirrored(luma)], axis=-2)


@dataclass(frozen=True)
class _OfTurned:
    """From one whole image, on the host, to bits ``[rows, count]``."""

    compute: Callable[..., Any]
    rows: int

    def __call__(self, image: Any, profile: Any) -> Any:
        return np.stack([self.compute(x, profile) for x in turned(image, self.rows)])


def turned(image: NDArray[Any], turns: int) -> list[NDArray[Any]]:
    """So many of `TURNS` of an image ``[H, W, …]``, each C-contiguous."""
    ways = [*_flips(image), *_flips(image.swapaxes(0, 1))]
    return [np.ascontiguousarray(way) for way in ways[:turns]]


def _flips(image: NDArray[Any]) -> list[NDArray[Any]]:
    return [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]

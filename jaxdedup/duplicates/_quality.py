"""Which images have enough to see for their hashes to be compared."""

from itertools import compress
from typing import Any

from jaxdedup.encoding import Encodings, Key, Origin, method_named
from jaxdedup.runtime import integer_within


def check_quality(origin: Origin, least: Any = None) -> int:
    """The least quality of images that are compared; None for that of the method: PDQ's 50, or 0.

    Raises:
        TypeError: it is no integer.
        ValueError: it is not from 0 to 100, or the origin is one of encodings without quality.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> check_quality(Recipe(METHODS["pdq"]).origin)
        50
    """
    if least is None:
        is_told = origin.quality and not origin.own
        return (method_named(origin.method).quality or 0) if is_told else 0
    least = integer_within("min_quality", least, 0, 100)
    if least and not origin.quality:
        raise ValueError(
            f"min_quality={least} needs the quality of images, which these encodings of "
            f"{origin.method} lack: encode with --quality, or by rated(method) of jaxdedup.encoding"
        )
    return least


def of_quality(encodings: Encodings, least: int) -> tuple[Encodings, list[Key]]:
    """The encodings of images of a quality, and the names of the others."""
    quality = encodings.quality
    if quality is None or quality.min(initial=least) >= least:
        return encodings, []
    enough = quality >= least
    return encodings.only(enough), list(compress(encodings.names, (~enough).tolist()))

"""Which formats are read: those that imagededup reads, and on request those of plugins."""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from PIL import Image, features

from jaxdedup.runtime import some

PILLOW_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF", "WEBP")  # JPEG finds MPO


class _Plugin(NamedTuple):
    """A format of Pillow's that has to be asked for."""

    format: str  # as Pillow calls it
    module: str  # that brings it
    package: str  # that brings the module
    brands: tuple[bytes, ...]  # what its files begin with, some bytes in


_AVIF = _Plugin("AVIF", "PIL.AvifImagePlugin", "Pillow", (b"ftypavif", b"ftypavis"))
_HEIF = _Plugin(
    "HEIF", "pillow_heif", "pillow-heif", (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")
)
_JXL = _Plugin("JXL", "pillow_jxl", "pillow-jxl-plugin", (b"JXL ", b"\xff\x0a"))
PLUGINS = {"avif": _AVIF, "heic": _HEIF, "heif": _HEIF, "jxl": _JXL}
_RAW = frozenset(
    ("3fr", "arw", "cr2", "cr3", "dng", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "srw")
)


def known_formats(formats: Any) -> tuple[str, ...]:
    """Formats as people write them, once it is clear that something may open them.

    Raises:
        TypeError: it is no collection of strings.
        ValueError: neither Pillow, its plugins nor imageio know one.

    Example:
        >>> known_formats([".HEIC", "mp4"])
        ('.HEIC', 'mp4')
        >>> known_formats(["mp4", "mp44"])
        Traceback (most recent call last):
        ...
        ValueError: expected formats that Pillow, its plugins or imageio know, got 'mp44'
    """
    is_one = isinstance(formats, str) or not isinstance(formats, Iterable)
    asked = (None,) if is_one else tuple(formats)
    if not all(isinstance(name, str) for name in asked):
        raise TypeError(f"expected formats as a collection of suffixes, got {formats!r:.80}")
    if unknown := sorted(suffixes(asked) - PLUGINS.keys() - _RAW):
        from imageio.config import known_extensions  # which few need, and takes a while

        unknown = [name for name in unknown if f".{name}" not in known_extensions]
    if unknown:
        told = some(map(repr, unknown))
        raise ValueError(f"expected formats that Pillow, its plugins or imageio know, got {told}")
    return asked


def suffixes(formats: Iterable[str]) -> frozenset[str]:
    """Formats as people write them, as suffixes.

    Example:
        >>> sorted(suffixes([".HEIC", "mp4"]))
        ['heic', 'mp4']
    """
    return frozenset(name.lstrip(".").lower() for name in formats)


@cache
def pillow_formats(asked: frozenset[str]) -> tuple[str, ...]:
    """The formats that Pillow may open: its own, and those that are asked for and installed."""
    more = {plugin.format for name, plugin in PLUGINS.items() if name in asked and _load(plugin)}
    return (*PILLOW_FORMATS, *sorted(more))


def why_unknown(head: bytes, asked: frozenset[str]) -> str:
    """What is to be done for a file that begins so to be read, if anything can be.

    Example:
        >>> why_unknown(b"\\0\\0\\0\\x1cftypavif", frozenset())
        "is AVIF, which is read if asked for: formats=('avif',)"
        >>> why_unknown(b"text", frozenset())
        'is not an image of a known format'
    """
    for name, plugin in PLUGINS.items():
        if not any(brand in head[:16] for brand in plugin.brands):
            continue
        if name not in asked:
            return f"is {plugin.format}, which is read if asked for: formats=({name!r},)"
        if not _load(plugin):
            return f"is {plugin.format}, which needs {plugin.package}: pip install {plugin.package}"
        return f"is {plugin.format}, but damaged"
    return "is not an image of a known format"


def what_raw_needs(suffix: str) -> str:
    """Why a camera's own format can't be read here; "" where it is none, or can be."""
    if suffix not in _RAW:
        return ""
    try:
        import_module("rawpy")
    except ImportError:
        return f"is {suffix.upper()}, which needs rawpy: pip install rawpy"
    return ""


@cache
def _load(plugin: _Plugin) -> bool:
    try:
        module = import_module(plugin.module)
    except ImportError:
        return False
    if plugin is _HEIF:
        module.register_heif_opener()
    if plugin is _AVIF:
        return bool(features.check("avif"))
    return plugin.format in Image.OPEN

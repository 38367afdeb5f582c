"""All that an encoding depends on beside its image: the recipe, and what is kept of it."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, cast, get_args, get_origin

import jax
import numpy as np

from jaxdedup import __version__
from jaxdedup.image import Profile
from jaxdedup.loading import Range, background_colour, known_formats
from jaxdedup.runtime import flag, some

from ._method import (
    METHODS,
    Bits,
    Features,
    Method,
    check_method,
    method_named,
    mobilenet_method,
    rated,
)
from ._once import once_a_method
from ._turns import ROWS, oriented


@dataclass(frozen=True)
class Origin:
    """What made an encoding, as files and caches keep it.

    Attributes:
        method: the name of the method.
        size: ``(h, w)``, what images were resized to; ``()`` where they were taken as they were.
        count: the bits, or the features, of a row; None where only the network knows.
        profile: the Pillow whose pixels were reproduced.
        draft: whether the JPEG decoder scaled down.
        exif_orientation: whether images were turned as their EXIF data says.
        trim: whether their plain borders were cut.
        background: ``"#rrggbb"``, what transparent images were laid on; "": alpha was dropped.
        range: whether 16-bit and float values were clipped (``"clip"``) or scaled (``"scale"``).
        formats: suffixes of what else might be read.
        orientations: of which turned images there are rows too.
        quality: whether the quality of images was told, which no row depends on.
        dtype: what a network's products were computed in.
        weights: the start of the SHA-256 of a network's parameters; empty for hashes, None for a
            network whose parameters can't be seen.
        own: whether the method is somebody's own, and none of the package's, whatever its name.
        version: of the jaxdedup that made it.
    """

    method: str
    size: tuple[int, ...]
    count: int | None
    profile: str
    draft: bool = False
    exif_orientation: bool = False
    trim: bool = False
    background: str = ""
    range: str = "clip"
    formats: tuple[str, ...] = ()
    orientations: str = "none"
    quality: bool = False
    dtype: str = "uint8"
    weights: str | None = ""
    own: bool = False
    version: str = __version__

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Origin":
        """The inverse of :meth:`to_dict`; ValueError for what no recipe of this version has."""
        if not isinstance(values, Mapping):
            raise ValueError(f"what made the encodings is {values!r:.80}")
        names = {field.name for field in fields(cls)}
        missing = {"method", "size", "count", "profile", "version"} - values.keys()
        if missing or values.keys() - names:
            strange = some(sorted(missing or values.keys() - names))
            raise ValueError(f"what made the encodings {'lacks' if missing else 'has'} {strange}")
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        origin = cls(**{**values, **lists})
        for field in fields(cls):
            value = getattr(origin, field.name)
            if not _is_of(value, field.type):
                raise ValueError(f"{field.name} of what made the encodings is {value!r:.80}")
        if origin.orientations not in ROWS:
            raise ValueError(f"orientations of what made the encodings is {origin.orientations!r}")
        _refuse_unmakeable(origin)
        return origin

    @property
    def row(self) -> Bits | Features:
        """What an image becomes."""
        rows = ROWS[self.orientations]
        if self.dtype == "uint8":
            return Bits(self.count or 0, rows=rows)
        return Features(self.count, rows)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    def differences(self, other: "Origin") -> str:
        """In what two origins differ, as far as that changes an encoding; empty if in nothing.

        Example:
            >>> from jaxdedup.encoding import METHODS, Recipe
            >>> exact, draft = (Recipe(METHODS["phash"], draft=d).origin for d in (False, True))
            >>> exact.differences(draft)
            'expected draft False, got True'
        """
        changed = [
            (field.name, getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)
            if field.name not in ("version", "formats", "quality")
            and not (field.name == "count" and None in (self.count, other.count))
        ]
        told = [f"{name} {_shown(a)}, got {_shown(b)}" for name, a, b in changed if a != b]
        return f"expected {'; '.join(told)}" if told else ""

    def refuse_unless_same(self, other: "Origin", sides: str) -> None:
        """ValueError where two origins differ, be it in their version alone.

        Args:
            other: the second one.
            sides: what they made, for the message.

        Example:
            >>> from dataclasses import replace
            >>> from jaxdedup.encoding import METHODS, Recipe
            >>> origin = Recipe(METHODS["phash"]).origin
            >>> origin.refuse_unless_same(replace(origin, profile="pillow9"), "a and b")
            Traceback (most recent call last):
            ...
            ValueError: a and b were not made in one way: expected profile pillow13, got pillow9
        """
        different = self.differences(other)
        if not different and self.version != other.version:
            different = f"expected version {self.version}, got {other.version}"
        if different:
            raise ValueError(f"{sides} were not made in one way: {different}")

    def refuse_unstorable(self, where: str) -> None:
        """ValueError unless what is stored with it can be told from all else, and read again."""
        if self.weights is None:
            raise ValueError(
                f"expected no {where} for a model of your own without a name: see CustomModel"
            )
        Origin.from_dict(self.to_dict())


def check_origin(origin: Any) -> Origin:
    """What was given; TypeError unless it is one."""
    if not isinstance(origin, Origin):
        raise TypeError(f"expected an Origin, as a Recipe has it, got {origin!r:.80}")
    return origin


def _is_of(value: Any, kind: Any) -> bool:
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(isinstance(x, get_args(kind)[0]) for x in value)
    return isinstance(value, kind)


def _shown(value: Any) -> Any:
    return "none" if value == "" else value


# What a recipe shares.
_SETTINGS = ("profile", "draft", "formats", "background", "range", "exif_orientation", "trim")


@dataclass(frozen=True)
class Recipe:
    """All that an encoding depends on beside its image.

    Recipes compare by value and pickle by value.

    Args:
        method: what is computed.
        profile: the Pillow whose resize and luma are reproduced: ``"pillow13"`` (13.0 and later),
            ``"pillow9"`` (7.0 to 12.1) or ``"pillow6"`` (up to 6.2).
        draft: whether the JPEG decoder may scale down while it decodes, to no less than twice the
            size that the method looks at: faster, and **not exact**.
        formats: suffixes of what else to read: ``"avif"``; ``"heic"`` and ``"jxl"``, where
            pillow-heif and pillow-jxl-plugin are installed; and others (``"mp4"``, ``"cr2"``) of
            files which imageio may open where Pillow can't. Of a video, the first frame.
        background: the colour (``"white"``, ``"#fff"``, RGB) that transparent images are laid on,
            as Pillow's ``alpha_composite`` does; None drops the alpha, as imagededup does.
        range: ``"scale"`` to scale 16-bit values, and floats from 0–1, to 8 bits; ``"clip"`` to
            cut them, as imagededup does.
        exif_orientation: whether to turn images as their EXIF data says; imagededup ignores it.
        trim: whether to cut plain borders: rows and columns at the edges in which no channel varies
            by more than 24 of 255, as far as anything is left (:func:`jaxdedup.loading.trimmed`).

    Raises:
        TypeError: ``method`` is no method, ``formats`` no collection of strings, or ``draft``,
            ``exif_orientation`` or ``trim`` no bool.
        ValueError: an unknown profile, format or range, no opaque colour, or ``trim`` with
            ``draft``.

    Example:
        >>> from jaxdedup.encoding import METHODS
        >>> Recipe(METHODS["phash"]).origin.count
        64
    """

    method: Method
    profile: Profile = "pillow13"
    draft: bool = False
    formats: Collection[str] = ()
    background: str | tuple[int, int, int] | None = None
    range: Range = "clip"
    exif_orientation: bool = False
    trim: bool = False

    def __post_init__(self) -> None:
        check_method(self.method)
        if self.profile not in get_args(Profile):
            raise ValueError(
                f"expected a profile among {', '.join(get_args(Profile))}, got {self.profile!r:.80}"
            )
        if self.range not in get_args(Range):
            raise ValueError(f"expected range 'clip' or 'scale', got {self.range!r:.80}")
        for name in ("draft", "exif_orientation", "trim"):
            object.__setattr__(self, name, flag(name, getattr(self, name)))
        if self.draft and not self.method.size:
            raise ValueError(f"draft goes with a method that resizes, got {self.method.name}")
        if self.draft and self.trim:
            raise ValueError("trim goes without draft: what is left may need every pixel")
        object.__setattr__(self, "formats", known_formats(self.formats))
        object.__setattr__(self, "background", background_colour(self.background) or None)

    @property
    def origin(self) -> Origin:
        """What files and caches keep of the recipe, a digest of a network's weights included."""
        method = self.method
        return Origin(
            method.name,
            method.size,
            method.row.count,
            self.profile,
            self.draft,
            self.exif_orientation,
            self.trim,
            background=cast(str, self.background or ""),
            range=self.range,
            formats=tuple(self.formats),
            orientations=method.orientations,
            quality=method.quality is not None,
            dtype=method.dtype,
            weights=parameters(method).digest,
            own=_is_own(method),
        )

    @classmethod
    def from_origin(cls, origin: Origin, method: Method | None = None) -> "Recipe":
        """The recipe that made an encoding.

        Args:
            origin: of the encoding.
            method: what it was made by, where that or its weights are somebody's own.

        Raises:
            TypeError: no origin, or no method.
            ValueError: the encoding was made in a way that this version doesn't know, or with
                other weights.
        """
        check_origin(origin)
        method = _method_of(origin) if method is None else method
        method = rated(method) if origin.quality else method
        method = oriented(method, origin.orientations)  # type: ignore[arg-type]
        recipe = cls(method, **_settings(origin))
        if different := recipe.origin.differences(origin):
            raise ValueError(f"encodings of {origin.method} can't be made again here: {different}")
        return recipe


def check_recipe(recipe: Any) -> None:
    """TypeError unless it is one."""
    if not isinstance(recipe, Recipe):
        raise TypeError(f"expected a Recipe, got {type(recipe).__name__}")


def _settings(origin: Origin) -> dict[str, Any]:
    return {name: getattr(origin, name) for name in _SETTINGS}


def _method_of(origin: Origin) -> Method:
    if origin.own:
        raise ValueError(
            f"expected the method {origin.method}, which is somebody's own, got none: "
            "Recipe.from_origin(origin, method) takes it"
        )
    if origin.dtype == "uint8":
        return method_named(origin.method)
    if origin.method not in METHODS:
        raise ValueError(f"expected the weights of {origin.method} (--weights FILE), got none")
    return mobilenet_method(dtype=origin.dtype)


def _is_own(method: Method) -> bool:
    if method.load is not None:  # its weights tell a network from others of its name
        return not _is_network(method.name)
    try:
        ours = method_named(method.name)
        ours = ours if method.quality is None else rated(ours)
        return oriented(ours, method.orientations) != method  # type: ignore[arg-type]
    except ValueError:
        return True


def _is_network(name: str) -> bool:
    if name == "cnn":
        return True
    from jaxdedup.networks import NETWORKS  # brings in flax

    return name in NETWORKS


def _refuse_unmakeable(origin: Origin) -> None:
    """ValueError for what no recipe of this version can have made."""
    is_hash, count = origin.dtype == "uint8", origin.count
    sides = (*origin.size, 1 if count is None else count)
    if (is_hash and count is None) or len(sides) not in (1, 3) or min(sides) < 1:
        raise ValueError(f"size and count of what made the encodings are {origin.size}, {count}")
    if is_hash and not origin.own:
        Recipe.from_origin(origin)
        return
    is_network = origin.dtype in ("float32", "bfloat16") and _is_network(origin.method)
    if not (origin.own or is_network):
        raise ValueError(
            f"expected a method of this version, got {origin.method} {origin.dtype}: if it is your "
            "own, encode the images again"
        )
    background = Recipe(METHODS["cnn"], **_settings(origin)).background or ""
    if origin.background != background:
        raise ValueError(f"expected background {background}, got {origin.background}")


class Parameters(NamedTuple):
    """A network's parameters, and the start of their SHA-256; None where they can't be seen."""

    values: Any
    digest: str | None


@once_a_method(most=4)  # a network's take some megabytes
def parameters(method: Method) -> Parameters:
    """The parameters of a method, loaded once."""
    if method.load is None:
        return Parameters((), "")
    values = method.load()
    return Parameters(values, _digest(values) if method.is_known else None)


def _digest(params: Any) -> str:
    if not jax.tree_util.tree_leaves(params):  # its name is all that there is to see
        return ""
    digest = hashlib.sha256()
    for place, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(place)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]

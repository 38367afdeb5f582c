"""What an image is encoded as, as a value: the methods, and the only list of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from numpy.typing import DTypeLike

from jaxdedup import imagehash
from jaxdedup.hashing import (
    HashMethod,
    ahash_method,
    dhash_method,
    luma_quality,
    pdq_method,
    phash_method,
    whash_method,
    with_quality,
)
from jaxdedup.runtime import positive


@dataclass(frozen=True)
class Bits:
    """A row of ``count`` bits: ``uint8[ceil(count / 8)]``, shown as hex, compared by Hamming.

    Attributes:
        count: how many.
        near: how many may differ between copies, unless somebody says otherwise; None for
            imagededup's 10 of 64, and the same share of others.
        rows: how many hashes there are of an image, side by side, each a whole number of bytes.
    """

    count: int
    near: int | None = None
    rows: int = 1

    dtype = np.dtype(np.uint8)

    def __post_init__(self) -> None:
        positive("the bits of a row", self.count)
        positive("the rows of an image", self.rows)

    @property
    def threshold(self) -> int:
        """``near``, as a number.

        Example:
            >>> Bits(64).threshold, Bits(256).threshold
            (10, 40)
        """
        return 10 * self.count // 64 if self.near is None else self.near

    @property
    def width(self) -> int:
        """The bytes of all hashes of an image."""
        return -(-self.count // 8) * self.rows


@dataclass(frozen=True)
class Features:
    """A row of ``count`` numbers: ``float32[count]``, compared by cosine similarity.

    Attributes:
        count: how many; None where only the network knows.
        rows: how many of them there are of an image, side by side.
    """

    count: int | None
    rows: int = 1

    dtype = np.dtype(np.float32)

    @property
    def width(self) -> int | None:
        """The numbers of all of an image."""
        return None if self.count is None else self.count * self.rows


Row = Bits | Features


@dataclass(frozen=True)
class Method:
    """How the row of an image is computed: a hash, or the features of a network.

    Methods compare by value and pickle by value: a network's parameters are loaded where it runs.
    Somebody's own may have any name: origins tell it from one of the package's.

    Attributes:
        name: what files and the command line call it.
        size: ``(h, w)``, what images are resized to; ``()`` where they are taken as they are.
        row: what comes of it.
        compute: of a hash, as ``bits`` of :class:`jaxdedup.hashing.HashMethod`; of a network, from
            its parameters and ``uint8[B, h, w, 3]`` to rows ``[B, count]``.
        load: the parameters of a network; None for a hash.
        dtype: what the network's products are computed in.
        traced: whether ``compute`` may be jitted; a user's function is called as it is.
        on_cpu: of a network, what a CPU runs in place of ``compute``, where it has a form of its
            own: it takes how many of the images are wanted too, and passes over the others.
        luma_first: whether images become grey before all else, or after they are resized.
        prepare: what a network is given of each image, made on the host; None for the resized one.
        is_known: whether name and parameters tell the network from any other: files and caches
            hold features of such ones alone.
        orientations: of which turned images there are rows too: :func:`oriented`.
        quality: which quality images need to be compared, unless somebody says otherwise; None for
            a method that does not tell how much there is to see: :func:`rated`.
    """

    name: str
    size: tuple[int, int] | tuple[()]
    row: Row
    compute: Callable[..., Any]
    load: Callable[[], Any] | None = None
    dtype: str = "uint8"
    traced: bool = True
    on_cpu: Callable[..., Any] | None = None
    luma_first: bool = False
    prepare: Any = None  # a Preparation
    is_known: bool = True
    orientations: str = "none"
    quality: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"expected name as a string, got {self.name!r:.80}")
        if not isinstance(self.size, tuple) or len(self.size) not in (0, 2):
            raise TypeError(f"expected size as (h, w), or as (), got {self.size!r:.80}")
        for side in self.size:
            positive("a side of size", side)
        if not isinstance(self.row, Row):
            raise TypeError(f"expected row as Bits or Features, got {self.row!r:.80}")
        if not callable(self.compute):
            raise TypeError(f"expected a function as compute, got {self.compute!r:.80}")


def file_state(path: str) -> tuple[int, int] | None:
    """Size and time of a file of weights: of one that is written anew it is another method."""
    try:
        status = os.stat(path)
    except OSError:  # loading it will tell
        return None
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class _MobileNetParams:
    path: str | None
    state: tuple[int, int] | None

    def __call__(self) -> Any:
        from jaxdedup import mobilenet  # which users of hashes need not wait for

        return mobilenet.load_params(self.path)


@dataclass(frozen=True)
class _MobileNetFeatures:
    dtype: str

    def __call__(self, params: Any, images: jax.Array) -> jax.Array:
        from jaxdedup import mobilenet

        return mobilenet.features(params, images, dtype=self.dtype)


@dataclass(frozen=True)
class _MobileNetOnCpu:
    dtype: str

    def __call__(self, params: Any, images: jax.Array, count: jax.Array) -> jax.Array:
        from jaxdedup import mobilenet

        return mobilenet.features_on_cpu(params, images, count, dtype=self.dtype)


def mobilenet_method(weights: str | None = None, dtype: DTypeLike = "float32") -> Method:
    """MobileNet V1 at 224×224, without its classifier, averaged over all positions.

    Args:
        weights: a file, as :func:`jaxdedup.mobilenet.load_params` reads it; None for Google's.
        dtype: float32, or bfloat16 for the products of the last layers.

    Raises:
        ValueError: another dtype.

    Example:
        >>> mobilenet_method() == METHODS["cnn"]
        True
    """
    try:
        name = jax.numpy.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in ("float32", "bfloat16"):
        raise ValueError(f"expected dtype float32 or bfloat16, got {name!r:.80}")
    load = _MobileNetParams(weights, None if weights is None else file_state(weights))
    return Method(
        "cnn",
        (224, 224),
        Features(1024),
        _MobileNetFeatures(name),
        load,
        name,
        on_cpu=_MobileNetOnCpu(name),
    )


def hash_method(hashed: HashMethod) -> Method:
    """A hash of :mod:`jaxdedup.hashing` as a method.

    Args:
        hashed: the hash.

    Example:
        >>> hash_method(phash_method()) == METHODS["phash"]
        True
    """
    row = Bits(hashed.count, hashed.near)
    return Method(
        hashed.name,
        hashed.size,
        row,
        hashed.bits,
        luma_first=hashed.luma_first,
        quality=hashed.quality,
    )


def check_method(method: Any) -> None:
    """TypeError unless it is one."""
    if not isinstance(method, Method):
        raise TypeError(f"expected a Method, got {method!r:.80}: see METHODS")


def rated(method: Method) -> Method:
    """A hash that tells the quality of its images too: how much there is to see, 0 to 100.

    PDQ does so anyway. Of the others it is PDQ's sum over the small image that they look at
    (:func:`jaxdedup.hashing.luma_quality`): 0 of one flat colour. The hash stays what it is.

    Raises:
        TypeError: no method.
        ValueError: the method has no small image in grey: features, or a hash of whole images.

    Example:
        >>> rated(METHODS["phash"]).quality, rated(METHODS["pdq"]).quality
        (0, 50)
    """
    check_method(method)
    if method.quality is not None:
        return method
    if method.load is not None or not method.size:
        raise ValueError(f"expected a hash of a small image for its quality, got {method.name}")
    if method.orientations != "none":
        raise ValueError("expected a hash that is not oriented yet: oriented(rated(method))")
    return replace(method, compute=_Rated(method.compute), quality=0)


@dataclass(frozen=True)
class _Rated:
    """From a small image to its bits, followed by its quality."""

    compute: Callable[[Any], Any]

    def __call__(self, luma: Any) -> Any:
        return with_quality(self.compute(luma), luma_quality(luma))


# By name, what makes the methods of all sizes.
_HASHES: dict[str, Callable[..., HashMethod]] = {
    "phash": phash_method,
    "ahash": ahash_method,
    "dhash": dhash_method,
    "whash": whash_method,
    "pdq": pdq_method,
    **{f"imagehash-{name}": make for name, make in imagehash.HASHES.items()},
}

METHODS: dict[str, Method] = {name: hash_method(make()) for name, make in _HASHES.items()}
METHODS["cnn"] = mobilenet_method()


def method_named(name: str) -> Method:
    """A method of the list, or a hash of it at another size: its name, a dash, and the size.

    Raises:
        TypeError: no string.
        ValueError: an unknown name, for which the error lists the known ones, or a size that the
            hash can't have.

    Example:
        >>> method_named("phash-16").row.count
        256
    """
    if not isinstance(name, str):
        raise TypeError(f"expected the name of a method, got {name!r:.80}")
    if name in METHODS:
        return METHODS[name]
    base, sizes = name, list[int]()
    while base not in _HASHES:
        base, dash, size = base.rpartition("-")
        if not dash or not size.isdecimal() or len(size) > 9:
            raise ValueError(f"expected a method among {', '.join(METHODS)}, got {name!r:.80}")
        sizes.insert(0, int(size))
    return hash_method(_hash_of_size(name, base, sizes))


def _hash_of_size(name: str, base: str, sizes: list[int]) -> HashMethod:
    try:
        return _HASHES[base](*sizes)
    except TypeError:
        raise ValueError(f"expected fewer sizes of {base}, got {name!r:.80}") from None

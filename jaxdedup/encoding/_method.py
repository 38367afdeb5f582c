"""What an image is encoded as, as a value: the methods, and the only list of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import DTypeLike

from jaxdedup.hashing import AHASH, DHASH, PHASH, WHASH, HashMethod


@dataclass(frozen=True)
class Bits:
    """A row of ``count`` bits: ``uint8[ceil(count / 8)]``, shown as hex, compared by Hamming."""

    count: int

    dtype = np.dtype(np.uint8)

    @property
    def width(self) -> int:
        """The bytes of a row."""
        return -(-self.count // 8)


@dataclass(frozen=True)
class Features:
    """A row of ``count`` numbers: ``float32[count]``, compared by cosine similarity.

    Attributes:
        count: how many; None where only the network knows.
    """

    count: int | None

    dtype = np.dtype(np.float32)

    @property
    def width(self) -> int | None:
        """The numbers of a row."""
        return self.count


Row = Bits | Features


@dataclass(frozen=True)
class Method:
    """How the row of an image is computed: a hash, or the features of a network.

    Methods compare by value and pickle by value: a network's parameters are loaded where it runs.

    Attributes:
        name: what files and the command line call it.
        size: ``(h, w)``, what images are resized to.
        row: what comes of it.
        compute: of a hash, from luma ``uint8[..., h, w]`` to ``bool[..., count]``, traced; of a
            network, from its parameters and ``uint8[B, h, w, 3]`` to rows ``[B, count]``.
        load: the parameters of a network; None for a hash.
        dtype: what the network's products are computed in.
        traced: whether ``compute`` may be jitted; a user's function is called as it is.
    """

    name: str
    size: tuple[int, int]
    row: Row
    compute: Callable[..., Any]
    load: Callable[[], Any] | None = None
    dtype: str = "uint8"
    traced: bool = True


@dataclass(frozen=True)
class _MobileNetParams:
    path: str | None

    def __call__(self) -> Any:
        from jaxdedup import mobilenet  # brings in flax, which users of hashes need not wait for

        return mobilenet.load_params(self.path)


@dataclass(frozen=True)
class _MobileNetFeatures:
    dtype: str

    def __call__(self, params: Any, images: jax.Array) -> jax.Array:
        from jaxdedup import mobilenet

        return mobilenet.features(params, images, dtype=self.dtype)


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
    load, compute = _MobileNetParams(weights), _MobileNetFeatures(name)
    return Method("cnn", (224, 224), Features(1024), compute, load, name)


def hash_method(method: HashMethod, count: int = 64) -> Method:
    """A hash of :mod:`jaxdedup.hashing` as a method.

    Args:
        method: the hash.
        count: its bits.

    Example:
        >>> hash_method(PHASH) == METHODS["phash"]
        True
    """
    return Method(method.name, method.size, Bits(count), method.bits)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (*map(hash_method, (PHASH, AHASH, DHASH, WHASH)), mobilenet_method())
}


def method_named(name: str) -> Method:
    """A method of the list; the error for an unknown one lists the known names.

    Example:
        >>> method_named("phash").size
        (32, 32)
    """
    if name not in METHODS:
        raise ValueError(f"expected a method among {', '.join(METHODS)}, got {name!r:.80}")
    return METHODS[name]

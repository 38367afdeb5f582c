"""The encoder of CNN features: MobileNet V1 with ImageNet weights, or the user's own network."""

import hashlib
import operator
import os
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike, DTypeLike

from jaxdedup import mobilenet
from jaxdedup.image import Profile, ResizeWeights, resize_padded
from jaxdedup.loading import Batch

from ._cosine_finder import CosineFinder, Features
from ._devices import replicate, spread
from ._encoder import Program

Network = Callable[[jax.Array], ArrayLike]


class CNN(CosineFinder):
    """Encodes images as the features of a convolutional network.

    The default is that of imagededup's ``CNN``, versions 0.1 and 0.2: MobileNet V1 with Google's
    ImageNet weights, without its classifier, averaged over all positions. Nothing is downloaded.

    Args:
        verbose: whether to show progress.
        weights: a file with other weights for MobileNet V1: TensorFlow's frozen graph, Keras'
            ``.h5`` or ``.weights.h5``, or ``.safetensors``. None for the ImageNet weights.
        dtype: ``"float32"``, or ``"bfloat16"`` for products of lower precision in the last
            layers, which is faster on accelerators.
        model: a network in place of MobileNet: a Flax module, or any function, from
            ``preprocess``'s batch to feature rows ``[B, D]``. A function is called as it is, on
            batches of 1, 2, 4, … images: give a jitted one. A module is jitted here.
        preprocess: with ``model``, from ``uint8[B, h, w, 3]`` to what the model takes; None for
            ``x/127.5 − 1`` in float32.
        image_size: with ``model``, the side or ``(h, w)`` that images are resized to.
        profile: the Pillow whose resize is reproduced.
        batch_size: the most images in a call of the network; None to choose.
        num_workers: number of threads, which decode and then run the device on what they decoded;
            None for two more than there are cores.
        formats: suffixes of files which imageio may open where Pillow can't.
        draft: whether the JPEG decoder may scale down while it decodes, to no less than twice the
            size that the network takes. Faster on large photographs, but **not exact**.

    Attributes:
        skipped: what the last call could not load: file name, or position in a batch → reason.
        reused: how many encodings the last call took from its cache.

    Raises:
        ValueError: a setting is out of range, contradicts another, or the file of weights does
            not hold exactly those of the network.

    Source: A. G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile
    Vision Applications", 2017.

    Example:
        >>> encoder = CNN(verbose=False)
        >>> encoder.encode_image(image_array=np.zeros((60, 80, 3), np.uint8)).shape
        (1, 1024)
        >>> means = CNN(model=lambda x: x.mean((1, 2)), image_size=32, verbose=False)
        >>> means.encode_image(image_array=np.full((60, 80, 3), 255, np.uint8))
        array([[1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        verbose: bool = True,
        weights: str | os.PathLike[str] | None = None,
        dtype: DTypeLike = "float32",
        *,
        model: Network | nnx.Module | None = None,
        preprocess: Network | None = None,
        image_size: int | tuple[int, int] | None = None,
        profile: Profile = "pillow13",
        batch_size: int | None = None,
        num_workers: int | None = None,
        formats: Collection[str] = (),
        draft: bool = False,
    ) -> None:
        super().__init__(
            verbose,
            profile=profile,
            batch_size=batch_size,
            num_workers=num_workers,
            formats=formats,
            draft=draft,
        )
        self.weights = weights
        self.dtype = _float_name(dtype)
        self.model = model
        self.preprocess = preprocess
        self._size = _size(mobilenet.IMAGE_SIZE if image_size is None else image_size)
        if model is None:
            if preprocess is not None or image_size is not None:
                raise ValueError("preprocess and image_size go with a model of your own")
            self._params = replicate(mobilenet.load_params(weights))
            self._features: Network = partial(_mobilenet_program(self.dtype), self._params)
        else:
            if weights is not None or self.dtype != "float32":
                raise ValueError("weights and dtype go with MobileNet; a model brings its own")
            self._features = _custom(model, preprocess or mobilenet.preprocess)

    @property
    def size(self) -> tuple[int, int]:
        """``(h, w)``, what images are resized to."""
        return self._size

    @property
    def method_name(self) -> str:
        """What files of encodings call the method: ``"cnn"``."""
        return "cnn"

    def _settings(self) -> dict[str, Any]:
        own: dict[str, Any] = {"weights": self.weights, "dtype": self.dtype}
        if self.model is not None:
            own = {
                "model": self.model,
                "preprocess": self.preprocess,
                "image_size": self.size,
            }
        return super()._settings() | own

    def _dispatch(self, batch: Batch) -> jax.Array:
        resize = _resize_program(self.size, batch.layout.program)
        resized = resize((), batch.pixels, self._weights(batch))
        # A batch may have left before it was full. The network is not run on the free places, but
        # on a power of two, so that it is compiled for few sizes.
        taken = 1 << (len(batch.shapes) - 1).bit_length()
        rows = jnp.asarray(self._features(resized[:taken]))
        if rows.ndim != 2 or rows.shape[0] != min(taken, len(resized)):
            raise ValueError(
                f"expected feature rows of shape ({taken}, D) from the model, got {rows.shape}"
            )
        return rows

    def _results(self, encoded: jax.Array, count: int) -> Sequence[Features]:
        rows = np.array(encoded, np.float32)[:count]  # a copy, that can be written to
        return list(rows[:, None])

    def _to_bytes(self, encoding: Features) -> bytes:
        return encoding.astype("<f4").tobytes()

    def _from_bytes(self, stored: bytes) -> Features:
        return np.frombuffer(stored, "<f4").astype(np.float32)[None]

    def _origin(self, draft: bool) -> dict[str, str]:
        if self.model is not None:
            raise ValueError("expected no cache for a model of your own: its weights have no name")
        own = {"dtype": self.dtype, "weights": _digest(self._params)}
        return super()._origin(draft) | own


def _digest(params: Any) -> str:
    """The start of the SHA-256 of all parameters and their places."""
    digest = hashlib.sha256()
    for place, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(place)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


@cache
def _mobilenet_program(dtype: str) -> Callable[..., jax.Array]:
    # Traced, it is not divided among the cores: they have a batch each.
    return spread(jax.jit(partial(mobilenet.features, dtype=dtype)))


def _custom(model: Network | nnx.Module, preprocess: Network) -> Network:
    if not callable(model):
        raise TypeError(f"expected a function or a Flax module, got {type(model).__name__}")
    if not isinstance(model, nnx.Module):
        return lambda images: model(jnp.asarray(preprocess(images)))
    graph, state = nnx.split(model)

    @jax.jit  # the weights are an argument, not a constant of the program
    def run(state: Any, images: ArrayLike) -> ArrayLike:
        return nnx.merge(graph, state)(images)

    return lambda images: run(state, preprocess(images))


@cache
def _resize_program(size: tuple[int, int], program: Program) -> Callable[..., jax.Array]:
    @jax.jit
    def resize(_: Any, images: jax.Array, weights: ResizeWeights) -> jax.Array:
        resized = resize_padded(
            images, weights, size, vertical_first=program.vertical_first, packed=True
        )
        grey = images.ndim == 3
        return jnp.repeat(resized[..., None], 3, axis=-1) if grey else resized

    return spread(resize)


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple) else (size, size)
    try:
        height, width = map(operator.index, sides)
    except (TypeError, ValueError):
        raise ValueError(f"expected image_size as a side or (h, w), got {size!r}") from None
    if height < 1 or width < 1:
        raise ValueError(f"expected image_size of at least 1, got {size!r}")
    return height, width


def _float_name(dtype: DTypeLike) -> str:
    try:
        name = jnp.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in ("float32", "bfloat16"):
        raise ValueError(f"expected dtype float32 or bfloat16, got {name!r}")
    return name

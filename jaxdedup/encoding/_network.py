"""Networks as methods: of the user's own, and those whose weights the user brings."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike
from PIL import Image

from jaxdedup.image import Profile
from jaxdedup.loading import Pixels

from ._method import Features, Method, file_state, mobilenet_method
from ._models import Model, adapted
from ._prepared import Layout, Preparation

if TYPE_CHECKING:
    from flax import nnx

    from jaxdedup.networks import Network as Pretrained

Network = Callable[[jax.Array], ArrayLike]

_UNNAMED = "default_model"  # imagededup's


def network_method(
    model: "Network | nnx.Module",
    *,
    preprocess: Network | None = None,
    image_size: int | tuple[int, int] = 224,
) -> Method:
    """A network of the user's own as a method.

    Args:
        model: a Flax or PyTorch module, or any function, from ``preprocess``'s batch to feature
            rows ``[B, D]``. A function is called as it is, on batches of 1, 2, 4, … images: give a
            jitted one. A Flax module is jitted here, as it is now.
        preprocess: from ``uint8[B, h, w, 3]`` to what the model takes; None for ``x/127.5 − 1``
            in float32.
        image_size: the side or ``(h, w)`` that images are resized to.

    Raises:
        TypeError: the model is none of these.
        ValueError: the size is none.

    Example:
        >>> network_method(lambda images: images.mean((1, 2)), image_size=32).size
        (32, 32)
    """
    from jaxdedup import mobilenet  # which users of hashes need not wait for

    own = _OwnNetwork(adapted(model), preprocess or mobilenet.preprocess)
    size = _size(image_size)
    return Method(
        "model", size, Features(None), own, own.load, "float32", traced=False, is_known=False
    )


@dataclass(frozen=True, eq=False)
class _OwnNetwork:
    model: Model
    preprocess: Callable[[Any], Any]
    made: dict[Any, Any] = field(default_factory=dict, repr=False)  # by once_a_method

    def __reduce__(self) -> tuple[Any, ...]:
        return _OwnNetwork, (self.model, self.preprocess)

    def load(self) -> Any:
        return self.model.parameters

    def __call__(self, parameters: Any, images: Any) -> ArrayLike:
        return self.model.run(parameters, self.preprocess(images))


class CustomModel(NamedTuple):
    """A network and what it takes, as in imagededup 0.3.

    Attributes:
        name: what the network is called in files and caches of its features, which hold a digest of
            its parameters too, where they can be seen.
        model: from what ``transform`` gave, stacked, to feature rows ``[B, D]``: a Flax module
            (``nnx``, or ``linen`` bound to its variables), a PyTorch module, which runs as it is on
            its own device, or a function.
        transform: from an RGB Pillow image to an array of NumPy, JAX or PyTorch, of one shape and
            dtype for all images. It is called in several threads at once; an image that it raises
            an error for is one that could not be loaded, for that reason.

    Example:
        >>> CustomModel("means", lambda images: images.mean((1, 2)), lambda image: image).name
        'means'
    """

    name: str = _UNNAMED
    model: Any = None
    transform: Callable[[Image.Image], Any] | None = None


def custom_method(config: CustomModel) -> Method:
    """A network of the user's own, with a transform of its own, as a method.

    Raises:
        TypeError: it is no `CustomModel`, or the model is no module and no function.
        ValueError: the model or the transform is missing.

    Example:
        >>> means = CustomModel("means", lambda images: images.mean((1, 2)), lambda image: image)
        >>> custom_method(means).name
        'means'
    """
    if not isinstance(config, tuple) or len(config) != 3:
        raise TypeError(f"expected model_config to be a CustomModel, got {config!r:.80}")
    name, model, transform = config
    if model is None or transform is None:
        raise ValueError(f"expected model and transform in model_config, got {config!r:.200}")
    prepare = Preparation(_OfPillow(transform))
    own = _OwnNetwork(adapted(model, prepare), _as_it_is)
    return Method(
        name,
        (),
        Features(None),
        own,
        own.load,
        "float32",
        traced=False,
        prepare=prepare,
        is_known=name != _UNNAMED,
    )


@dataclass(frozen=True, eq=False)
class _OfPillow:
    transform: Callable[[Image.Image], Any]

    def __call__(self, pixels: Pixels, _: Profile) -> Any:
        return self.transform(Image.fromarray(pixels).convert("RGB"))


def _as_it_is(images: Any) -> Any:
    return images


def pretrained_method(name: str, weights: str | None) -> Method:
    """A network of :data:`jaxdedup.networks.NETWORKS` as a method.

    Args:
        name: of the network.
        weights: a safetensors file.

    Raises:
        ValueError: an unknown network, or no weights.

    Example:
        >>> pretrained_method("sscd", "sscd_disc_mixup.safetensors").row.count
        512
    """
    from jaxdedup.networks import NETWORKS  # brings in flax

    if name not in NETWORKS:
        raise ValueError(f"expected a network among {', '.join(NETWORKS)}, got {name!r:.80}")
    if weights is None:
        raise ValueError(f"expected weights of {name}, a safetensors file, got none")
    network = NETWORKS[name]
    layout = Layout((*network.seen, 3), np.dtype(np.uint8))
    return Method(
        name,
        network.resized,
        Features(network.features),
        _Pretrained(name),
        _Weights(name, weights, file_state(weights)),
        "float32",
        prepare=Preparation(_Seen(name), layouts=[layout]),
    )


def weighted_method(name: str, weights: str, dtype: str = "float32") -> Method:
    """A network by the name that its features are kept under, with weights from a file.

    Args:
        name: ``"cnn"``, or of :data:`jaxdedup.networks.NETWORKS`.
        weights: the file.
        dtype: of ``"cnn"``, as of :func:`mobilenet_method`.

    Raises:
        ValueError: an unknown network.

    Example:
        >>> weighted_method("sscd", "sscd.safetensors") == pretrained_method(
        ...     "sscd", "sscd.safetensors"
        ... )
        True
    """
    if name == "cnn":
        return mobilenet_method(weights, dtype)
    from jaxdedup.networks import NETWORKS  # brings in flax

    if name not in NETWORKS:
        known = ", ".join(["cnn", *NETWORKS])
        raise ValueError(f"expected weights of a network among {known}, got those of {name!r:.80}")
    return pretrained_method(name, weights)


# Each a value, as methods are: equal where the names are, whoever made it.
@dataclass(frozen=True)
class _Pretrained:
    name: str

    def __call__(self, parameters: Any, images: jax.Array) -> jax.Array:
        return _network(self.name).apply(parameters, images)


@dataclass(frozen=True)
class _Weights:
    name: str
    path: str
    state: tuple[int, int] | None

    def __call__(self) -> Any:
        return _network(self.name).load(self.path)


@dataclass(frozen=True)
class _Seen:
    name: str

    def __call__(self, pixels: Pixels, profile: Profile) -> Any:
        return _network(self.name).prepare(pixels, profile)


def _network(name: str) -> "Pretrained":
    from jaxdedup.networks import NETWORKS

    return NETWORKS[name]


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple) else (size, size)
    try:
        height, width = map(operator.index, sides)
    except (TypeError, ValueError):
        raise ValueError(f"expected image_size as a side or (h, w), got {size!r:.80}") from None
    if height < 1 or width < 1:
        raise ValueError(f"expected image_size of at least 1, got {size!r:.80}")
    return height, width

"""Networks of the user's own as methods."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ._method import Features, Method

if TYPE_CHECKING:
    from flax import nnx

Network = Callable[[jax.Array], ArrayLike]


def network_method(
    model: "Network | nnx.Module",
    *,
    preprocess: Network | None = None,
    image_size: int | tuple[int, int] = 224,
) -> Method:
    """A network of the user's own as a method.

    Args:
        model: a Flax module, or any function, from ``preprocess``'s batch to feature rows
            ``[B, D]``. A function is called as it is, on batches of 1, 2, 4, … images: give a
            jitted one. A module is jitted here, as it is now.
        preprocess: from ``uint8[B, h, w, 3]`` to what the model takes; None for ``x/127.5 − 1``
            in float32.
        image_size: the side or ``(h, w)`` that images are resized to.

    Raises:
        TypeError: the model is neither.
        ValueError: the size is none.

    Example:
        >>> network_method(lambda images: images.mean((1, 2)), image_size=32).size
        (32, 32)
    """
    from flax import nnx  # takes a while, and users of hashes need not wait for it

    from jaxdedup import mobilenet

    if not callable(model):
        raise TypeError(f"expected a function or a Flax module, got {type(model).__name__}")
    preprocess = preprocess or mobilenet.preprocess
    if isinstance(model, nnx.Module):
        graph, state = nnx.split(model)
        own = _OwnNetwork(partial(_run_module, graph), preprocess, state)
    else:
        own = _OwnNetwork(partial(_call, model), preprocess, ())
    size = _size(image_size)
    return Method("model", size, Features(None), own, own.load, "float32", traced=False)


@dataclass(frozen=True, eq=False)
class _OwnNetwork:
    run: Callable[[Any, ArrayLike], ArrayLike]
    preprocess: Network
    state: Any

    def load(self) -> Any:
        return self.state

    def __call__(self, state: Any, images: jax.Array) -> ArrayLike:
        return self.run(state, self.preprocess(images))


def _call(function: Network, _: Any, images: ArrayLike) -> ArrayLike:
    return function(jnp.asarray(images))


@partial(jax.jit, static_argnums=0)  # the weights are an argument, not a constant of the program
def _run_module(graph: Any, state: Any, images: ArrayLike) -> ArrayLike:
    from flax import nnx

    return nnx.merge(graph, state)(images)


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple) else (size, size)
    try:
        height, width = map(operator.index, sides)
    except (TypeError, ValueError):
        raise ValueError(f"expected image_size as a side or (h, w), got {size!r:.80}") from None
    if height < 1 or width < 1:
        raise ValueError(f"expected image_size of at least 1, got {size!r:.80}")
    return height, width

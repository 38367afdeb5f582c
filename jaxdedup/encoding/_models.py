"""Models of the user's own, of any library, as a function of parameters and a batch."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np


class Model(NamedTuple):
    """A model that is ready to run.

    Attributes:
        run: from its parameters and an array ``[B, …]`` to feature rows ``[B, D]``.
        parameters: all that can be seen, as a tree of arrays; ``()`` where nothing can.
    """

    run: Callable[[Any, Any], Any]
    parameters: Any


class Batches(Protocol):
    """What is known of the arrays that a model is given."""

    @property
    def gives_tensors(self) -> bool:
        """Whether they were PyTorch's."""


def adapted(model: Any, batches: Batches | None = None) -> Model:
    """A model of any library.

    Args:
        model: a Flax module (of ``nnx``, or of ``linen`` and bound to its variables), which is
            jitted here as it is now; a PyTorch module, which runs where its parameters are; or any
            other function of a batch, which is called as it is.
        batches: tells whether a function is to be given PyTorch's tensors; None for JAX's arrays.

    Raises:
        TypeError: the model is none of these, or a ``linen`` module without variables.
    """
    from flax import linen, nnx  # takes a while, and users of hashes need not wait for it

    if isinstance(model, nnx.Module):
        graph, state = nnx.split(model)
        return Model(partial(_run_nnx, graph), state)
    if isinstance(model, linen.Module):
        if model.scope is None:
            raise TypeError(
                f"expected a Flax module bound to its variables, module.bind(variables), got "
                f"{type(model).__name__} without"
            )
        module, variables = model.unbind()
        return Model(partial(_run_linen, module), variables)
    if _is_torch_module(model):
        tensors = {name: _bytes_of(tensor) for name, tensor in model.state_dict().items()}
        return Model(partial(_run_torch, model), tensors)
    if callable(model):
        return Model(partial(_call, model, batches), ())
    raise TypeError(
        f"expected a Flax or PyTorch module or a function of a batch, got {type(model).__name__}"
    )


@partial(jax.jit, static_argnums=0)  # the weights are an argument, not a constant of the program
def _run_nnx(graph: Any, state: Any, images: Any) -> Any:
    from flax import nnx

    return nnx.merge(graph, state)(images)


@partial(jax.jit, static_argnums=0)
def _run_linen(module: Any, variables: Any, images: Any) -> Any:
    return module.apply(variables, images)


def _is_torch_module(model: Any) -> bool:
    torch: Any = sys.modules.get("torch")  # who has a module of it has imported it
    return torch is not None and isinstance(model, torch.nn.Module)


def _bytes_of(tensor: Any) -> Any:
    """A tensor of any dtype, some of which NumPy lacks."""
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _run_torch(model: Any, _: Any, images: Any) -> Any:
    import torch

    first = next(model.parameters(), None)
    with torch.no_grad():
        batch = torch.from_numpy(np.asarray(images))
        return _as_numpy(model(batch if first is None else batch.to(first.device)))


def _call(function: Callable[[Any], Any], batches: Batches | None, _: Any, images: Any) -> Any:
    if batches is None or not batches.gives_tensors:
        return function(jnp.asarray(images))
    import torch

    with torch.no_grad():
        return _as_numpy(function(torch.from_numpy(np.asarray(images))))


def _as_numpy(features: Any) -> Any:
    return features.detach().float().cpu().numpy()

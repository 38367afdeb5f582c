"""How loops are written for XLA's CPU compiler.

A loop of kernels costs a fifth of a microsecond a step. More than eight kernels of a loop's body
are dealt out to threads, which costs more than they take: so what belongs together is one kernel,
or a loop of one round; a branch would copy what it hands on, which a loop of no or one round
doesn't. An operation of more than about 12,000 elements is divided among the cores, again for every
step of a loop. A transpose is a fast copy only where it stands alone between two loops.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata


def at_once(function: Callable[..., Any], *args: jax.Array) -> Any:
    """``function(*args)``, which XLA's CPU compiler makes one kernel of, and not one of each loop.

    So it is compiled sooner, too: each kernel takes 10 ms. What doesn't know this hint passes over
    it. XLA aborts the process where an argument is a constant.
    """
    hint = {"xla_cpu_small_call": "true", "inlineable": "false"}
    return set_xla_metadata(jax.jit(function)(*args), **hint)  # type: ignore[no-untyped-call]


def when(flag: jax.Array, function: Callable[[Any], Any], carry: Any) -> Any:
    """``function(carry)`` where the flag is 1, the carry where it is 0, in place."""
    return lax.fori_loop(jnp.int32(0), flag, lambda _, carry: function(carry), carry)


def put_alone(
    x: jax.Array,
    put: Callable[[jax.Array, jax.Array], jax.Array],
    into: jax.Array,
    once: jax.Array,
) -> jax.Array:
    """Puts what was computed before, and not while it is put: in a loop of one round."""
    return when(once, lambda into: put(x, into), into)


# Python's indices from the end would be a kernel more.


def part_at(x: jax.Array, starts: Sequence[jax.Array], shape: Sequence[int]) -> jax.Array:
    """The part of an array that begins there."""
    return lax.dynamic_slice(x, starts, shape, allow_negative_indices=False)


def row_at(x: jax.Array, i: jax.Array) -> jax.Array:
    """``x[i]``."""
    return lax.dynamic_index_in_dim(x, i, keepdims=False, allow_negative_indices=False)


def with_part(x: jax.Array, part: jax.Array, starts: Sequence[jax.Array]) -> jax.Array:
    """The array with another part that begins there."""
    return lax.dynamic_update_slice(x, part, starts, allow_negative_indices=False)

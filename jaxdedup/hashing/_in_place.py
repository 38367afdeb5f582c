"""RGB images of NumPy's that become grey before all else, read where they are.

XLA reads memory in place where its address is a multiple of 64. Large arrays of NumPy's begin 16
bytes behind one. The 16 pixels before the next are an argument of their own: what is put together
is the luma, for which all pixels are read anyway.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from numpy.typing import NDArray

from jaxdedup.devices import ALIGNED, ON_ONE_CORE, WideProgram
from jaxdedup.image import Profile, rgb_to_luma


def from_first_aligned(
    program: Callable[[Any], Any], otherwise: Callable[[NDArray[Any]], Any], profile: Profile
) -> Callable[[NDArray[Any]], Any]:
    """The same program, that reads RGB images from the first aligned pixel on.

    Args:
        program: of RGB images ``uint8[..., H, W, 3]``, or of their luma ``uint8[..., H, W]``.
        otherwise: the same, for arrays that have no such pixel.
        profile: by which the program makes them grey.

    Example:
        >>> program = jax.jit(lambda images: (images if images.ndim < 4 else images[..., 0]).sum())
        >>> import numpy as np
        >>> images = np.ones(4816, np.uint8)[16:].reshape(1, 40, 40, 3)
        >>> int(from_first_aligned(program, program, "pillow13")(images))
        1600
    """

    @lru_cache(maxsize=16)
    def joined(shape: tuple[int, ...]) -> Callable[..., Any]:
        def compute(first: jax.Array, rest: jax.Array) -> Any:
            luma = [rgb_to_luma(pixels, profile=profile) for pixels in (first, rest)]
            return program(jnp.concatenate(luma).reshape(shape))

        return WideProgram(jax.jit(compute), ON_ONE_CORE)

    def run(array: NDArray[Any]) -> Any:
        first = _first_aligned(array)
        if not first:
            return otherwise(array)
        pixels = array.reshape(-1, 3)
        return joined(array.shape[:-1])(pixels[:first], pixels[first:])

    return run


def _first_aligned(array: NDArray[Any]) -> int:
    """The first pixel that begins where XLA can read; 0 where there is none, or no need."""
    *_, width, channels = array.shape
    # Grey images of width 3 would be taken for RGB ones.
    if channels != 3 or width == 3 or not array.flags.c_contiguous:
        return 0
    skipped = -array.ctypes.data % ALIGNED
    # All parts of a batch are to have theirs at the same place, and one program.
    return 0 if skipped % 3 or array[0].nbytes % ALIGNED else skipped // 3

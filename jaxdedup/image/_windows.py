"""Linear maps of an axis, each output a sum over a window of inputs: what a planner plans with."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ._lanczos import _lanczos

# First input, end of inputs, and weights as integers at 2²², of every output, zero after
# its window. The first two don't decrease from one output to the next, and what is positive among
# the weights of an output is below 127·2¹⁶ in sum.
Windows = tuple[np.ndarray, np.ndarray, np.ndarray]  # int[O], int[O], int32[O, T]
LinearMap = Callable[[int, int], Windows]  # from the length of an axis and its number of outputs

lanczos = lru_cache(maxsize=2048)(_lanczos)

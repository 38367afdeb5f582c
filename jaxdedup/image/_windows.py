"""Linear maps of an axis, each output a sum over a window of inputs: what a planner plans with."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ._lanczos import _lanczos

# First input, end of inputs, and weights as integers at 2²², of every output. The first two don't
# decrease from output to output; the weights of an output are below 127·2¹⁶ in sum of the positive.
Windows = tuple[np.ndarray, np.ndarray, np.ndarray]  # int[O], int[O], int32[O, T]
LinearMap = Callable[[int, int], Windows]  # from the length of an axis and its number of outputs

lanczos = lru_cache(maxsize=512)(_lanczos)

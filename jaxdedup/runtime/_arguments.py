"""The checks of arguments that several rooms need, each in one place."""

import math
import numbers
import operator
import os
from typing import Any

import numpy as np

Path = str | os.PathLike[str]


def path_text(path: Any) -> str:
    """A path as a string; TypeError where it is none.

    Example:
        >>> path_text(None)
        Traceback (most recent call last):
        ...
        TypeError: expected a path, got None
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"expected a path, got {path!r:.80}")
    return os.fspath(path)


def integer(name: str, value: Any) -> int:
    """An argument as an int; TypeError where it is none. (bool is one to Python: a mistake here.)

    Example:
        >>> integer("batch_size", True)
        Traceback (most recent call last):
        ...
        TypeError: expected batch_size to be an integer, got True
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"expected {name} to be an integer, got {value!r:.80}") from None


def flag(name: str, value: Any) -> bool:
    """An argument as a bool; TypeError where it is none. (To Python, ``"no"`` is true.)

    Example:
        >>> flag("draft", "no")
        Traceback (most recent call last):
        ...
        TypeError: expected draft to be True or False, got 'no'
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"expected {name} to be True or False, got {value!r:.80}")
    return bool(value)


def positive(name: str, value: Any) -> int:
    """An argument as an int of at least 1; ValueError where it is less.

    Example:
        >>> positive("batch_size", 3)
        3
    """
    number = integer(name, value)
    if number < 1:
        raise ValueError(f"expected {name} to be at least 1, got {number}")
    return number


def positive_or_none(name: str, value: Any) -> int | None:
    """Likewise, of an argument that may be left out.

    Example:
        >>> positive_or_none("num_workers", None)
    """
    return None if value is None else positive(name, value)


def integer_within(name: str, value: Any, low: int, high: int) -> int:
    """An argument as an int from ``low`` to ``high``; TypeError or ValueError where it is none.

    Example:
        >>> integer_within("hash_size", 16, 2, 128)
        16
    """
    expected = f"expected {name} to be an integer from {low} to {high}, got {value!r:.80}"
    try:
        number = integer(name, value)
    except TypeError:
        raise TypeError(expected) from None
    if not low <= number <= high:
        raise ValueError(expected)
    return number


def number_within(name: str, value: Any, low: float, high: float) -> float:
    """An argument as a float from ``low`` to ``high``; TypeError or ValueError where it is none.

    Example:
        >>> number_within("min_similarity_threshold", 1, -1.0, 1.0)
        1.0
    """
    expected = f"expected {name} to be a number from {low} to {high}, got {value!r:.80}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(expected)
    number = float(value)
    if math.isnan(number) or not low <= number <= high:
        raise ValueError(expected)
    return number

"""What is made of a method once, for all who ask."""

from collections.abc import Callable
from functools import lru_cache, wraps
from threading import RLock
from typing import Any, TypeVar, cast

MakeT = TypeVar("MakeT", bound=Callable[..., Any])


def once_a_method(most: int) -> Callable[[MakeT], MakeT]:
    """Has a function of a method called once for its arguments, whichever threads ask at a time.

    What comes of a network of the user's own lasts as long as the network.

    Args:
        most: how many results are kept of other methods.
    """

    def decorate(make: MakeT) -> MakeT:
        kept, lock = lru_cache(most)(make), RLock()

        @wraps(make)
        def call(method: Any, *arguments: Any) -> Any:
            made = getattr(method.compute, "made", None)
            with lock:
                if made is None:
                    return kept(method, *arguments)
                key = make, method, *arguments
                if key not in made:
                    made[key] = make(method, *arguments)
                return made[key]

        return cast(MakeT, call)

    return decorate

"""A bound on the pixels that are decoded at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from jaxdedup.runtime import granted_memory

from ._decode import Admit, DecodeError

_BYTES_PER_PIXEL = 16  # while an image is decoded: Pillow's copies, NumPy's, and ours
_SHARE = 4  # of the memory granted, a quarter


def default_pixels_in_flight() -> int:
    """As many pixels as a quarter of the memory that this process is granted can hold.

    Example:
        >>> default_pixels_in_flight() > 0
        True
    """
    return max(1, granted_memory() // _SHARE // _BYTES_PER_PIXEL)


class PixelGate:
    """Lets images in as long as there is room for their pixels; a larger one alone.

    Args:
        most: pixels; None for :func:`default_pixels_in_flight`.

    Example:
        >>> gate = PixelGate(100)
        >>> with gate.admission() as admit:
        ...     admit(1000)
        ...     gate.inside
        1000
        >>> gate.inside
        0
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most or default_pixels_in_flight()
        self._changed = Condition()
        self._is_closed = False
        self.inside = 0

    @contextmanager
    def admission(self) -> Iterator[Admit]:
        """Of one image, until the end of the context."""
        own = 0

        def admit(pixels: int) -> None:
            nonlocal own
            more = pixels - own  # a second decoder looks at the same image
            if more > 0:
                self._enter(more, alone=own)
                own = pixels

        try:
            yield admit
        finally:
            with self._changed:
                self.inside -= own
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody in any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _enter(self, pixels: int, alone: int) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._is_closed or self.inside == alone or self.inside + pixels <= self._most
                )
            )
            if self._is_closed:
                raise DecodeError("was not waited for")
            self.inside += pixels

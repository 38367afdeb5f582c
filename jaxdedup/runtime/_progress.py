"""A progress bar around an iterator, and Ctrl-C that is not lost meanwhile."""

from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from tqdm.auto import tqdm

from ._interrupt import noticing_interrupts

T = TypeVar("T")


def watched(stream: Generator[T], label: str | None, total: int | None = None) -> Generator[T]:
    """Yield what a stream does, with progress; close it, whatever ends the loop.

    Args:
        stream: the stream.
        label: what the bar is called; None for no bar.
        total: how much there is to come, where that is known.
    """
    # The bar is drawn once Ctrl-C would close it; a delay keeps it from being drawn at once.
    bar = tqdm(total=total, desc=label, unit="image", disable=label is None, delay=1e-6)
    with noticing_interrupts() as raise_if_interrupted, bar, closing(stream):
        bar.refresh()
        bar.delay = 0  # else it takes itself for one that was never drawn
        for item in stream:
            raise_if_interrupted()
            yield item
            bar.update()

"""Progress, and Ctrl-C that is not lost meanwhile."""

import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from tqdm import TqdmWarning

from ._interrupt import noticing_interrupts

with warnings.catch_warnings():  # a notebook without ipywidgets has bars of text
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm

T = TypeVar("T")

_PATIENCE = 1.0  # seconds after which work that can't be counted shows how long it has taken


def watched(
    stream: Generator[T], label: str | None, total: int | None = None, unit: str = "image"
) -> Generator[T]:
    """Yield what a stream does, with progress; close it, whatever ends the loop.

    Args:
        stream: the stream.
        label: what the bar is called; None for no bar.
        total: how much there is to come, where that is known.
        unit: of what there is to come.
    """
    # The bar is drawn once Ctrl-C would close it; a delay keeps it from being drawn at once.
    is_shown = label is not None and sys.stderr is not None
    bar = tqdm(total=total, desc=label, unit=unit, disable=not is_shown, delay=1e-6)
    with noticing_interrupts() as raise_if_interrupted, bar, closing(stream):
        bar.refresh()
        bar.delay = 0  # else it takes itself for one that was never drawn
        for item in stream:
            raise_if_interrupted()
            yield item
            bar.update()


@contextmanager
def timed(label: str | None) -> Iterator[None]:
    """Show for how long work has been going on of which nobody knows the end.

    Args:
        label: what the work is called; None to show nothing.

    Example:
        >>> with timed("search"):
        ...     pass
    """
    if label is None or sys.stderr is None:
        yield
        return
    done = threading.Event()

    def show() -> None:
        if done.wait(_PATIENCE):
            return
        with tqdm(desc=label, bar_format="{desc}: {elapsed}") as clock:
            while not done.wait(_PATIENCE):
                clock.refresh()

    thread = threading.Thread(target=show, name="jaxdedup-clock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def measured(label: str | None) -> Iterator[Callable[[float], object]]:
    """Show how much of some work is done, and how long the rest will take.

    Args:
        label: what the work is called; None to show nothing.

    Yields:
        What takes the share that is done, 0 to 1; it raises KeyboardInterrupt after Ctrl-C.

    Example:
        >>> with measured(None) as show:
        ...     show(0.5)
    """
    is_shown = label is not None and sys.stderr is not None
    layout = "{l_bar}{bar}| {elapsed}, {remaining} to go"
    bar = tqdm(total=1.0, desc=label, bar_format=layout, disable=not is_shown)
    with noticing_interrupts() as raise_if_interrupted, bar:

        def show(share: float) -> None:
            raise_if_interrupted()
            bar.update(share - bar.n)

        yield show

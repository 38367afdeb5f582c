"""What every room stands on: the cores, interrupts and progress, and the checks of arguments.

Nothing here imports JAX: whoever only decodes need not wait for it.
"""

from ._arguments import Path, integer, number_within, positive, refuse_unless_writable
from ._cores import core_count
from ._progress import watched
from ._whole import write_json, write_whole

__all__ = [
    "Path",
    "core_count",
    "integer",
    "number_within",
    "positive",
    "refuse_unless_writable",
    "watched",
    "write_json",
    "write_whole",
]

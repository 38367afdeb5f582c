"""What every room stands on: the cores, interrupts and progress, and the checks of arguments.

Nothing here imports JAX: whoever only decodes need not wait for it.
"""

from ._arguments import Path as Path
from ._arguments import integer as integer
from ._arguments import number_within as number_within
from ._arguments import positive as positive
from ._arguments import refuse_unless_writable as refuse_unless_writable
from ._cores import core_count as core_count
from ._progress import watched as watched
from ._whole import write_json as write_json
from ._whole import write_whole as write_whole

"""What every room stands on: cores and memory, interrupts and progress, files, names, checks.

Nothing here imports JAX: whoever only decodes need not wait for it.
"""

from ._arguments import Path as Path
from ._arguments import flag as flag
from ._arguments import integer as integer
from ._arguments import integer_within as integer_within
from ._arguments import number_within as number_within
from ._arguments import path_text as path_text
from ._arguments import positive as positive
from ._arguments import positive_or_none as positive_or_none
from ._cores import core_count as core_count
from ._fork import refuse_fork as refuse_fork
from ._interrupt import noticing_interrupts as noticing_interrupts
from ._memory import granted_memory as granted_memory
from ._names import ESCAPING as ESCAPING
from ._names import counted as counted
from ._names import escaped as escaped
from ._names import octal as octal
from ._names import some as some
from ._progress import measured as measured
from ._progress import timed as timed
from ._progress import watched as watched
from ._regular import open_regular as open_regular
from ._regular import read_regular as read_regular
from ._whole import refuse_unless_writable as refuse_unless_writable
from ._whole import write_json as write_json
from ._whole import write_whole as write_whole

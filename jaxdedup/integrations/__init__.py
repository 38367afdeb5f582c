"""Other people's engines and data libraries, which none of this imports before it is asked to.

:func:`encode_table` is the function of a batch that each of them can map; ``docs/integrations.md``
shows how. :mod:`jaxdedup.integrations.ray` encodes and searches on a cluster.
"""

from ._table import encode_table as encode_table

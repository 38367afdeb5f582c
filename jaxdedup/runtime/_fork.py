"""Processes that were forked from one in which JAX had run.

Of JAX's threads none lives on in the child, where whatever they would have done is waited for, for
ever. There is no way back from that; but there is a way to say so.
"""

import os
import sys

_forked = False


def refuse_fork() -> None:
    """RuntimeError in a process that was forked from one in which JAX had run.

    Whatever runs on a device asks this first.

    Example:
        >>> refuse_fork()
    """
    if _forked:
        raise RuntimeError(
            "expected a process of its own: this one was forked from one in which JAX had run, "
            "and would wait for JAX's threads for ever. Start it by 'spawn' or 'forkserver', as in "
            "multiprocessing.get_context('spawn'), or fork before JAX is used"
        )


def _note() -> None:
    global _forked
    bridge = sys.modules.get("jax._src.xla_bridge")
    if bridge is not None:
        # Empty until JAX has run. Its function that tells so takes a lock, which may be held here;
        # and where it keeps this elsewhere, it may have run.
        _forked |= bool(getattr(bridge, "_backends", True))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note)

"""Programs are compiled once for each kind of arguments, whatever the compiler's options."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdedup.devices import WideProgram, _programs


class Counting:
    """A jitted function that notes for which shapes it is lowered."""

    def __init__(self, function: Any) -> None:
        self.function = jax.jit(function)
        self.shapes: list[tuple[int, ...]] = []

    def lower(self, *arguments: Any) -> jax.stages.Lowered:
        self.shapes.append(arguments[0].shape)
        return self.function.lower(*arguments)


def test_once_for_each_kind_and_in_one_thread() -> None:
    counting = Counting(lambda x, weights: x * weights["w"])
    program = WideProgram(counting)
    start = threading.Barrier(8)

    def run(i: int) -> np.ndarray:
        start.wait()
        return np.asarray(program(np.full(2 + i % 2, i, np.float32), {"w": jnp.float32(3)}))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(8)))
    for i, result in enumerate(results):
        np.testing.assert_array_equal(result, np.full(2 + i % 2, 3.0 * i))
    assert sorted(counting.shapes) == [(2,), (3,)]


def test_dtype_is_part_of_the_kind() -> None:
    program = WideProgram(jax.jit(lambda x: x + x))
    assert program(np.ones(2, np.float32)).dtype == np.float32
    assert program(np.ones(2, np.int32)).dtype == np.int32


def test_options_that_xla_does_not_know_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_programs, "_OPTIONS", {"xla_cpu_has_no_such_option": 1})
    program = WideProgram(jax.jit(lambda x: x + 1))
    assert program(np.ones(2, np.float32)).tolist() == [2, 2]


def test_an_error_is_raised_and_not_remembered() -> None:
    broken = True

    def function(x: jax.Array) -> jax.Array:
        if broken:
            raise ValueError("no program")
        return x

    program = WideProgram(jax.jit(function))
    with pytest.raises(ValueError, match="no program"):
        program(np.ones(2, np.float32))
    broken = False
    assert program(np.ones(2, np.float32)).tolist() == [1, 1]


def test_without_jit() -> None:
    with jax.disable_jit():
        assert int(WideProgram(jax.jit(lambda x: x + x))(np.int32(3))) == 6

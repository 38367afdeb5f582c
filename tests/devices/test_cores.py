"""A large batch in a CPU's memory is hashed on all cores, and has the bits of its images.

This goes for processes with one device, where the tests' own has four. So another process hashes;
it assumes three cores, whatever the machine has, and calls a batch large at 64 KiB a core.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
METHODS = ["ahash", "dhash", "phash", "whash"]

# The shape of the batch, whether it is a jax.Array, and the sizes of the parts it is hashed in. A
# shape is a program: the first case is for every method, the others in turns.
CASES = {
    "odd": ((13, 60, 90, 3), False, [5, 4, 4]),
    "odd, jax": ((13, 60, 90, 3), True, [5, 4, 4]),
    "even": ((15, 60, 90, 3), False, [5, 5, 5]),
    "enough for two": ((9, 60, 90, 3), True, [5, 4]),
    "fewer images than cores": ((2, 180, 150, 3), False, [1, 1]),
    "one large image": ((1, 180, 400, 3), False, [1]),
    "small": ((4, 60, 90, 3), False, [4]),
    "two batch axes": ((5, 3, 60, 90, 3), True, [2, 2, 1]),
    "grey, two batch axes": ((5, 8, 60, 90), False, [2, 2, 1]),
    "grey": ((40, 60, 90), False, [40]),  # by its axes, it could be one image
}

CODE = """
import json
import jax, numpy as np
import jaxdedup
from jaxdedup.devices import _cores
from jaxdedup.hashing import _method
from tests.devices.test_cores import CASES, METHODS
from tests.pictures import crops

assert jax.device_count() == 1
_cores.core_count = lambda: 3
_method._LEAST_BYTES = 2**16
split, parts = _method._parts_for_cores, []

def spy(images):
    found = split(images)
    parts.append([len(part) for part in found])
    return found

results = {}
for number, (case, (shape, on_device, _)) in enumerate(CASES.items()):
    axes = 3 if shape[-1] == 3 else 2
    batch_shape = shape[:-axes]
    images = crops(np.prod(batch_shape), *shape[-axes:])
    batch = images.reshape(shape)
    for method in [METHODS[number % 4]] if number else METHODS:
        hash_of = getattr(jaxdedup, method)
        one_by_one = np.stack([hash_of(image) for image in images])
        _method._parts_for_cores = spy
        hashes = hash_of(jax.device_put(batch) if on_device else batch)
        _method._parts_for_cores = split
        assert isinstance(hashes, jax.Array), case
        assert hashes.dtype == np.uint8, case
        np.testing.assert_array_equal(hashes, one_by_one.reshape(*batch_shape, 8), case)
    results[case] = parts
    parts = []
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def parts() -> dict[str, list[list[int]]]:
    """The parts of each case, by method; the process fails if a bit differs."""
    command = [sys.executable, "-c", CODE]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.mark.parametrize("case", CASES)
def test_parts(case: str, parts: dict) -> None:
    assert parts[case]
    assert all(found == CASES[case][2] for found in parts[case])

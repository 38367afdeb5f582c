"""A large batch in a CPU's memory is hashed on all cores, and has the bits of its images.

The tests assume three cores, whatever the machine has, and call a batch large at 64 KiB a core.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

import jaxdedup
from jaxdedup.devices import map_on_cores, split_for_cores
from jaxdedup.hashing import _kept, _method
from jaxdedup.image import untouched
from tests.pictures import crops

Hash = Callable[..., jax.Array]

pytestmark = pytest.mark.usefixtures("little_optimized")

# The shape of the batch, whether it is a jax.Array, and the sizes of the parts it is hashed in.
CASES = {
    "odd": ((13, 60, 90, 3), False, [5, 4, 4]),
    "odd, jax": ((13, 60, 90, 3), True, [5, 4, 4]),
    "even": ((15, 60, 90, 3), False, [5, 5, 5]),
    "enough for two": ((9, 60, 90, 3), True, [5, 4]),
    "fewer images than cores": ((2, 180, 400, 3), False, [1, 1]),
    "one large image": ((1, 180, 400, 3), False, [1]),
    "small": ((4, 60, 90, 3), False, [4]),
    "two batch axes": ((5, 3, 60, 90, 3), True, [2, 2, 1]),
    "grey, two batch axes": ((5, 8, 60, 90), False, [2, 2, 1]),
    "grey": ((40, 60, 90), False, [40]),  # by its axes, it could be one image
}


@pytest.mark.parametrize("case", CASES)
def test_parts(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, on_device, sizes = CASES[case]
    axes = 3 if shape[-1] == 3 else 2
    images = crops(math.prod(shape[:-axes]), *shape[-axes:])
    one_by_one = np.stack([jaxdedup.dhash(image) for image in images])
    batch = images.reshape(shape)
    monkeypatch.setattr("jaxdedup.runtime.core_count", lambda: 3)
    monkeypatch.setattr(_method, "_LEAST_BYTES", 2**16)
    split, parts = _method._parts_for_cores, []
    monkeypatch.setattr(
        _method, "_parts_for_cores", lambda images: parts.append(split(images)) or parts[-1]
    )
    hashes = jaxdedup.dhash(jax.device_put(batch) if on_device else batch)
    assert [[len(part) for part in found] for found in parts] == [sizes]
    assert isinstance(hashes, jax.Array)
    assert hashes.dtype == np.uint8
    np.testing.assert_array_equal(hashes, one_by_one.reshape(*shape[:-axes], 8))


@pytest.mark.parametrize("hash_images", [jaxdedup.phash, jaxdedup.imagehash.phash])
def test_bits_that_the_host_makes(hash_images: Hash, monkeypatch: pytest.MonkeyPatch) -> None:
    images = crops(66, 30, 40, 3)
    one_by_one = np.stack([hash_images(image, hash_size=11) for image in images])
    monkeypatch.setattr("jaxdedup.runtime.core_count", lambda: 3)
    monkeypatch.setattr(_method, "_LEAST_BYTES", 2**16)
    batch = images.reshape(33, 2, 30, 40, 3)  # more than it takes at a time
    on_host: list[int] = []
    pack = _method.pack_bits
    monkeypatch.setattr(_method, "pack_bits", lambda bits: on_host.append(len(bits)) or pack(bits))
    with jax.transfer_guard("disallow"):  # but for what is meant
        hashes = hash_images(batch, hash_size=11)
    assert on_host == [17, 16]
    assert isinstance(hashes, jax.Array)
    np.testing.assert_array_equal(hashes, one_by_one.reshape(33, 2, 16))


# Of NumPy's RGB images: where their memory begins, after an aligned place, and the images. Some are
# read where they are, others have no pixel that is aligned, have it elsewhere in each image, or
# would be taken for others when they are grey.
READ: dict[str, tuple[int, tuple[int, ...], bool]] = {
    "as NumPy's are": (16, (13, 48, 64, 3), True),
    "all other places": (52, (13, 48, 64, 3), True),
    "two batch axes": (16, (13, 2, 48, 64, 3), True),
    "aligned": (0, (13, 48, 64, 3), True),
    "no aligned pixel": (32, (13, 48, 64, 3), False),
    "elsewhere in each": (16, (13, 60, 91, 3), False),
    "narrow": (16, (130, 64, 3, 3), False),
}


@pytest.mark.parametrize("hash_images", [jaxdedup.imagehash.dhash, jaxdedup.imagehash.phash])
@pytest.mark.parametrize("case", READ)
def test_images_are_read_in_place(
    case: str, hash_images: Hash, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, shape, is_in_place = READ[case]
    images = crops(math.prod(shape[:-3]), *shape[-3:])
    one_by_one = np.stack([hash_images(image, hash_size=11) for image in images])
    memory = untouched((place + images.size,), np.uint8)[place:]
    memory[:] = images.ravel()
    monkeypatch.setattr("jaxdedup.runtime.core_count", lambda: 3)
    monkeypatch.setattr(_method, "_LEAST_BYTES", 2**14)
    copied: list[int] = []
    take = _kept._memory
    monkeypatch.setattr(_kept, "_memory", lambda size: copied.append(size) or take(size))
    hashes = hash_images(memory.reshape(shape), hash_size=11)
    assert bool(copied) is not is_in_place
    np.testing.assert_array_equal(hashes, one_by_one.reshape(*shape[:-3], 16))


def test_a_part_that_fails() -> None:
    running: set[int] = set()

    def program(part: np.ndarray) -> jax.Array:
        running.add(int(part[0]))
        time.sleep(0.001)
        running.remove(int(part[0]))
        if part[0] == 3:
            raise MemoryError("no more")
        return jax.numpy.asarray(part)

    with pytest.raises(MemoryError, match="no more"):
        map_on_cores(program, np.arange(1000)[:, None])
    assert not running
    np.testing.assert_array_equal(map_on_cores(program, np.arange(4, 30)[:, None]), range(4, 30))


def test_memory_that_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kept, "_kept", deque(maxlen=2))
    places: set[int] = set()

    def program(array: np.ndarray) -> jax.Array:
        places.add(array.ctypes.data)
        return jax.numpy.asarray(array, copy=True)

    run = _kept.from_kept_memory(program)
    arrays = [np.full(1001 + n, n, np.uint8)[1:] for n in range(40)]  # where XLA can't read them
    one_by_one = [run(array) for array in arrays]
    assert len(places) < len(arrays)
    assert not places & {array.ctypes.data for array in arrays}
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(run, arrays * 5))
    for array, result in zip(arrays * 6, one_by_one + at_once, strict=True):
        np.testing.assert_array_equal(result, array)


def test_parts_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share a program; three a core would be enough for these 128."""
    monkeypatch.setattr("jaxdedup.runtime.core_count", lambda: 2)
    for count, sizes in {128: [16] * 8, 127: [22] + [21] * 5}.items():
        parts = split_for_cores(np.zeros((count, 1000)), 8_000, most_bytes=180_000)
        assert [len(part) for part in parts] == sizes

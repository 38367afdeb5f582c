"""A hash is the same bits under every transformation of JAX, whatever axes the images have."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

import jaxdedup
from tests.pictures import crops

pytestmark = pytest.mark.usefixtures("little_optimized")

_COUNT = 8

Hash = Callable[[ArrayLike], jax.Array]


def _mesh() -> jax.sharding.Mesh:
    return jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))


def _one_by_one(hash_of: Hash, images: ArrayLike) -> ArrayLike:
    return np.stack([hash_of(image) for image in np.asarray(images)])


def _mapped(hash_of: Hash, images: ArrayLike) -> ArrayLike:
    return jax.lax.map(hash_of, images)


def _sharded(hash_of: Hash, images: ArrayLike) -> ArrayLike:
    sharding = NamedSharding(_mesh(), PartitionSpec("batch"))
    hashes = jax.jit(hash_of)(jax.device_put(images, sharding))
    assert len(hashes.sharding.device_set) == 4
    return hashes


def _shard_map(hash_of: Hash, images: ArrayLike) -> ArrayLike:
    spec = PartitionSpec("batch")
    return jax.shard_map(hash_of, mesh=_mesh(), in_specs=spec, out_specs=spec)(images)


def _two_batch_axes(hash_of: Hash, images: ArrayLike) -> ArrayLike:
    return hash_of(images.reshape(2, _COUNT // 2, *images.shape[1:])).reshape(_COUNT, 8)


def _batch_of_vmap(hash_of: Hash, images: ArrayLike) -> ArrayLike:
    return jax.vmap(hash_of, in_axes=1)(images[None])[:, 0]


WAYS = {
    "jit": lambda hash_of, images: jax.jit(hash_of)(images),
    "vmap": lambda hash_of, images: jax.vmap(hash_of)(images),
    "vmap of batches": _batch_of_vmap,
    "Python loop": _one_by_one,
    "lax.map": _mapped,
    "two batch axes": _two_batch_axes,
}
OVER_DEVICES = {"sharded": _sharded, "shard_map": _shard_map}


@pytest.fixture(scope="module")
def images() -> jax.Array:
    return jax.numpy.asarray(crops(_COUNT, 41, 57, 3))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_around_one_hash(way: str, images: jax.Array) -> None:
    """The way into a program is the same for all; what differs is each one's comparisons."""
    hashes = WAYS[way](jaxdedup.dhash, images)
    assert hashes.dtype == np.uint8
    np.testing.assert_array_equal(hashes, jaxdedup.dhash(images))


@pytest.mark.parametrize("method", ["ahash", "phash", "whash"])
def test_each_hash_at_any_axes(method: str, images: jax.Array) -> None:
    hash_of = getattr(jaxdedup, method)
    found = jax.vmap(hash_of, in_axes=1)(images.reshape(2, _COUNT // 2, *images.shape[1:]))
    np.testing.assert_array_equal(found.swapaxes(0, 1).reshape(_COUNT, 8), hash_of(images))


@pytest.mark.four_devices
@pytest.mark.parametrize("way", OVER_DEVICES)
def test_over_devices(way: str, images: jax.Array) -> None:
    hashes = OVER_DEVICES[way](jaxdedup.dhash, images)
    np.testing.assert_array_equal(hashes, jaxdedup.dhash(images))


def test_same_bits_without_jit(images: jax.Array) -> None:
    image = images[0, :5, :7]  # every operation is a program of its own: the hash with the fewest
    expected = jaxdedup.dhash(image)
    with jax.disable_jit():
        np.testing.assert_array_equal(jaxdedup.dhash(image), expected)


@pytest.mark.parametrize("method", ["ahash", "dhash", "phash", "whash"])
def test_grey_image_is_rgb_image_of_equal_channels(method: str, images: jax.Array) -> None:
    hash_of, grey = getattr(jaxdedup, method), crops(_COUNT, 41, 57)
    expected = hash_of(jax.numpy.stack([grey] * 3, axis=-1))
    np.testing.assert_array_equal(jax.vmap(hash_of)(grey), expected)

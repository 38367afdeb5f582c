"""PDQ equals pdqhash, in hash and quality; the array function wherever nothing is tied."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from numpy.typing import NDArray

import jaxdedup
from jaxdedup import pdq
from jaxdedup.encoding import METHODS, Encodings, Recipe, encode, oriented
from jaxdedup.hashing import pdq_on_host
from jaxdedup.loading import Folder
from tests.hashing.make_pdq import COUNT, TURNED, Pixels, degenerate
from tests.pictures import crops, crops_of_any_size

STORED = dict(np.load(Path(__file__).with_name("pdq.npz")))
FILES = json.loads(
    (Path(__file__).parents[1] / "data" / "reference" / "imagehash_and_pdq.json").read_text()
)["hashes"]
RECIPE = Recipe(METHODS["pdq"])


@pytest.fixture(scope="module")
def natural() -> list[Pixels]:
    return crops_of_any_size(COUNT)


def test_natural_crops(natural: list[Pixels]) -> None:
    found = [pdq_on_host(image) for image in natural]
    np.testing.assert_array_equal([np.packbits(bits) for bits, _, _ in found], STORED["natural"])
    assert [quality for _, quality, _ in found] == STORED["natural_quality"].tolist()
    assert sum(tied for *_, tied in found) == 12


def test_degenerate_images() -> None:
    """Nearly all of them are tied: the reference's rounding noise is ours, too."""
    found = [pdq_on_host(image) for image in degenerate()]
    np.testing.assert_array_equal([np.packbits(bits) for bits, _, _ in found], STORED["degenerate"])
    assert [quality for _, quality, _ in found] == STORED["degenerate_quality"].tolist()
    assert sum(tied for *_, tied in found) > 0


def test_reference_files(reference_images: Path) -> None:
    found = Encodings.collect(encode(Folder(reference_images), RECIPE), RECIPE)
    qualities = dict(zip(found.names, found.quality.tolist(), strict=True))
    for name, row in FILES.items():
        assert found.get(name) == (row["pdq"] if row else None), name
        assert qualities.get(name) == (row["pdq_quality"] if row else None), name


def test_array_function_where_nothing_is_tied(natural: list[Pixels]) -> None:
    images = natural[2:4]  # a shape is a program: one of RGB, one grey
    for place, image in enumerate(images, start=2):
        found = pdq(image)
        assert not found.tied
        np.testing.assert_array_equal(found.hash, STORED["natural"][place])
        assert int(found.quality) == STORED["natural_quality"][place]


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return crops(*TURNED)


def test_the_eight_variants_of_the_frequencies(images: NDArray[np.uint8]) -> None:
    found = pdq(images, dihedral=True)
    sure = ~np.asarray(found.tied)
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(np.asarray(found.hash)[sure], STORED["dihedral"][sure])
    np.testing.assert_array_equal(found.quality, pdq(images).quality)
    np.testing.assert_array_equal(found.hash[:, 0], pdq(images).hash)
    for lead in [(), (2, 3)]:
        shape = jax.ShapeDtypeStruct((*lead, 4, 40), np.uint8)
        batch = jax.eval_shape(lambda x: pdq(x, dihedral=True), shape)
        assert [part.shape for part in batch] == [(*lead, 8, 32), lead, (*lead, 8)]


def test_array_function_says_what_is_tied() -> None:
    by_shape: dict[tuple[int, ...], list[tuple[Pixels, NDArray[np.uint8]]]] = {}
    for image, row in zip(degenerate(), STORED["degenerate"], strict=True):
        by_shape.setdefault(image.shape, []).append((image, row))
    for cases in sorted(by_shape.values(), key=len)[-3:]:  # each shape is a program
        found = pdq(np.stack([image for image, _ in cases]))
        for (image, row), hashed, tied in zip(cases, found.hash, found.tied, strict=True):
            assert tied or (hashed == row).all()
            assert not tied or pdq_on_host(image)[2]


@pytest.mark.usefixtures("little_optimized")
def test_every_way_gives_the_same(images: NDArray[np.uint8]) -> None:
    expected = pdq(images)
    bits = np.stack([np.packbits(pdq_on_host(image)[0]) for image in images])
    np.testing.assert_array_equal(expected.hash, bits)
    jax.tree.map(np.testing.assert_array_equal, jax.vmap(pdq)(images), expected)
    two_axes = pdq(images.reshape(2, -1, *images.shape[1:]))
    np.testing.assert_array_equal(two_axes.hash.reshape(-1, 32), expected.hash)
    jax.tree.map(
        np.testing.assert_array_equal, pdq(images[..., 0]), pdq(np.stack([images[..., 0]] * 3, -1))
    )


@pytest.mark.four_devices
def test_sharded(images: NDArray[np.uint8]) -> None:
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    found = jax.jit(pdq)(jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch"))))
    np.testing.assert_array_equal(found.hash, STORED["dihedral"][:, 0])


@pytest.mark.usefixtures("little_optimized")
@pytest.mark.parametrize("form", ["gpu", "tpu"])
def test_the_forms_of_other_platforms(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = crops(2, 70, 90, 3)
    expected = pdq(images)
    monkeypatch.setenv("JAXDEDUP_FORM", form)
    jax.tree.map(np.testing.assert_array_equal, pdq(images), expected)


def test_turned_images() -> None:
    image = crops(2, 100, 170, 3)[1]
    recipe = Recipe(oriented(METHODS["pdq"]))
    (row,) = Encodings.collect(encode([(0, image)], recipe), recipe).rows
    turned = [
        x for y in (image, image.swapaxes(0, 1)) for x in (y, y[::-1], y[:, ::-1], y[::-1, ::-1])
    ]
    expected = np.concatenate(
        [np.packbits(pdq_on_host(np.ascontiguousarray(x))[0]) for x in turned]
    )
    np.testing.assert_array_equal(row, expected)


def test_arguments() -> None:
    with pytest.raises(TypeError, match="dtype uint8, got float32"):
        pdq(np.zeros((8, 8), np.float32))
    with pytest.raises(ValueError, match=r"got \[0, 8\]"):
        pdq(np.zeros((0, 8), np.uint8))
    with pytest.raises(ValueError, match="fewer sizes of pdq, got 'pdq-16'"):
        jaxdedup.encoding.method_named("pdq-16")
    assert METHODS["pdq"].row.threshold == 31

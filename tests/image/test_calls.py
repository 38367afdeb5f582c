"""Images of any sizes in one call equal the installed Pillow, on a GPU's form and on a TPU's."""

import functools
import types

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pltpu
from PIL import Image

from jaxdedup.image import _steps, _tiles, _walk, vertical_first

pytestmark = pytest.mark.usefixtures("little_optimized")

# Height and width: of one pixel, of strips both ways, at the edges of bands and tiles.
SHAPES = [
    (1, 1),
    (1, 2000),
    (2000, 1),
    (33, 1000),
    (700, 33),
    (2, 3),
    (31, 33),
    (64, 128),
    (65, 129),
]
SHAPES += [(96, 90), (97, 131), (129, 257), (480, 300), (300, 8), (130, 640)]
SMALL = [(1, 1), (1, 300), (260, 1), (33, 200), (97, 129), (2, 3)]


def images_of(rng, shapes):
    """RGB and grey, noise and black and white, which makes the largest sums."""
    for number, (height, width) in enumerate(shapes):
        shape = (height, width, 1 if number % 3 == 1 else 3)
        top = 256 if number % 2 else 2
        yield rng.integers(0, top, shape, dtype=np.uint8) * (255 // (top - 1))


def pillow(image, size, profile="pillow13"):
    """Two passes of Pillow, each along one axis, in the order of the profile."""
    half = (image.shape[0], size[1])
    if vertical_first(*image.shape[:2], size, profile=profile):
        half = (size[0], image.shape[1])
    resized = Image.fromarray(np.broadcast_to(image, (*image.shape[:2], 3)))
    for height, width in (half, size):
        resized = resized.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized)


def flat_buffer(rng, images, length):
    """The images one after another, noise between and behind them, and where each begins."""
    flat = rng.integers(0, 256, length, dtype=np.uint8)
    ends = np.cumsum([image.size + 5 for image in images])
    starts = [int(end) - image.size for image, end in zip(images, ends, strict=True)]
    for image, start in zip(images, starts, strict=True):
        flat[start : start + image.size] = image.reshape(-1)
    return flat, starts


def resize_flat(rng, images, size, *, capacity=None, luma=None, **options):
    capacity = capacity or _steps.capacity(2 << 20, 20, size, weights_share=2)
    flat, starts = flat_buffer(rng, images, capacity.pixels)
    planner = _steps.Planner(size, capacity, **options)
    for image, start in zip(images, starts, strict=True):
        assert planner.add(start, *image.shape), image.shape
    return _steps.resize_flat(flat, on_device(planner), size, capacity, luma=luma)


def resize_tiles(rng, images, size, *, capacity=None, luma=None, interpret=True, **options):
    capacity = capacity or _tiles.Capacity(chunks=3, tiles=112, slabs=64, images=20)
    flat, starts = flat_buffer(rng, images, sum(image.size + 5 for image in images))
    planner = _tiles.Planner(size, capacity, **options)
    for image, start in zip(images, starts, strict=True):
        assert planner.add(start, *image.shape), image.shape
    tiles = rng.integers(0, 256, (capacity.chunks * capacity.tiles, 32, 128, 3), dtype=np.uint8)
    _tiles.write_tiles(flat, planner.placements(), tiles)
    return _walk.resize_tiles(
        tiles, on_device(planner), size, capacity, luma=luma, interpret=interpret
    )


def on_device(planner):
    return jax.tree.map(jnp.asarray, planner.tables())


FORMS = {"flat": resize_flat, "tiles": resize_tiles}
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@each_form
@pytest.mark.parametrize("size", [(8, 9), (32, 32), (224, 224)], ids=str)
def test_sizes_mixed_in_one_call(form, size):
    rng = np.random.default_rng(size)
    shapes = SHAPES if size != (224, 224) else SHAPES[::2]
    images = list(images_of(rng, shapes))
    for image, ours in zip(images, form(rng, images, size), strict=False):
        np.testing.assert_array_equal(ours, pillow(image, size), str(image.shape))


@each_form
def test_profiles_differ_in_the_order_of_the_passes_and_in_luma(form):
    rng, size = np.random.default_rng(0), (32, 32)
    images = list(images_of(rng, [(200, 60), (150, 40), (60, 200), (300, 20)]))
    ours = form(rng, images, size, profile="pillow9", luma="pillow13")
    for image, luma in zip(images, ours, strict=False):
        expected = Image.fromarray(pillow(image, size, "pillow9")).convert("L")
        np.testing.assert_array_equal(luma, np.asarray(expected))


def test_tiles_that_were_never_written():
    """In a TPU's interpreter, with memory of the worst values where nothing was written."""
    rng, size = np.random.default_rng(0), (32, 32)
    images = list(images_of(rng, SMALL))
    interpret = pltpu.InterpretParams(uninitialized_memory="nan")
    capacity = _tiles.Capacity(chunks=2, tiles=16, slabs=16, images=8)
    ours = resize_tiles(rng, images, size, capacity=capacity, interpret=interpret)
    for image, resized in zip(images, ours, strict=False):
        np.testing.assert_array_equal(resized, pillow(image, size), str(image.shape))


def test_more_than_128_columns_of_luma_from_tiles():
    rng, size = np.random.default_rng(0), (130, 160)
    images = list(images_of(rng, [(300, 270), (20, 400), (1, 1)]))
    ours = resize_tiles(rng, images, size, luma="pillow6")
    for image, luma in zip(images, ours, strict=False):
        red, green, blue = pillow(image, size).astype(np.int32).transpose(2, 0, 1)
        np.testing.assert_array_equal(luma, (19595 * red + 38470 * green + 7471 * blue) >> 16)


def mean_of_pairs(length, outputs):
    """Another linear map: the mean of every second input and the next."""
    first = np.minimum(2 * np.arange(outputs), length - 2)
    return first, first + 2, np.full((outputs, 2), 1 << 21, np.int32)


@each_form
def test_another_linear_map(form):
    rng, size = np.random.default_rng(0), (32, 32)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    ours = form(rng, [image], size, windows=mean_of_pairs)[0]
    expected = image.astype(np.int32)
    for axis in (1, 0):  # halves are rounded up, in each pass
        pairs = np.split(expected, 32, axis=axis)
        expected = np.concatenate([(p.sum(axis, keepdims=True) + 1) // 2 for p in pairs], axis)
    np.testing.assert_array_equal(ours, expected)


PLANNERS = {
    "flat": lambda **room: _steps.Planner(
        (8, 8), _steps.capacity(1 << 20, 4, (8, 8), weights_share=8)._replace(**room)
    ),
    "tiles": lambda **room: _tiles.Planner((8, 8), _tiles.Capacity(2, 80, 20, 4)._replace(**room)),
}


@pytest.mark.parametrize(
    ("planner", "room"),
    [
        ("flat", {"pixels": 400_000}),
        ("flat", {"images": 1}),
        ("flat", {"bands": 3}),
        ("flat", {"first_steps": 8}),
        ("flat", {"second_steps": 3}),
        ("flat", {"groups": 5}),
        ("tiles", {"images": 1}),
        ("tiles", {"tiles": 16}),
        ("tiles", {"tiles": 48, "chunks": 1}),
        ("tiles", {"slabs": 3}),
    ],
    ids=str,
)
def test_a_call_that_is_full_stays_as_it_is(planner, room):
    planner = PLANNERS[planner](**room)
    assert planner.add(0, 170, 160, 3)
    before = [np.copy(table) for table in planner.tables()[:2]]
    assert not planner.add(81_600, 420, 380, 3)
    for table, expected in zip(planner.tables()[:2], before, strict=True):
        np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize("planner", PLANNERS)
def test_axes_of_one_length_share_their_weights(planner):
    rooms = {
        "flat": {"bands": 60, "first_steps": 60, "second_steps": 60, "groups": 2},
        "tiles": {"slabs": 1},
    }
    planner = PLANNERS[planner](images=30, **rooms[planner])
    assert all(planner.add(30_000 * i, 100, 100, 3) for i in range(30))


@pytest.mark.parametrize(
    ("platform", "kind", "expected"),
    [
        ("tpu", "TPU v3", False),
        ("tpu", "TPU v4 lite", False),
        ("tpu", "TPU v5 lite", True),
        ("tpu", "TPU7x", True),
        ("gpu", "NVIDIA H100", False),
    ],
)
def test_where_the_kernel_compiles(platform, kind, expected):
    device = types.SimpleNamespace(platform=platform, device_kind=kind)
    assert _walk.runs_on(device) == expected


def test_sizes_of_a_tiles_planner_are_limited():
    with pytest.raises(ValueError, match=r"at most 256 pixels, got size \(8, 257\)"):
        _tiles.Planner((8, 257), _tiles.capacity(1 << 20, 4))


@pytest.mark.parametrize("platform", ["cuda", "rocm", "tpu"])
def test_calls_are_exported_for_other_platforms(platform):
    size = (32, 32)
    flat = _steps.capacity(4 << 20, 16, size)
    tables = _steps.Planner(size, flat).tables()
    run = functools.partial(_steps.resize_flat, size=size, capacity=flat)
    pixels = jax.ShapeDtypeStruct((flat.pixels,), np.uint8)
    jax.export.export(jax.jit(run), platforms=[platform])(pixels, tables)

    tiles = _tiles.capacity(4 << 20, 16)
    tables = _tiles.Planner(size, tiles).tables()
    run = functools.partial(_walk.resize_tiles, size=size, capacity=tiles)
    pixels = jax.ShapeDtypeStruct((tiles.chunks * tiles.tiles, 32, 128, 3), np.uint8)
    kernel = "tpu_custom_call"
    exported = jax.export.export(jax.jit(run), platforms=[platform])(pixels, tables)
    assert (kernel in exported.mlir_module()) == (platform == "tpu")

"""Images of any sizes, together in one call, equal Pillow's: in the program and on the host."""

from functools import cache, partial

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdedup.image import packed_form, pillow_resizes_as_planned, resize_on_host, vertical_first
from tests.pictures import Pixels

CPU = packed_form("cpu")
CAPACITY, LARGE = CPU.capacities
SIZES = ((8, 9), (32, 32), (100, 256))
CHOSEN = (
    *((1, 1), (1, 2), (3, 2), (8, 8), (8, 9), (9, 8), (32, 32), (31, 33), (127, 129), (128, 128)),
    *((1, 2000), (2000, 1), (33, 1000), (1000, 33), (512, 512), (513, 511), (640, 480), (480, 640)),
    *((100, 201), (100, 202), (64, 160), (64, 161), (7, 5000), (5000, 7), (5000, 40), (900, 1500)),
    *((1700, 700), (1200, 450), (2000, 385)),
    *((3, 100_000), (100_000, 3), (1, 30_000), (30_000, 1), (256, 256), (257, 256), (255, 700)),
)


def picture(rng: np.random.Generator, height: int, width: int, grey: bool = False) -> Pixels:
    """Noise, or of two values, which overshoots most."""
    shape = (height, width, 3)[: 2 if grey else 3]
    pixels = rng.integers(0, 256, shape, np.uint8)
    return np.where(pixels > 127, 255, 0).astype(np.uint8) if rng.random() < 0.3 else pixels


def pillow(image: Pixels, size: tuple[int, int], profile: str) -> Pixels:
    """Pillow, an axis at a time in the profile's order."""
    height, width = image.shape[:2]
    first_vertical = vertical_first(height, width, size, profile=profile)
    pixels = Image.fromarray(image)
    for axis in ((width, size[0]) if first_vertical else (size[1], height)), size[::-1]:
        pixels = pixels.resize(axis, Image.Resampling.LANCZOS)
    return np.asarray(pixels)


def rgb(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)


@cache
def program(size: tuple[int, int], capacity=CAPACITY):
    planner = CPU.planner(size, "pillow13", capacity)
    pixels = jax.ShapeDtypeStruct((planner.buffer_size,), np.uint8)
    run = jax.jit(partial(CPU.resize, size, capacity, None))
    return run.lower(*CPU.arguments(pixels, planner)).compile()


class Call:
    """A call whose buffer is full of stale bytes, filled image by image."""

    def __init__(self, size: tuple[int, int], profile: str = "pillow13", capacity=CAPACITY) -> None:
        self.planner = CPU.planner(size, profile, capacity)
        self.pixels = np.random.default_rng(1).integers(0, 256, self.planner.buffer_size, np.uint8)
        self.run, self.size = program(size, capacity), size
        self.clear()

    def clear(self) -> None:
        self.planner.clear()
        self.end = 0
        self.images: list[Pixels] = []

    def add(self, image: Pixels) -> bool:
        added = self.planner.add(self.end, *image.shape[:2], 3 if image.ndim == 3 else 1)
        if added:
            self.pixels[self.end : self.end + image.size] = image.ravel()
            self.end += image.size
            self.images.append(image)
        return added

    def resized(self) -> Pixels:
        before = self.pixels.copy()
        results = np.asarray(self.run(*CPU.arguments(self.pixels, self.planner)))
        np.testing.assert_array_equal(self.pixels, before)
        return CPU.arrange(results[: len(self.images)], self.planner, self.size)


@pytest.mark.parametrize("size", SIZES)
def test_equals_pillow(size: tuple[int, int]) -> None:
    """Chosen and random sizes, RGB and grey, in any order, in as many calls as they need."""
    rng = np.random.default_rng(size)
    call = Call(size)
    random = np.exp(rng.uniform(0, np.log(1200), (400, 2))).astype(int).tolist()
    shapes = [(*shape, grey) for shape in CHOSEN for grey in (False, True)]
    shapes += [(*shape, number % 3 == 0) for number, shape in enumerate(random)]
    checked = 0
    for height, width, grey in [*rng.permutation(shapes).tolist(), (0, 0, 0)]:
        image = picture(rng, height, width, bool(grey))
        if height and call.add(image):
            continue
        for found, expected in zip(call.resized(), call.images, strict=True):
            reference = pillow(expected, size, "pillow13")
            np.testing.assert_array_equal(found, rgb(reference), str(expected.shape))
            on_host = resize_on_host(expected, size)
            np.testing.assert_array_equal(on_host, reference, str(expected.shape))
            checked += 1
        call.clear()
        assert not height or call.add(image)
    assert checked == len(shapes)


@pytest.mark.parametrize("profile", ["pillow9", "pillow6"])
def test_horizontal_first_always(profile: str) -> None:
    rng = np.random.default_rng(0)
    call = Call((32, 32), profile)
    for number, shape in enumerate(((700, 100), (701, 33), (90, 100), (1700, 700))):
        assert call.add(picture(rng, *shape, grey=number % 2 == 1))
    for found, image in zip(call.resized(), call.images, strict=True):
        np.testing.assert_array_equal(found, rgb(pillow(image, (32, 32), profile)))


def test_grey_before_they_are_resized() -> None:
    """RGB and grey images, of either order of the passes, with each one's transpose behind it."""
    size, rng = (32, 30), np.random.default_rng(6)
    form = packed_form("cpu", luma_first=True)
    planner = form.planner(size, "pillow13", CAPACITY, turned=True)
    pixels = rng.integers(0, 256, planner.buffer_size, np.uint8)
    end, images = 0, []
    for number, shape in enumerate(rng.permutation(CHOSEN).tolist()):
        image = picture(rng, *shape, grey=number % 5 == 0)
        if planner.add(end, *shape, 3 if image.ndim == 3 else 1):
            pixels[end : end + image.size] = image.ravel()
            end += image.size
            images += [image, np.ascontiguousarray(image.swapaxes(0, 1))]
    assert len(images) > len(CHOSEN)
    run = jax.jit(partial(form.resize, size, CAPACITY, "pillow13"))
    results = np.asarray(run(*form.arguments(pixels, planner)))
    resized = form.arrange(results[: len(images)], planner, size)
    for found, image in zip(resized, images, strict=False):
        luma = np.asarray(Image.fromarray(image).convert("L"))
        expected = pillow(luma, size, "pillow13")
        np.testing.assert_array_equal(found, expected, str(image.shape))
        on_host = resize_on_host(image, size, luma_first=True)
        np.testing.assert_array_equal(on_host, expected, str(image.shape))


@pytest.mark.parametrize("shape", [(1, 100_000), (100_000, 1), (2048, 2048), (1, 1)])
def test_what_lies_beyond_does_not_matter(shape: tuple[int, int]) -> None:
    """Images that end where the buffer does, one of them by rows that are not whole tiles."""
    size = (32, 32)
    rng = np.random.default_rng(2)
    call = Call(size)
    last = rng.integers(0, 256, shape, np.uint8)
    rest = CAPACITY.pixels - last.size
    assert call.add(rng.integers(0, 256, (rest // 3 // 1021, 1021, 3), np.uint8))
    call.end = rest
    assert call.add(last)
    assert call.end == CAPACITY.pixels
    first = call.resized()
    call.pixels[call.end :] ^= 255
    np.testing.assert_array_equal(call.resized(), first)
    np.testing.assert_array_equal(first[1], rgb(pillow(last, size, "pillow13")))


def test_a_larger_image_alone() -> None:
    size = (8, 9)
    call = Call(size)
    wide = picture(np.random.default_rng(3), 3, 400_000)
    assert not call.add(wide)
    large = CPU.planner(size, "pillow13", LARGE)
    assert large.add(0, *wide.shape[:2], 3 if wide.ndim == 3 else 1)
    pixels = np.concatenate([wide.ravel(), np.zeros(384, np.uint8)])
    capacity = LARGE._replace(pixels=wide.size)
    small = CPU.planner(size, "pillow13", capacity)
    assert small.add(0, *wide.shape[:2], 3 if wide.ndim == 3 else 1)
    results = np.asarray(program(size, capacity)(*CPU.arguments(pixels, small)))
    found = CPU.arrange(results, small, size)
    np.testing.assert_array_equal(found[0], rgb(pillow(wide, size, "pillow13")))


def test_a_full_call_refuses_and_is_emptied() -> None:
    call = Call((32, 32))
    image = np.zeros((1, 1), np.uint8)
    count = 0
    while call.add(image):
        count += 1
    assert count == CAPACITY.images
    call.clear()
    assert call.add(image)
    assert not call.planner.add(call.end, 1 << 12, 1 << 12, 3)  # too many bytes
    assert not call.planner.add(call.end, 1, 10_000_000, 1)  # too long
    assert call.planner.add(call.end, 1, 120_000, 3)
    assert not call.planner.add(call.end, 1, 119_999, 3)  # too many steps
    assert call.add(image)


def test_pillow_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pillow_resizes_as_planned()
    true_resize = Image.Image.resize

    def falsified(self, size, *arguments):
        pixels = np.asarray(true_resize(self, size, *arguments)).copy()
        pixels[-1, -1] ^= 1
        return Image.fromarray(pixels)

    monkeypatch.setattr(Image.Image, "resize", falsified)
    pillow_resizes_as_planned.cache_clear()
    try:
        assert not pillow_resizes_as_planned()
    finally:
        pillow_resizes_as_planned.cache_clear()

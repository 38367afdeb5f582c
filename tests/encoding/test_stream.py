"""encode(): lazy, one result an item, nothing shared, nothing kept."""

import io
import itertools
import pickle
import re
import sqlite3
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxdedup.encoding import METHODS, Bits, Method, Recipe, _device, encode, network_method
from jaxdedup.loading import Unreadable, load_batches
from tests.encoding.test_draft import jpeg
from tests.pictures import crops
from tests.pillow_hashes import HASHES

RECIPE = Recipe(METHODS["dhash"])
PICTURES = crops(12, 41, 57, 3)
EXPECTED = [HASHES["dhash"](picture) for picture in PICTURES]


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def by_key(stream: Iterator[Any]) -> dict[Any, str]:
    """Hex digits or the reason; each key once."""
    found: dict[Any, str] = {}
    for key, row, failure, quality in stream:
        assert quality is None
        assert key not in found
        assert (row is None) == (failure is not None)
        found[key] = failure if row is None else row.tobytes().hex()
    return found


def test_one_result_an_item_by_any_key() -> None:
    items = [(("a", n), picture) for n, picture in enumerate(PICTURES)]
    items.insert(3, (None, b"no image"))
    items.insert(7, ("gone", Unreadable("is behind a wall")))
    found = by_key(encode(items, RECIPE))
    assert found.pop(None) == "is not an image of a known format"
    assert found.pop("gone") == "is behind a wall"
    assert found == {("a", n): digits for n, digits in enumerate(EXPECTED)}
    assert by_key(encode(iter([]), RECIPE)) == {}


def test_an_endless_stream_is_read_as_it_is_needed() -> None:
    taken = 0

    def endless() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal taken
        for taken in itertools.count():
            yield taken, PICTURES[taken % 12]

    stream = encode(endless(), RECIPE, batch_size=16, num_workers=2)
    assert taken == 0
    for _ in itertools.islice(stream, 2000):
        pass
    for thread in threading.enumerate():
        if thread.name == "jaxdedup-compile":  # which takes memory for a while
            thread.join()
    tracemalloc.start()
    for key, row, *_ in itertools.islice(stream, 1500):
        assert row.tobytes().hex() == EXPECTED[key % 12]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1e6  # of 1,500 images of 7 KB each
    assert taken < 3500 + 500
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("jaxdedup")]


@pytest.mark.parametrize("batch_size", [None, 1, 2])
def test_a_source_that_waits_for_its_results(batch_size: int | None) -> None:
    """As where the next item depends on them, or a client sends one and waits for the answer."""
    answered = threading.Event()

    def asking() -> Iterator[tuple[int, np.ndarray]]:
        for number, picture in enumerate(PICTURES[:4]):
            yield number, picture
            assert answered.wait(timeout=60), f"no result of item {number}"
            answered.clear()

    found = []
    for result in encode(asking(), RECIPE, batch_size=batch_size):
        found.append(result)
        answered.set()
    assert by_key(found) == dict(enumerate(EXPECTED[:4]))


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_an_error_of_the_items_comes_after_what_was_read(error: type[BaseException]) -> None:
    def failing() -> Iterator[tuple[int, np.ndarray]]:
        yield from enumerate(PICTURES[:5])
        raise error("no more")

    found = []
    with pytest.raises(error, match="no more"):
        found.extend(encode(failing(), RECIPE))
    assert by_key(found) == dict(enumerate(EXPECTED[:5]))


def test_a_buffer_that_is_filled_again() -> None:
    def frames() -> Iterator[tuple[int, np.ndarray]]:
        buffer = np.empty_like(PICTURES[0])
        for number in range(120):
            buffer[...] = PICTURES[number % 12]
            yield number, buffer

    found = by_key(encode(frames(), RECIPE, num_workers=4))
    assert found == {n: EXPECTED[n % 12] for n in range(120)}


def test_items_that_only_one_thread_may_touch() -> None:
    content = io.BytesIO()
    frames = [Image.fromarray(picture) for picture in PICTURES[:4]]
    frames[0].save(content, "TIFF", save_all=True, append_images=frames[1:])
    tiff = Image.open(content)

    def animated() -> Iterator[tuple[int, Any]]:
        for number in range(40):  # frames of one object
            tiff.seek(number % 4)
            yield number, tiff

    assert by_key(encode(animated(), RECIPE)) == {n: EXPECTED[n % 4] for n in range(40)}

    file = io.BytesIO(b"".join(jpegs := [jpeg(picture) for picture in PICTURES[:4]]))
    alone = by_key(encode(enumerate(jpegs), RECIPE))

    class Member:  # of an archive whose members share one position
        def __init__(self, number: int) -> None:
            self.start, self.size = sum(map(len, jpegs[:number])), len(jpegs[number])

        def read(self) -> bytes:
            file.seek(self.start)
            return file.read(self.size)

    assert by_key(encode(((n, Member(n)) for n in range(4)), RECIPE)) == alone

    def rows() -> Iterator[tuple[int, bytes]]:  # of a connection that one thread may use
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("create table images (number integer, content blob)")
            database.executemany("insert into images values (?, ?)", enumerate(jpegs))
            yield from database.execute("select number, content from images")

    assert by_key(encode(rows(), RECIPE)) == alone
    once = Image.open(io.BytesIO(jpegs[0]))
    assert set(by_key(encode(enumerate([once] * 40), RECIPE)).values()) == {alone[0]}
    closed = io.BytesIO(jpegs[0])
    closed.close()
    assert by_key(encode([(0, closed)], RECIPE)) == {
        0: "can't be read: I/O operation on closed file."
    }


def test_threads_share_a_recipe_and_nothing_else() -> None:
    def run(thread: int) -> dict[Any, str]:
        items = [((thread, n), b"bad" if n % 8 == thread else PICTURES[n % 12]) for n in range(24)]
        return by_key(encode(items, RECIPE, num_workers=2))

    with ThreadPoolExecutor(8) as pool:
        for thread, found in enumerate(pool.map(run, range(8))):
            assert len(found) == 24
            for (owner, n), got in found.items():
                assert owner == thread
                bad = n % 8 == thread
                assert got == ("is not an image of a known format" if bad else EXPECTED[n % 12])


@pytest.mark.parametrize("shape", [(10**7, 1), (2, 200_000, 3)])
def test_images_of_extreme_length(shape: tuple[int, ...]) -> None:
    """They are resized on the host, without a plan, among images that are planned."""
    strip = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    items = {"strip": strip, **dict(enumerate(PICTURES[:3]))}
    found = by_key(encode(items.items(), RECIPE))
    assert found == {key: HASHES["dhash"](pixels) for key, pixels in items.items()}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 12, 100, None])
def test_batch_size_is_a_bound(batch_size: int | None) -> None:
    sizes = []

    def model(images: Any) -> Any:
        sizes.append(len(images))
        return images.mean((1, 2))

    recipe = Recipe(network_method(model, image_size=8, preprocess=np.asarray))
    found = list(encode(enumerate(PICTURES), recipe, batch_size=batch_size, num_workers=1))
    assert len(found) == len(PICTURES)
    assert max(sizes) <= (batch_size or 16)


def test_wrong_arguments_are_told_before_anything_is_read() -> None:
    def untouched() -> Iterator[Any]:
        raise AssertionError("was read")
        yield

    wrong: list[tuple[dict, type, str]] = [
        ({"recipe": "phash"}, TypeError, "expected a Recipe, got str"),
        ({"items": 7}, TypeError, r"iterable of \(key, item\) pairs, got int"),
        ({"batch_size": 0}, ValueError, "batch_size to be at least 1, got 0"),
        ({"batch_size": True}, TypeError, "batch_size to be an integer, got True"),
        ({"num_workers": 1.5}, TypeError, "num_workers to be an integer, got 1.5"),
    ]
    for arguments, error, message in wrong:
        with pytest.raises(error, match=message):
            encode(**{"items": untouched(), "recipe": RECIPE, **arguments})
    for pairs in (["a.png"], ["ab"], [("a", "b", "c")], [7]):
        with pytest.raises(TypeError, match=r"expected items as \(key, item\) pairs, got"):
            list(encode(pairs, RECIPE))
    with pytest.raises(TypeError, match="got int: 5, for 'k2'"):
        list(encode([("k1", b""), ("k2", 5)], RECIPE))  # type: ignore[list-item]


def test_recipes_travel_by_value() -> None:
    for method in METHODS.values():
        recipe = Recipe(method, "pillow9", draft=bool(method.size), formats=["mp4"])
        content = pickle.dumps(recipe)
        assert len(content) < 1000
        copy = pickle.loads(content)
        assert copy == recipe
        assert hash(copy) == hash(recipe)
        assert copy.origin == recipe.origin
        assert Recipe.from_origin(copy.origin) == recipe


def test_a_method_of_any_width() -> None:
    """A method is a value: here the luma's own bits, as many as are asked for."""
    luma = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    for count in (42, 144, 1024):
        bright = Brighter(count)
        recipe = Recipe(Method("bright", (32, 32), Bits(count), bright))
        found = {key: row for key, row, *_ in encode(enumerate(luma), recipe)}
        for key, image in enumerate(luma):
            bits = np.unpackbits(found[key])
            assert not bits[: len(bits) - count].any()
            np.testing.assert_array_equal(
                bits[len(bits) - count :], image.reshape(-1)[:count] > 127
            )


ROW = Bits(8)
WRONG_METHODS = [
    ((8, ROW, len), TypeError, "size as (h, w), or as (), got 8"),
    (((8,), ROW, len), TypeError, "size as (h, w), or as (), got (8,)"),
    (((8, 0), ROW, len), ValueError, "a side of size to be at least 1, got 0"),
    (((8, 8), "bits", len), TypeError, "row as Bits or Features, got 'bits'"),
    (((8, 8), ROW, 3), TypeError, "a function as compute, got 3"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG_METHODS)
def test_wrong_methods(arguments: tuple, error: type, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Method("x", *arguments)


def test_a_row_without_bits() -> None:
    with pytest.raises(ValueError, match="the bits of a row to be at least 1, got 0"):
        Bits(0)


class Brighter:
    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, luma: Any) -> Any:
        return luma.reshape(*luma.shape[:-2], -1)[..., : self.count] > 127


def test_what_became_flat_is_told_once_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    art = Image.new("RGBA", (40, 40))
    art.paste((0, 0, 0, 255), (5, 5, 20, 30))
    unit = np.linspace(0, 1, 1600).reshape(40, 40)
    items = [art, art, png(art), unit]
    assert len(set(by_key(encode(enumerate(items), RECIPE)).values())) == 1
    assert [message.split(" ", 3)[:2] for message in caplog.messages] == [
        ["3", "images"],
        ["1", "image"],
    ]
    caplog.clear()
    recipe = replace(RECIPE, background="white", range="scale")
    laid = Image.alpha_composite(Image.new("RGBA", art.size, "white"), art).convert("RGB")
    scaled = np.floor(unit * 255 + 0.5).astype(np.uint8)
    expected = by_key(encode(enumerate([laid, laid, laid, scaled]), RECIPE))
    assert by_key(encode(enumerate(items), recipe)) == expected
    assert len(set(expected.values())) == 2
    assert not caplog.messages


def test_the_bound_on_pixels_reaches_the_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = []

    def load(*arguments: Any, max_pixels_in_flight: int | None, **options: Any) -> Any:
        bounds.append(max_pixels_in_flight)
        return load_batches(*arguments, max_pixels_in_flight=max_pixels_in_flight, **options)

    monkeypatch.setattr(_device, "load_batches", load)
    items = [(n, png(Image.linear_gradient("L"))) for n in range(8)]
    alone = by_key(encode(items, RECIPE, max_pixels_in_flight=1))
    assert bounds == [1]
    assert alone == by_key(encode(items, RECIPE))
    with pytest.raises(ValueError, match="max_pixels_in_flight to be at least 1, got 0"):
        encode(items, RECIPE, max_pixels_in_flight=0)

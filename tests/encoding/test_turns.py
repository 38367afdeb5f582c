"""oriented(): each of the eight rows is that of the file whose image was turned."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jaxdedup.encoding import (
    METHODS,
    TURNS,
    Encodings,
    Method,
    Recipe,
    _programs,
    encode,
    load,
    method_named,
    network_method,
    oriented,
    save,
)
from jaxdedup.image import packed_form
from jaxdedup.loading import Batch
from tests.pictures import crops, crops_of_any_size

# Wide and tall, colour and grey; one that is tall and grey, and wider than a strip.
IMAGES = [*crops_of_any_size(12), *crops(2, 120, 40), np.tile(crops(1, 300, 300)[0], (4, 2))]
# Squares and oblongs, colour and luma first, images as they are.
HASHES = ["phash", "dhash", "ahash-3", "imagehash-dhash", "imagehash-whash"]


def turned(image: NDArray[np.uint8], turn: str) -> NDArray[np.uint8]:
    if turn == "none":
        return image
    return np.asarray(Image.fromarray(image).transpose(Image.Transpose[turn.upper()]))


def rows_of(method: Method, images: list[NDArray[np.uint8]]) -> NDArray[np.generic]:
    recipe = Recipe(method)
    return Encodings.collect(encode(enumerate(images), recipe), recipe).rows


def expected_rows(name: str, orientations: str) -> NDArray[np.generic]:
    turns = TURNS[: oriented(METHODS["phash"], orientations).row.rows]
    images = [turned(image, turn) for image in IMAGES for turn in turns]
    return rows_of(method_named(name), images).reshape(len(IMAGES), -1)


@pytest.mark.parametrize("orientations", ["mirrors", "all"])
@pytest.mark.parametrize("name", HASHES)
def test_each_row_is_that_of_the_turned_image(name: str, orientations: str) -> None:
    rows = rows_of(oriented(method_named(name), orientations), IMAGES)
    np.testing.assert_array_equal(rows, expected_rows(name, orientations))


@pytest.mark.parametrize("turns", [True, False], ids=["one call", "two calls"])
def test_the_program_gives_the_same(turns: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of forms that turn images themselves, and of those that get them turned."""
    expected = expected_rows("dhash", "all")
    form = packed_form("cpu" if turns else "gpu")
    assert form.turns == turns
    monkeypatch.setenv("JAXDEDUP_FORM", "program")
    monkeypatch.setattr(_programs, "packed_form", lambda *_: form)
    function = _programs.DeviceFunction(oriented(METHODS["dhash"]), "pillow13")
    batch = Batch(function.plan(None))
    for number, image in enumerate(IMAGES):
        place = batch.reserve(number, image.shape)
        assert place is not None
        place[...] = image
    np.testing.assert_array_equal(function(batch), expected)


def test_a_network_runs_once_a_turn() -> None:
    method = network_method(lambda images: np.reshape(images, (len(images), -1)), image_size=(7, 9))
    rows = rows_of(oriented(method, "mirrors"), IMAGES[:2])
    images = [turned(image, turn) for image in IMAGES[:2] for turn in TURNS[:4]]
    np.testing.assert_array_equal(rows, rows_of(method, images).reshape(2, -1))


def test_values_and_files(tmp_path: Path) -> None:
    recipe = Recipe(oriented(method_named("phash-9")))
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert Recipe.from_origin(recipe.origin) == recipe
    plain = Recipe(method_named("phash-9"))
    assert plain.origin.differences(recipe.origin) == "expected orientations none, got all"
    names = [f"{n}.png" for n in range(3)]
    encodings = Encodings.collect(encode(zip(names, IMAGES, strict=False), recipe), recipe)
    assert encodings.rows.shape == (3, 8 * 11)  # 81 bits each
    assert len(encodings["0.png"]) == 2 * 8 * 11
    for suffix in (".json", ".npz", ".parquet"):
        save(tmp_path / f"rows{suffix}", encodings)
        loaded = load(tmp_path / f"rows{suffix}")
        np.testing.assert_array_equal(loaded.rows, encodings.rows)
        assert loaded.origin == recipe.origin


def test_what_has_no_orientations() -> None:
    with pytest.raises(ValueError, match="colorhash has no orientations"):
        oriented(METHODS["imagehash-colorhash"])
    with pytest.raises(ValueError, match="orientations among none, mirrors, all, got 'some'"):
        oriented(METHODS["phash"], "some")
    with pytest.raises(ValueError, match="a method of one row an image, got phash of several"):
        oriented(oriented(METHODS["phash"]))
    with pytest.raises(TypeError, match="expected a Method, got 'phash': see METHODS"):
        oriented("phash")
    assert oriented(METHODS["phash"], "none") is METHODS["phash"]

"""The calls of the encoders: what may be given, what comes back, and what is refused."""

import io
import itertools
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdedup.encoding import METHODS, CustomModel, Recipe
from jaxdedup.loading import Archive, Folder
from jaxdedup.methods import CNN, DHash, PHash
from tests.pictures import crops
from tests.pillow_hashes import HASHES

PICTURES = crops(6, 41, 57, 3)
HASHES_OF_PICTURES = [HASHES["dhash"](picture) for picture in PICTURES]
PLEASE = "Please provide either image file path or image array!"


@pytest.fixture
def encoder() -> DHash:
    return DHash(verbose=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    return tmp_path


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def test_file_wins_over_array(encoder: DHash, folder: Path) -> None:
    assert encoder.encode_image(folder / "0.png", PICTURES[1]) == HASHES_OF_PICTURES[0]
    assert encoder.encode_image(folder / "missing.png", PICTURES[1]) == HASHES_OF_PICTURES[1]


def test_images_of_two_gigabytes_are_refused(encoder: DHash) -> None:
    """Offsets into a place are 32 bits wide."""
    vast = np.broadcast_to(np.uint8(0), (27_000, 27_000, 3))  # of one byte
    with pytest.raises(ValueError, match="has 27000×27000 pixels, more than can be resized"):
        encoder.encode_image(image_array=vast)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64, np.uint16])
def test_other_dtypes_wrap(encoder: DHash, dtype: type) -> None:
    assert encoder.encode_image(image_array=PICTURES[0].astype(dtype)) == HASHES_OF_PICTURES[0]
    if dtype is not np.uint16:
        return
    beyond = PICTURES[0].astype(dtype) + 512
    assert encoder.encode_image(image_array=beyond) == HASHES_OF_PICTURES[0]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"image_file": "missing.png"}, {"image_file": 7}, {"image_array": [[1, 2]]}],
    ids=str,
)
def test_nothing_given(encoder: DHash, arguments: dict) -> None:
    with pytest.raises(ValueError, match=PLEASE):
        encoder.encode_image(**arguments)


@pytest.mark.parametrize("shape", [(5,), (5, 5, 4), (1, 5, 5, 3), (0, 5), (5, 0, 3)], ids=str)
def test_wrong_shapes(encoder: DHash, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected an image array of shape .* got shape"):
        encoder.encode_image(image_array=np.zeros(shape, np.uint8))


def test_bad_files_are_none_with_a_warning(
    encoder: DHash, reference_images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in [*sorted(reference_images.glob("bad_*")), reference_images]:
        caplog.clear()
        assert encoder.encode_image(path) is None
        assert encoder.skipped.keys() == {str(path)}
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.getMessage() == f"skipped {path}: {encoder.skipped[str(path)]}"


def test_bomb_is_refused_with_a_warning(
    encoder: DHash, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert encoder.encode_images(folder) == {}
    assert encoder.skipped.keys() == {f"{i}.png" for i in range(6)}
    assert "6 has more pixels than the limit" in caplog.text


@pytest.mark.parametrize("path", ["missing", "0.png", None, 7])
def test_not_a_folder(encoder: DHash, folder: Path, path: object) -> None:
    with pytest.raises(ValueError, match=r"folder|directory"):
        encoder.encode_images(folder / path if isinstance(path, str) else path)


def test_empty_folder(encoder: DHash, tmp_path: Path) -> None:
    assert encoder.encode_images(tmp_path) == {}
    assert encoder.skipped == {}


def test_recursive_names(encoder: DHash, folder: Path) -> None:
    odd = os.fsdecode(b"caf\xe9 \xff.png")
    (folder / "sub" / ".git").mkdir(parents=True)
    (folder / "0.png").rename(folder / "sub" / "0.png")
    (folder / "1.png").rename(folder / odd)
    (folder / "2.png").rename(folder / "sub" / ".git" / "2.png")
    (folder / "3.png").rename(folder / ".3.png")
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    top = {"4.png": 4, "5.png": 5, odd: 1}
    expected = {name: HASHES_OF_PICTURES[i] for name, i in top.items()}
    assert encoder.encode_images(str(folder)) == expected
    expected["sub/0.png"] = HASHES_OF_PICTURES[0]
    assert encoder.encode_images(folder, recursive=True) == expected
    assert encoder.encode_images(folder, True, 0) == expected


def test_file_that_vanishes(encoder: DHash, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count_then_delete(source: Folder) -> int:
        count = length(source)
        (folder / "3.png").unlink(missing_ok=True)
        return count

    length = Folder.__len__
    monkeypatch.setattr(Folder, "__len__", count_then_delete)
    assert encoder.encode_images(folder).keys() == {f"{i}.png" for i in (0, 1, 2, 4, 5)}
    assert encoder.skipped == {"3.png": "does not exist"}


def test_batch_of_everything(encoder: DHash, folder: Path) -> None:
    sources = [
        folder / "0.png",
        str(folder / "1.png"),
        b"no image",
        png(PICTURES[2]),
        io.BytesIO(png(PICTURES[3])),
        None,
        Image.fromarray(PICTURES[4]),
        PICTURES[5],
        np.zeros((3, 3, 4)),
    ]
    expected = [*HASHES_OF_PICTURES[:2], None, *HASHES_OF_PICTURES[2:4], None]
    expected += [*HASHES_OF_PICTURES[4:], None]
    assert encoder.encode_batch(iter(sources)) == expected
    assert list(encoder.skipped) == [2, 5, 8]
    assert encoder.skipped[2] == "is not an image of a known format"
    assert "got NoneType" in encoder.skipped[5]
    assert "got shape (3, 3, 4)" in encoder.skipped[8]
    assert encoder.encode_batch([]) == []
    assert encoder.skipped == {}


@pytest.mark.parametrize(
    "images",
    ["a.png", b"bytes", Path("a.png"), 7, None, PICTURES[0], PICTURES[0][..., 0]],
    ids=lambda images: type(images).__name__,
)
def test_batch_of_one_thing(encoder: DHash, images: object) -> None:
    with pytest.raises(TypeError, match="expected an iterable of images, got"):
        encoder.encode_batch(images)


def means() -> CNN:
    return CNN(False, CustomModel("means", lambda images: images.mean((1, 2)), np.asarray))


HASH_OR_FEATURES = {"hash": lambda: DHash(verbose=False), "features": means}
REFUSED: dict[str, Callable[[Any], object]] = {
    "no image": lambda encoder: encoder.encode_image(),
    "no file": lambda encoder: encoder.encode_image("missing"),
    "no folder": lambda encoder: encoder.encode_images(),
    "a missing folder": lambda encoder: encoder.encode_images("missing"),
    "no batch": lambda encoder: encoder.encode_batch("missing"),
    "nothing to search": lambda encoder: encoder.find_duplicates(),
    "a threshold": lambda encoder: encoder.find_duplicates("missing", None, "near"),
    "a keep": lambda encoder: encoder.find_duplicates_to_remove("missing", keep="best"),
    "workers": lambda encoder: encoder.find_duplicates_to_remove("missing", None, None, *"abcd"),
    "a list": lambda encoder: encoder.search({}, ["missing"]),
    "a method": lambda encoder: encoder.find_duplicates("missing", search_method="best"),
}
CASES = [(kind, case) for kind in HASH_OR_FEATURES for case in REFUSED]
CASES.remove(("features", "a method"))  # which have no such argument


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_a_refused_call_leaves_nothing_of_the_last_one(kind: str, case: str, folder: Path) -> None:
    encoder: Any = HASH_OR_FEATURES[kind]()
    (folder / "bad.png").write_bytes(b"")
    found = encoder.find_duplicates(folder, cache=folder / ".cache")
    assert (encoder.skipped, encoder.results) == ({"bad.png": "is empty"}, found)
    with pytest.raises((TypeError, ValueError)):
        REFUSED[case](encoder)
    assert (encoder.skipped, encoder.reused, encoder.results) == ({}, 0, None)


def _threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("jaxdedup")]


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_iterable_that_raises(encoder: DHash, error: type[BaseException]) -> None:
    def failing() -> Iterator[np.ndarray]:
        yield PICTURES[0]
        raise error("no more")

    with pytest.raises(error, match="no more"):
        encoder.encode_batch(failing())
    assert not _threads()


def test_interrupted_consumer_leaves_no_threads(encoder: DHash) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        for taken in itertools.count(1):
            yield PICTURES[taken % 6]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    encoder.recipe = Recipe(replace(METHODS["dhash"], compute=interrupt))
    with pytest.raises(KeyboardInterrupt):
        encoder.encode_batch(endless())
    assert not _threads()
    assert taken < 5000  # read no further ahead than a few batches


SETTINGS = [(None, None), (1, 1), (4, 3), (7, 1), (64, 8)]


def test_encodings_depend_on_the_image_alone() -> None:
    pictures = [*crops(9, 41, 57, 3), *crops(9, 60, 30), *crops(9, 47, 64, 3), b"bad", *PICTURES]
    orders = [range(len(pictures)), reversed(range(len(pictures)))]
    expected = None
    for (batch_size, num_workers), order in itertools.product(SETTINGS, map(list, orders)):
        encoder = DHash(verbose=False, batch_size=batch_size, num_workers=num_workers)
        encodings = dict(
            zip(order, encoder.encode_batch([pictures[i] for i in order]), strict=True)
        )
        expected = expected or encodings
        assert encodings == expected


WRONG_SETTINGS = [
    ({"profile": "pillow10"}, ValueError, "profile among pillow13, pillow9, pillow6"),
    ({"batch_size": 0}, ValueError, "batch_size to be at least 1, got 0"),
    ({"num_workers": -1}, ValueError, "num_workers to be at least 1, got -1"),
    ({"batch_size": 1.5}, TypeError, "batch_size to be an integer, got 1.5"),
    ({"formats": "mp4"}, TypeError, "collection of suffixes, got 'mp4'"),
    ({"formats": 3}, TypeError, "collection of suffixes, got 3"),
    ({"formats": ("mp4", 3)}, TypeError, r"collection of suffixes, got \('mp4', 3\)"),
    ({"formats": ("mp4", ".XYZ", "cr3")}, ValueError, "that Pillow, .* know, got 'xyz'"),
    ({"draft": "no"}, TypeError, "draft to be True or False, got 'no'"),
    ({"trim": 1}, TypeError, "trim to be True or False, got 1"),
]


@pytest.mark.parametrize(("settings", "error", "message"), WRONG_SETTINGS)
def test_wrong_settings(settings: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        PHash(**settings)


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")
@pytest.mark.parametrize("verbose", [True, False])
def test_progress(verbose: bool, folder: Path, capfd: pytest.CaptureFixture) -> None:
    DHash(verbose).encode_images(folder)
    assert ("6/6" in capfd.readouterr().err) == verbose


def test_hamming_distance() -> None:
    assert PHash.hamming_distance("00000000000000ff", "000000000000000f") == 4
    for wrong, error in ((None, TypeError), ("zz", ValueError)):
        with pytest.raises(error, match=f"expected a hash in hex digits, got {wrong!r}"):
            PHash.hamming_distance("00", wrong)


def test_repr_of_a_subclass() -> None:
    class Mine(DHash):
        def __init__(self, mine: int = 1, **others: bool) -> None:
            super().__init__(**others)

    assert repr(Mine(2, verbose=False)) == "Mine()"


def test_a_traced_image_is_no_damaged_one(encoder: DHash) -> None:
    with pytest.raises(jax.errors.TracerArrayConversionError):
        jax.jit(lambda image: encoder.encode_image(image_array=image))(PICTURES[0])


def test_archives_and_sources_are_taken_as_folders_are(
    encoder: DHash, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    archive = shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "photos"), "zip", folder)
    expected = {f"{i}.png": row for i, row in enumerate(HASHES_OF_PICTURES)}
    assert encoder.encode_images(archive) == encoder.encode_images(Archive(archive)) == expected
    assert list(encoder.find_duplicates(archive)) == list(expected)
    for against in (archive, Archive(archive)):
        assert encoder.find_duplicates_to_remove(folder, against=against) == list(expected)
    with pytest.raises(ValueError, match="provide a valid directory path! Got 7"):
        encoder.encode_images(7)

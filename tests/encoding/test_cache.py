"""encode_images(cache=...): what is reused, what is not, and what a kill leaves behind."""

import hashlib
import json
import logging
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdedup.encoding import (
    METHODS,
    Origin,
    Recipe,
    _cache,
    encode_source,
    refuse_other_cache,
)
from jaxdedup.loading import Stamp
from jaxdedup.methods import CNN, DHash, PHash
from jaxdedup.mobilenet import load_tensors
from jaxdedup.mobilenet.params import shipped_weights
from tests.stored import origin_of
from tests.weight_files import keras_h5

COUNT = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, some of them in a sub-folder, and a file that is none."""
    directory = tmp_path / "images"
    (directory / "sub").mkdir(parents=True)
    for n in range(COUNT):
        save(directory / ("sub" if n % 4 == 0 else "") / f"{n}.png", n)
    (directory / "bad.png").write_bytes(b"no picture")
    return directory


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def encoder() -> PHash:
    return PHash(verbose=False)


def save(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16), np.uint8)
    Image.fromarray(pixels).save(path)


def test_a_second_run_encodes_nothing(
    encoder: PHash, folder: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = encoder.encode_images(folder, recursive=True)
    first = encoder.encode_images(folder, recursive=True, cache=cache)
    assert encoder.reused == 0
    with caplog.at_level(logging.INFO, "jaxdedup"):
        second = encoder.encode_images(folder, recursive=True, cache=str(cache))
    assert encoder.reused == COUNT
    assert f"{COUNT} encodings reused" in caplog.text
    assert list(plain.items()) == list(first.items()) == list(second.items())
    # What could not be loaded is tried again, and told again.
    assert list(encoder.skipped) == ["bad.png"]
    encoder.encode_images(folder)
    assert encoder.reused == 0


def test_what_is_new_changed_or_gone(encoder: PHash, folder: Path, cache: Path) -> None:
    known = len(encoder.encode_images(folder, cache=cache))
    save(folder / "new.png", 100)
    save(folder / "1.png", 101)
    os.utime(folder / "1.png", ns=(0, 10**18))
    same_size = folder / "2.png"
    content = bytearray(same_size.read_bytes())
    before = same_size.stat().st_mtime_ns
    same_size.write_bytes(content)
    os.utime(same_size, ns=(before + 1, before + 1))
    (folder / "3.png").unlink()
    save(folder / "bad.png", 102)  # good at last
    assert encoder.encode_images(folder, cache=cache) == PHash(verbose=False).encode_images(folder)
    assert encoder.reused == known - 3
    with sqlite3.connect(cache) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM encodings")}
    connection.close()
    assert b"3.png" not in names
    assert {b"new.png", b"bad.png"} <= names


def test_a_run_without_sub_folders_forgets_nothing_of_them(
    encoder: PHash, folder: Path, cache: Path
) -> None:
    encoder.encode_images(folder, recursive=True, cache=cache)
    encoder.encode_images(folder, cache=cache)
    assert encoder.reused == COUNT * 3 // 4
    encoder.encode_images(folder, recursive=True, cache=cache)
    assert encoder.reused == COUNT
    shutil.rmtree(folder / "sub")
    encoder.encode_images(folder, recursive=True, cache=cache)
    assert encoder.reused == COUNT * 3 // 4


def test_a_file_that_became_bad_is_not_reused(encoder: PHash, folder: Path, cache: Path) -> None:
    encoder.encode_images(folder, cache=cache)
    (folder / "1.png").write_bytes(b"")
    assert "1.png" not in encoder.encode_images(folder, cache=cache)
    assert set(encoder.skipped) == {"1.png", "bad.png"}


def test_any_file_name(encoder: PHash, tmp_path: Path, cache: Path) -> None:
    directory = tmp_path / "odd"
    directory.mkdir()
    for name in (b"not utf-8 \xff.png", "ü 'quoted'\n.png".encode()):
        save(Path(os.fsdecode(os.fsencode(directory) + b"/" + name)), 0)
    first = encoder.encode_images(directory, cache=cache)
    assert encoder.encode_images(directory, cache=cache) == first
    assert encoder.reused == len(first) == 2


def test_other_encodings_are_refused(encoder: PHash, folder: Path, cache: Path) -> None:
    encoder.encode_images(folder, cache=cache)
    before = cache.read_bytes()
    for other, message in {
        DHash(verbose=False): "holds other encodings, expected method dhash, got phash; size",
        PHash(verbose=False, profile="pillow9"): "expected profile pillow9, got pillow13",
        PHash(verbose=False, draft=True): "expected draft True, got False: choose another",
    }.items():
        with pytest.raises(ValueError, match=message):
            other.encode_images(folder, cache=cache)
    with pytest.raises(ValueError, match="expected draft True"):
        encoder.encode_images(folder, draft=True, cache=cache)
    assert cache.read_bytes() == before
    text = json.dumps(encoder.recipe.origin.to_dict() | {"profile": "pillow99"})
    with sqlite3.connect(cache) as connection:
        values = text, hashlib.blake2b(text.encode(), digest_size=8).digest()
        connection.execute("UPDATE origin SET json = ?, checksum = ?", values)
    connection.close()
    with pytest.raises(ValueError, match=r"holds other encodings, .*, got 'pillow99': choose"):
        encoder.encode_images(folder, cache=cache)


def test_features_belong_to_their_weights(folder: Path, cache: Path) -> None:
    encoder = CNN(verbose=False)
    (folder / "1.png").unlink()
    for n in range(5, COUNT):  # three are enough for a network
        (folder / f"{n}.png").unlink(missing_ok=True)
    first = encoder.encode_images(folder, cache=cache)
    second = encoder.encode_images(folder, cache=cache)
    assert encoder.reused == len(first) == 2
    for name, features in first.items():
        np.testing.assert_array_equal(second[name], features)
        assert (second[name].shape, second[name].dtype) == (features.shape, features.dtype)
        assert second[name].flags.writeable

    half = CNN(verbose=False, dtype="bfloat16")
    with pytest.raises(ValueError, match=r"expected dtype bfloat16, got float32"):
        half.encode_images(folder, cache=cache)
    tensors = load_tensors(shipped_weights())
    tensors["MobilenetV1/Conv2d_0/BatchNorm/beta"][0] += 1
    keras_h5(cache.parent / "other.h5", tensors)
    other = CNN(verbose=False, weights=cache.parent / "other.h5")
    with pytest.raises(ValueError, match=r"expected weights \w{16}, got \w{16}: choose another"):
        other.encode_images(folder, cache=cache)
    own = CNN(verbose=False, model=lambda images: images.mean((1, 2)), image_size=8)
    with pytest.raises(ValueError, match="no cache for a model of your own"):
        own.encode_images(folder, cache=cache)


def test_other_files_are_refused_and_left_alone(
    encoder: PHash, folder: Path, tmp_path: Path
) -> None:
    picture = folder / "1.png"
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    for path in (picture, other):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="expected a cache of encodings"):
            encoder.encode_images(folder, cache=path)
        assert path.read_bytes() == before
    with pytest.raises(OSError, match="folder of the cache"):
        encoder.encode_images(folder, cache=tmp_path / "missing" / "cache.sqlite")


def test_a_cache_that_is_in_use_costs_the_cache(
    encoder: PHash, folder: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = encoder.encode_images(folder, cache=cache)
    with _cache.EncodingCache(cache, origin_of("phash")):
        assert encoder.encode_images(folder, cache=cache) == first
    assert encoder.reused == 0
    assert "goes on without a cache: another process uses the cache" in caplog.text
    encoder.encode_images(folder, cache=cache)
    assert encoder.reused == COUNT * 3 // 4


def test_a_cache_that_cannot_be_written_costs_the_cache(
    encoder: PHash, folder: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk is full: of every file there is room for the first 16 kB."""
    plain = encoder.encode_images(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for n in range(200):
        shutil.copy(folder / "1.png", folder / f"{'long name ' * 20}{n}.png")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, limits[1]))
        found = encoder.encode_images(folder, cache=cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert found.items() >= plain.items()
    assert len(found) == len(plain) + 200
    assert caplog.text.count("goes on without a cache") == 1
    assert encoder.encode_images(folder, cache=cache) == found


def test_paths_that_can_be_no_cache(
    encoder: PHash, folder: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(IsADirectoryError, match="expected a file as the cache, got the folder"):
        encoder.encode_images(folder, cache=folder)
    refuse_other_cache(cache, encoder.recipe)
    assert not cache.exists()
    with pytest.raises(TypeError, match="expected a path, got 3"):
        encoder.encode_images(folder, cache=3)  # type: ignore[arg-type]
    os.mkfifo(cache)  # nobody waits for whoever might write into it
    assert encoder.encode_images(folder, cache=cache)
    assert "is not a regular file" in caplog.text


def test_damage_costs_what_is_damaged(encoder: PHash, folder: Path, cache: Path) -> None:
    plain = encoder.encode_images(folder)
    encoder.encode_images(folder, cache=cache)
    sound = cache.read_bytes()
    rng = np.random.default_rng(0)
    reused, refused = [], ""
    for _ in range(100):
        damaged = np.frombuffer(sound, np.uint8).copy()
        places = rng.integers(len(sound), size=rng.integers(1, 6))
        damaged[places] ^= (1 << rng.integers(8, size=len(places))).astype(np.uint8)
        cache.write_bytes(damaged.tobytes())
        Path(f"{cache}-journal").unlink(missing_ok=True)
        try:
            assert encoder.encode_images(folder, cache=cache) == plain
            reused.append(encoder.reused)
        except ValueError as error:  # its header is not ours any more
            refused = str(error)
    assert len(reused) > 90, refused
    assert np.mean(reused) > len(plain) / 2
    cache.write_bytes(sound)
    with sqlite3.connect(cache) as connection:
        connection.execute(
            "UPDATE encodings SET encoding = x'00' WHERE name = CAST('1.png' AS BLOB)"
        )
        connection.execute("UPDATE encodings SET size = 'text' WHERE name = CAST('2.png' AS BLOB)")
    connection.close()
    assert encoder.encode_images(folder, cache=cache) == plain
    assert encoder.reused == len(plain) - 2


def test_an_error_keeps_what_there_is(
    encoder: PHash, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = _cache.EncodingCache.put
    seen = []

    def failing(store: _cache.EncodingCache, name: str, encoding: bytes) -> None:
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(name)
        put(store, name, encoding)

    monkeypatch.setattr(_cache.EncodingCache, "put", failing)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode_images(folder, cache=cache)
    monkeypatch.undo()
    encoder.encode_images(folder, cache=cache)
    assert encoder.reused == 5


KILLED = """
import os, signal, sys
from jaxdedup.encoding import _cache
from jaxdedup.methods import PHash

folder, cache, kill_at, seconds = sys.argv[1:]
_cache._COMMIT_SECONDS = float(seconds)
put, count = _cache.EncodingCache.put, 0

def put_then_die(store, name, encoding):
    global count
    put(store, name, encoding)
    count += 1
    if count == int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)

_cache.EncodingCache.put = put_then_die
PHash(verbose=False).encode_images(folder, recursive=True, cache=cache)
"""


@pytest.mark.parametrize(("kill_at", "commit_seconds", "kept"), [(17, 0, 17), (17, 1000, 0)])
def test_killed_in_the_middle_the_next_run_completes(
    encoder: PHash, folder: Path, cache: Path, kill_at: int, commit_seconds: float, kept: int
) -> None:
    words = [folder, cache, kill_at, commit_seconds]
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, words)], check=False)
    assert killed.returncode == -signal.SIGKILL
    completed = encoder.encode_images(folder, recursive=True, cache=cache)
    assert encoder.reused == kept
    undisturbed = encoder.encode_images(folder, recursive=True)
    assert list(completed.items()) == list(undisturbed.items())
    encoder.encode_images(folder, recursive=True, cache=cache)
    assert encoder.reused == COUNT


class Made:
    """A source whose files are made up.

    Args:
        count: how many.
        mtime_ns: the time of the first.
    """

    name = "made"

    def __init__(self, count: int, mtime_ns: int = 10**18) -> None:
        self.names = [f"folder_{n % 100:03d}/image_{n:07d}.jpg" for n in range(count)]
        self.mtime_ns = mtime_ns

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        return ((name, np.zeros((8, 8), np.uint8)) for name in self.names)

    def stamp(self, key: str) -> Stamp:
        place = int(key[-11:-4])
        return Stamp(10**6 + place, self.mtime_ns + place, (2049, 10**7 + place))


def test_a_warm_cache_is_small(cache: Path) -> None:
    """Names apart, which the source has; with stamps as objects it would be 600 bytes an image."""
    source, recipe = Made(50_000), Recipe(METHODS["ahash"])
    with _cache.EncodingCache(cache, recipe.origin, 8) as store:
        assert store.reuse(source) == {}
        for place, name in enumerate(source.names):
            store.put(name, place.to_bytes(8, "big"))
    tracemalloc.start()
    encodings, reused = encode_source(source, recipe, cache=cache)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert encodings.rows.view(">u8")[:, 0].tolist() == [int(n[-11:-4]) for n in encodings.names]
    assert reused == len(source)
    assert peak < 300 * len(source)


def test_a_time_that_no_cache_can_hold(cache: Path) -> None:
    source, recipe = Made(3, mtime_ns=2**63 - 2), Recipe(METHODS["ahash"])
    for expected in (0, 2):
        encodings, reused = encode_source(source, recipe, cache=cache)
        assert reused == expected
        assert len(encodings) == 3


def test_a_cache_of_before_an_origin_told_all_it_tells_now(
    encoder: PHash, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_dict = Origin.to_dict
    with monkeypatch.context() as before:
        before.setattr(Origin, "to_dict", lambda self: without_own(to_dict(self)))
        first = encoder.encode_images(folder, cache=cache)
    assert encoder.encode_images(folder, cache=cache) == first
    assert encoder.reused == COUNT * 3 // 4


def without_own(told: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in told.items() if name != "own"}


def test_find_duplicates_takes_a_cache(encoder: PHash, folder: Path, cache: Path) -> None:
    shutil.copy(folder / "1.png", folder / "copy.png")
    found = encoder.find_duplicates(folder, cache=cache)
    assert found["copy.png"] == ["1.png"]
    assert encoder.find_duplicates_to_remove(folder, cache=cache) == ["copy.png"]
    assert encoder.reused == COUNT * 3 // 4 + 1

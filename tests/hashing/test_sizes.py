"""Hashes of other sizes: the same definitions, by Pillow, SciPy and PyWavelets."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

import jaxdedup
from jaxdedup import methods, to_hex
from jaxdedup.cli import main
from jaxdedup.duplicates import check_threshold, find_matches
from jaxdedup.encoding import METHODS, Encodings, Recipe, encode, load, method_named
from tests.exact_hashes import whash_bits
from tests.pictures import crops
from tests.pillow_hashes import HASHES, hex_of, resized_luma

COUNT = 24
IMAGES = {shape: crops(COUNT, *shape) for shape in [(90, 120, 3), (130, 50)]}
# Odd numbers of bits, sides that are no power of two, images that are enlarged.
SIZES = [
    *[(name, n) for name in ("ahash", "dhash", "phash") for n in (2, 3, 9, 12, 16)],
    *[("phash", 32), ("ahash", 128), ("dhash", 128)],
    *[("whash", n) for n in (2, 16, 64)],
]
# Each is compiled: an odd size, the largest, and the commonest. The stream asks no program here.
COMPILED = [
    *[(name, n) for name in ("ahash", "dhash") for n in (9, 128)],
    *[("phash", n) for n in (3, 16, 32)],
    *[("whash", n) for n in (2, 64)],
]


def expected_hash(name: str, image: np.ndarray, n: int) -> str:
    floats = HASHES[name](image, n)
    if name != "whash":
        return floats
    exact, tied = whash_bits(resized_luma(image, 256, 256), n)  # the floats' noise breaks ties
    different = int(floats, 16) ^ int(hex_of(exact), 16)
    assert different & ~int(hex_of(tied), 16) == 0
    return hex_of(exact)


@pytest.mark.usefixtures("little_optimized")
@pytest.mark.parametrize(("name", "n"), SIZES)
def test_no_bit_differs(name: str, n: int) -> None:
    """From the stream, where wide and tall, grey and RGB come together, and from arrays."""
    expected = [expected_hash(name, image, n) for images in IMAGES.values() for image in images]
    method = method_named(f"{name}-{n}")
    assert method.row.count == n * n

    items = enumerate(image for images in IMAGES.values() for image in images)
    recipe = Recipe(method)
    assert list(Encodings.collect(encode(items, recipe), recipe).to_dict().values()) == expected

    if (name, n) in COMPILED:
        packed = getattr(jaxdedup, name)(IMAGES[90, 120, 3], hash_size=n)
        assert packed.shape == (COUNT, -(-n * n // 8))
        assert to_hex(packed, bits=n * n).tolist() == expected[:COUNT]


def test_names_and_thresholds() -> None:
    assert method_named("phash-8") == METHODS["phash"]
    assert method_named("dhash-16").name == "dhash-16"
    for name, threshold in [("phash", 10), ("phash-16", 40), ("dhash-9", 12), ("whash-4", 2)]:
        assert check_threshold(Recipe(method_named(name)).origin) == threshold
    for name in ("phash-", "phash--8", "phash-x", "-8", "cnn-8", "phash-8.0", "phash-" + "9" * 30):
        with pytest.raises(ValueError, match="expected a method among phash, ahash"):
            method_named(name)
    with pytest.raises(ValueError, match="expected fewer sizes of phash, got 'phash-8-8'"):
        method_named("phash-8-8")
    with pytest.raises(TypeError, match="expected the name of a method, got None"):
        method_named(None)


WRONG: list[tuple[str, Any, type[Exception], str]] = [
    ("PHash", 0, ValueError, "hash_size to be an integer from 2 to 32, got 0"),
    ("PHash", 1, ValueError, "hash_size to be an integer from 2 to 32, got 1"),
    ("PHash", -8, ValueError, "hash_size to be an integer from 2 to 32, got -8"),
    ("PHash", "16", TypeError, "hash_size to be an integer from 2 to 32, got '16'"),
    ("AHash", True, TypeError, "hash_size to be an integer from 2 to 128, got True"),
    ("DHash", 10**6, ValueError, "hash_size to be an integer from 2 to 128, got 1000000"),
    ("WHash", 12, ValueError, "hash_size to be a power of two, got 12"),
    ("WHash", 512, ValueError, "hash_size to be an integer from 2 to 256, got 512"),
]


@pytest.mark.parametrize(("name", "size", "error", "message"), WRONG)
def test_wrong_sizes(name: str, size: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(methods, name)(hash_size=size)
    image = jax.ShapeDtypeStruct((40, 40), np.uint8)
    with pytest.raises(error, match=message):  # while tracing, too
        jax.eval_shape(lambda x: getattr(jaxdedup, name.lower())(x, hash_size=size), image)


def test_encoder_and_search() -> None:
    encoder = methods.DHash(verbose=False, hash_size=9)
    assert "hash_size=9" in repr(encoder)
    images = IMAGES[90, 120, 3][:3]
    hashes = dict(zip("abc", encoder.encode_batch(images), strict=True))
    assert list(hashes.values()) == [HASHES["dhash"](image, 9) for image in images]
    assert len(hashes["a"]) == 21  # 81 bits
    near = f"{int(hashes['a'], 16) ^ 0xFFF:021x}"
    found = encoder.find_duplicates(encoding_map=hashes | {"near": near}, scores=True)
    assert ("near", 12) in found["a"]  # the default
    assert not encoder.find_duplicates(
        encoding_map=hashes | {"near": near[:-1] + "0"}, max_distance_threshold=2
    )["a"]
    for bad in ("0" * 16, "3" + "0" * 20, "2" + "0" * 20):
        with pytest.raises(ValueError, match=r"(21 hex digits|81 bits).*'bad'"):
            encoder.find_duplicates(encoding_map={"bad": bad})


@pytest.mark.parametrize("suffix", [".json", ".csv", ".npz", ".parquet"])
def test_command_line_and_files(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, path = tmp_path / "folder", tmp_path / f"hashes{suffix}"
    folder.mkdir()
    image = IMAGES[130, 50][0]
    for name in ("a.png", "b.png"):
        Image.fromarray(image).save(folder / name)
    words = ["encode", str(folder), "--method", "ahash", "--hash-size", "9", "--quiet"]
    assert main(words) == 0
    digits = HASHES["ahash"](image, 9)
    assert capsys.readouterr().out == f"{digits}  a.png\n{digits}  b.png\n"
    assert main([*words, "--output", str(path)]) == 0
    encodings = load(path)
    assert (encodings.origin.method, encodings["a.png"]) == ("ahash-9", digits)
    assert main(["find", str(path), "--method", "ahash-9", "--quiet"]) == 0
    assert capsys.readouterr().out == " 0  a.png\n 0  b.png\n"
    with pytest.raises(SystemExit):
        main(["find", str(path), "--method", "ahash", "--hash-size", "8"])
    assert "holds other encodings: expected method ahash, got ahash-9" in capsys.readouterr().err


def test_sizes_do_not_mix() -> None:
    sides = []
    for name in ("phash", "phash-16"):
        recipe = Recipe(method_named(name))
        sides.append(Encodings.collect(encode([("a", np.eye(9, dtype=np.uint8))], recipe), recipe))
    with pytest.raises(ValueError, match=r"expected method phash, .*count 64, got 256"):
        find_matches(*sides)

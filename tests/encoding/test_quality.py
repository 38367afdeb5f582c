"""How much there is to see in an image, as a column of encodings; and what that leaves out.

PDQ's is pdqhash's own; that of others PDQ's sum over Pillow's small image, in floats.
"""

import json
import logging
from pathlib import Path

import jax
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jaxdedup.cli import main
from jaxdedup.duplicates import find_matches
from jaxdedup.encoding import (
    METHODS,
    Encodings,
    Recipe,
    encode,
    encode_pixels,
    encode_source,
    load,
    method_named,
    oriented,
    rated,
    save,
)
from jaxdedup.hashing import luma_quality, pdq_on_host
from jaxdedup.loading import Folder
from jaxdedup.report import save_report
from tests.hashing.make_pdq import degenerate
from tests.pictures import crops_of_any_size

STORED = dict(np.load(Path(__file__).parents[1] / "hashing" / "pdq.npz"))
PDQ = Recipe(METHODS["pdq"])
IMAGES = crops_of_any_size(12)


def collected(images: list[NDArray[np.uint8]], recipe: Recipe) -> Encodings:
    return Encodings.collect(encode(enumerate(images), recipe), recipe)


def steps_of(luma: NDArray[np.uint8]) -> float:
    """PDQ's sum over its 128 rows and columns, as if there were so many."""
    x = luma.astype(float)
    steps = np.concatenate([np.diff(x, axis=axis).ravel() for axis in (0, 1)])
    return float(np.abs(np.trunc(steps * 100 / 255)).sum() * 128 / sum(luma.shape))


def small_luma(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    small = Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS)
    return np.asarray(small.convert("L"))


def test_pdq_has_the_quality_of_the_reference(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "jaxdedup"):
        found = collected(degenerate(), PDQ)
    np.testing.assert_array_equal(found.rows, STORED["degenerate"])
    np.testing.assert_array_equal(found.quality, STORED["degenerate_quality"])
    np.testing.assert_array_equal(collected(IMAGES, PDQ).quality, STORED["natural_quality"][:12])
    ties = sum(pdq_on_host(image)[2] for image in degenerate())
    assert caplog.messages == [f"{ties} ties of pdq redone in the reference's order"]
    assert encode_pixels(IMAGES[0], PDQ).shape == (32,)


@pytest.mark.parametrize("name", ["phash", "dhash", "ahash-9", "imagehash-phash", "whash"])
def test_of_other_methods(name: str) -> None:
    """On the host as in a program; the hashes are what they are without, turned or not."""
    method = method_named(name)
    plain, found = collected(IMAGES, Recipe(method)), collected(IMAGES, Recipe(rated(method)))
    np.testing.assert_array_equal(found.rows, plain.rows)
    assert plain.quality is None
    if not method.luma_first:
        expected = [min(int(steps_of(small_luma(x, method.size)) // 90), 100) for x in IMAGES]
        assert found.quality is not None
        assert found.quality.tolist() == expected
        assert len(set(expected)) > 2
    turned = collected(IMAGES[:3], Recipe(oriented(rated(method))))
    np.testing.assert_array_equal(turned.rows, collected(IMAGES[:3], Recipe(oriented(method))).rows)
    assert found.quality is not None
    np.testing.assert_array_equal(turned.quality, found.quality[:3])


def test_of_arrays() -> None:
    rng = np.random.default_rng(0)
    for shape in ((8, 8), (2, 2), (32, 32), (256, 256)):
        for depth in (1, 2, 9, 40, 256):
            luma = rng.integers(0, depth, shape, np.uint8)
            expected = min(int(steps_of(luma) / 90 + 1e-9), 100)
            assert luma_quality(luma) == jax.jit(luma_quality)(luma) == expected
    board = np.indices((256, 256)).sum(0) % 2 * np.uint8(255)
    assert luma_quality(board.astype(np.uint8)) == 100


@pytest.mark.parametrize("suffix", [".json", ".csv", ".npz", ".parquet"])
def test_files(suffix: str, tmp_path: Path) -> None:
    encodings = collected(IMAGES, PDQ)
    named = Encodings([f"{n}.png" for n in encodings], encodings.rows, encodings.origin)
    assert not named.origin.quality
    path = tmp_path / f"hashes{suffix}"
    for quality in (None, encodings.quality):
        named = Encodings(named.names, named.rows, named.origin, quality=quality)
        save(path, named)
        assert load(path) == named
        assert load(path).origin == named.origin
        np.testing.assert_array_equal(load(path).quality, quality)
    if suffix in (".json", ".csv"):
        path.write_text(path.read_text().replace("90", "190").replace("100", "1000"))
        with pytest.raises(ValueError, match="expected encodings in"):
            load(path)


def test_a_column_of_another_length() -> None:
    encodings = collected(IMAGES, PDQ)
    for quality, error in ((np.zeros(3, np.uint8), ValueError), (np.zeros(12), TypeError)):
        with pytest.raises(error, match="expected quality"):
            Encodings(encodings.names, encodings.rows, encodings.origin, quality=quality)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two copies with much to see, and two that are nearly flat."""
    path = tmp_path / "photos"
    path.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (80, 80), np.uint8)
    smooth = np.asarray(Image.fromarray(noise[:4, :4]).resize((80, 80))) // 8
    for name, pixels in (("a", noise), ("b", noise), ("c", smooth), ("d", smooth)):
        Image.fromarray(pixels).save(path / f"{name}.png")
    return path


def test_caches_have_it_too(folder: Path, tmp_path: Path) -> None:
    recipe = Recipe(rated(METHODS["phash"]))
    assert Recipe.from_origin(recipe.origin) == recipe
    cache, source = tmp_path / "cache", Folder(folder)
    (first, none), (second, all_of_them) = (
        encode_source(source, recipe, cache=cache) for _ in range(2)
    )
    assert (none, all_of_them) == (0, 4)
    assert second == first
    np.testing.assert_array_equal(second.quality, first.quality)
    assert encode_source(source, Recipe(METHODS["phash"]), cache=cache)[0] == first


def test_too_little_to_see(folder: Path, tmp_path: Path) -> None:
    """PDQ leaves it out unless asked otherwise, the others only when asked."""
    encodings, _ = encode_source(Folder(folder), PDQ)
    matches = find_matches(encodings)
    assert matches.to_dict() == {"a.png": ["b.png"], "b.png": ["a.png"]}
    assert matches.low_quality == ["c.png", "d.png"]
    assert len(find_matches(encodings, min_quality=0).to_dict()) == 4
    across = find_matches(encodings, encodings)
    assert across.to_dict() == {"a.png": ["a.png", "b.png"], "b.png": ["a.png", "b.png"]}
    assert across.low_quality == ["c.png", "d.png"] * 2
    assert find_matches(encodings, min_quality=100).to_dict() == matches.to_dict()
    save_report(tmp_path / "p.html", matches, folder)
    assert "2 images of low quality left out: c.png, d.png" in (tmp_path / "p.html").read_text()

    plain, _ = encode_source(Folder(folder), Recipe(METHODS["phash"]))
    assert find_matches(plain, min_quality=0).low_quality == []
    with pytest.raises(ValueError, match=r"min_quality=20 needs .* encodings of phash lack"):
        find_matches(plain, min_quality=20)
    for wrong, error in ((101, ValueError), (-1, ValueError), (1.5, TypeError), ("9", TypeError)):
        with pytest.raises(error, match="expected min_quality"):
            find_matches(encodings, min_quality=wrong)


def test_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", str(folder), "--method", "pdq", "--list-skipped"]) == 0
    out, err = capsys.readouterr()
    assert out == " 0  a.png\n 0  b.png\n"
    assert "2 images have too low a quality, and are in no group" in err
    assert "ties of pdq redone in the reference's order" in err
    assert err.index("  c.png\n") < err.index("  d.png\n")
    assert main(["find", str(folder), "--min-quality", "40", "--quiet"]) == 0
    assert capsys.readouterr().out == out
    assert main(["find", str(folder), "--method", "pdq", "--min-quality", "0", "--quiet"]) == 0
    assert len(capsys.readouterr().out.split()) == 8

    for words in (["--output", str(tmp_path / "plain.json")], ["--quality", "--output"]):
        words += [str(tmp_path / "rated.json")] if words[-1] == "--output" else []
        assert main(["encode", str(folder), "--quiet", *words]) == 0
    assert json.loads((tmp_path / "rated.json").read_text())["quality"].keys() == {
        *("a.png", "b.png", "c.png", "d.png")
    }
    query = ["query", str(folder), str(tmp_path / "rated.json"), "--quiet", "--min-quality", "40"]
    assert main(query) == 0
    assert capsys.readouterr().out.count("a.png") == 3
    for words in (
        ["find", str(tmp_path / "plain.json"), "--min-quality", "40"],
        ["query", str(folder), str(tmp_path / "plain.json"), "--min-quality", "40"],
        ["find", str(folder), "--method", "cnn", "--min-quality", "40"],
        ["find", str(folder), "--method", "pdq", "--min-quality", "400"],
        ["encode", str(folder), "--method", "imagehash-whash", "--quality"],
    ):
        with pytest.raises(SystemExit):
            main(words)
        assert "quality" in capsys.readouterr().err


def test_what_has_no_small_image() -> None:
    assert rated(METHODS["pdq"]) is METHODS["pdq"]
    for name in ("cnn", "imagehash-whash", "imagehash-colorhash"):
        with pytest.raises(ValueError, match=f"small image for its quality, got {name}"):
            rated(METHODS[name])
    with pytest.raises(ValueError, match=r"oriented\(rated\(method\)\)"):
        rated(oriented(METHODS["phash"]))

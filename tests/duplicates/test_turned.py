"""Turned copies are found, and the answer says how they are turned."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jaxdedup.cli import main
from jaxdedup.duplicates import find_matches
from jaxdedup.encoding import (
    INVERSE_TURNS,
    METHODS,
    TURNS,
    Encodings,
    Recipe,
    encode,
    oriented,
    save,
)
from jaxdedup.methods import CNN, PHash
from tests.pictures import crops

ORIGIN = Recipe(oriented(METHODS["phash"])).origin
NAMES = list("abcdefghijklmnop")


def turned(image: Image.Image, turn: str) -> Image.Image:
    return image if turn == "none" else image.transpose(Image.Transpose[turn.upper()])


def random_rows(count: int, seed: int) -> NDArray[np.uint8]:
    """Few bits, so that many pairs are near, several turns at once too, and copies."""
    rows = np.random.default_rng(seed).integers(0, 2, (count, 8, 8), np.uint8)
    rows[3] = rows[0]
    return rows


def distances(rows: NDArray[np.uint8], upright: NDArray[np.uint8]) -> NDArray[np.int64]:
    """int64[N, 8, M]"""
    return np.bitwise_count(rows[:, :, None] ^ upright[None, None]).sum(-1, dtype=np.int64)


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_of_all_turns(seed: int) -> None:
    rows = random_rows(16, seed)
    found = find_matches(Encodings(NAMES, rows.reshape(16, -1), ORIGIN), threshold=1)
    one_way = distances(rows, rows[:, 0])
    for i, name in enumerate(NAMES):
        listed = {other: (score, turn) for other, score, turn in found.to_dict(scores=True)[name]}
        assert name not in listed
        for j, other in enumerate(NAMES):
            if i == j:
                continue
            # Turned as it is found, j looks as i does; i is turned back to look as j does.
            best = min(one_way[i, :, j].min(), one_way[j, :, i].min())
            assert (other in listed) == (best <= 1)
            if best <= 1:
                score, turn = listed[other]
                number = TURNS.index(turn)
                assert score == best
                if (rows[i] == rows[j]).all():
                    assert turn == "none"
                else:
                    back = INVERSE_TURNS[number]
                    assert best in (one_way[j, number, i], one_way[i, back, j])


def test_queries_are_turned_and_the_corpus_is_not() -> None:
    rows, corpus = random_rows(16, 7), random_rows(16, 8)[:, 0]
    queries = Encodings(NAMES, rows.reshape(16, -1), ORIGIN)
    upright = Encodings(NAMES, corpus, Recipe(METHODS["phash"]).origin)
    one_way = distances(rows, corpus)
    found = find_matches(queries, upright, threshold=1).to_dict(scores=True)
    for i, name in enumerate(NAMES):
        expected = {
            NAMES[j]: one_way[i, :, j].min() for j in range(16) if one_way[i, :, j].min() < 2
        }
        assert {other: score for other, score, _ in found[name]} == expected
        for other, score, turn in found[name]:
            back = INVERSE_TURNS[TURNS.index(turn)]
            assert one_way[i, back, NAMES.index(other)] == score
    both = Encodings(NAMES, np.tile(corpus, 8), ORIGIN)  # of eight rows, the upright one counts
    assert find_matches(queries, both, threshold=1).to_dict(scores=True) == found
    with pytest.raises(ValueError, match=r"would be \d+ pairs, expected at most max_pairs=3"):
        find_matches(queries, upright, threshold=1, max_pairs=3)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """An original, its eight turns, and another picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    original, other = (Image.fromarray(crop) for crop in crops(4, 120, 160, 3)[1:3])
    for turn in TURNS:
        turned(original, turn).save(folder / f"{turn}.png")
    other.save(folder / "other.png")
    return folder


@pytest.mark.parametrize("orientations", ["none", "mirrors", "all"])
def test_a_folder(pictures: Path, orientations: str) -> None:
    encoder = PHash(verbose=False)
    found = encoder.find_duplicates(pictures, scores=True, orientations=orientations)
    assert found["other.png"] == []
    count = {"none": 0, "mirrors": 3, "all": 7}[orientations]
    assert len(found["none.png"]) == count
    for name, *match in found["none.png"]:
        expected = TURNS[INVERSE_TURNS[TURNS.index(name.removesuffix(".png"))]]
        assert match == [0, expected]
    can_go = encoder.find_duplicates_to_remove(pictures, orientations=orientations)
    assert len(can_go) == {"none": 0, "mirrors": 6, "all": 7}[orientations]


def test_a_cache_keeps_them_apart(pictures: Path) -> None:
    cache, encoder = pictures.parent / "cache", PHash(verbose=False)
    encoder.find_duplicates(pictures, orientations="all", cache=cache)
    found = encoder.find_duplicates(pictures, orientations="all", cache=cache)
    assert (encoder.reused, len(found["none.png"])) == (9, 7)
    with pytest.raises(ValueError, match="other encodings, expected orientations none, got all"):
        encoder.encode_images(pictures, cache=cache)


def test_encodings_need_the_rows_of_turned_images(pictures: Path) -> None:
    encoder = PHash(verbose=False)
    hashes = encoder.encode_images(pictures)
    for find in (encoder.find_duplicates, encoder.find_duplicates_to_remove):
        with pytest.raises(
            ValueError, match="'all' needs the rows of turned images, which encodin"
        ):
            find(encoding_map=hashes, orientations="all")
    with pytest.raises(ValueError, match="'all' needs the rows of turned images, which queries"):
        encoder.search(hashes, hashes, orientations="all")
    with pytest.raises(ValueError, match="orientations among none, mirrors, all, got 'both'"):
        encoder.find_duplicates(pictures, orientations="both")

    recipe = Recipe(oriented(METHODS["phash"]))
    items = [(name, pictures / name) for name in hashes]
    queries = Encodings.collect(encode(items, recipe), recipe)
    found = encoder.search(queries, hashes, scores=True, orientations="all")
    assert ("rotate_90.png", 0, "rotate_270") in found["none.png"]
    assert len(encoder.find_duplicates(encoding_map=queries, orientations="all")["none.png"]) == 7


def test_a_network(pictures: Path) -> None:
    means = CNN(model=lambda x: x[:, ::4, ::4].reshape(len(x), -1), image_size=16, verbose=False)
    found = means.find_duplicates(
        pictures, min_similarity_threshold=0.999, scores=True, orientations="all"
    )
    assert ("rotate_90.png", pytest.approx(1), "rotate_270") in found["none.png"]


def test_command_line(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", str(pictures), "--orientations", "all", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert all(re.fullmatch(r" 0  \w+\.png(  \(\w+\))?", line) for line in lines)

    folder, corpus = pictures.parent / "new", pictures.parent / "corpus.npz"
    folder.mkdir()
    Image.open(pictures / "none.png").save(folder / "new.png")
    recipe = Recipe(METHODS["phash"])
    items = [("turned.png", pictures / "rotate_90.png"), ("other.png", pictures / "other.png")]
    save(corpus, Encodings.collect(encode(items, recipe), recipe))
    assert main(["query", str(folder), str(corpus), "--orientations", "all", "--quiet"]) == 0
    assert capsys.readouterr().out == "new.png\n   0  turned.png  (rotate_270)\n"
    with pytest.raises(SystemExit):
        main(["find", str(corpus), "--orientations", "all"])
    assert "--orientations all needs images, or a file with the rows" in capsys.readouterr().err


def test_the_report_shows_them_upright(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    words = ["report", str(pictures), "--orientations", "all", "--output", str(path), "--quiet"]
    assert main(words) == 0
    page = path.read_text("utf-8")
    assert "distance 0<" in page
    assert page.count("shown turned by 90° clockwise") == 1
    jpegs = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    first, *others = [np.asarray(Image.open(io.BytesIO(base64.b64decode(j)))) for j in jpegs]
    assert len(others) == 7
    for other in others:  # but for the JPEGs' noise
        assert np.abs(other.astype(int) - first).mean() < 4

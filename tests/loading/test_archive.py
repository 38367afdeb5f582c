"""A zip file as a source: the same images as the folder that was packed."""

import pickle
import zipfile
from pathlib import Path

import pytest

from jaxdedup import cli
from jaxdedup.encoding import METHODS, Recipe, encode_source
from jaxdedup.loading import Archive, Folder, Unreadable, open_source

RECIPE = Recipe(METHODS["dhash"])


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    (folder / ".hidden.png").write_bytes(b"hidden")
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for image in sorted(folder.rglob("*")):
            file.write(image, image.relative_to(folder))
    return path


def test_a_zip_gives_the_hashes_of_its_folder(
    archive: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, _ = encode_source(Folder(folder, recursive=True), RECIPE)
    source = pickle.loads(pickle.dumps(open_source(archive)))
    found, _ = encode_source(source, RECIPE, cache=tmp_path / "cache")
    assert list(found.items()) == list(expected.items())
    assert found.failures == expected.failures
    again, reused = encode_source(source, RECIPE, cache=tmp_path / "cache")
    assert (again, reused) == (found, len(found))

    for words in (["encode"], ["find"], ["find", "--to-remove", "--keep", "largest"]):
        outputs = []
        for target in ([str(archive)], [str(folder), "--recursive"]):
            assert cli.main([words[0], *target, *words[1:], "--method", "dhash", "--quiet"]) == 0
            outputs.append(capsys.readouterr().out)
        assert outputs[0] == outputs[1] != ""
    page = tmp_path / "page.html"
    assert cli.main(["report", str(archive), "--output", str(page), "--quiet"]) == 0
    assert page.read_text().count("<img ") == 5
    assert 'href="./' not in page.read_text()


def test_what_can_not_be_read(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo("a.png").header_offset
    content[start + 60] ^= 0xFF
    archive.write_bytes(content)
    source = Archive(archive)
    assert isinstance(source.open("a.png"), Unreadable)
    assert source.open("missing") == Unreadable("does not exist")
    assert source.stamp("missing") is None
    found, _ = encode_source(source, RECIPE)
    assert "a.png" in found.failures
    for wrong in (tmp_path / "missing.zip", __file__):
        with pytest.raises((ValueError, OSError), match="zip"):
            Archive(wrong)

"""Archives, tables and remote folders as sources: the same images as the folder they hold."""

import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jaxdedup import cli
from jaxdedup.duplicates import look
from jaxdedup.encoding import METHODS, Recipe, encode, encode_source
from jaxdedup.loading import Archive, Folder, Frames, Table, Unreadable, open_source

RECIPE = Recipe(METHODS["dhash"])


def files_of(folder: Path) -> dict[str, Path]:
    return {str(f.relative_to(folder)): f for f in sorted(folder.rglob("*")) if f.is_file()}


def as_zip(folder: Path, path: Path) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, image in files_of(folder).items():
            file.write(image, name)
    return str(path)


def as_tar(folder: Path, path: Path) -> str:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
        for name, image in reversed(files_of(folder).items()):
            file.add(image, name)
    return str(path)


def as_parquet(folder: Path, path: Path, *, structs: bool = False) -> str:
    files = {name: f for name, f in files_of(folder).items() if not f.name.startswith(".")}
    contents: list[Any] = [f.read_bytes() for f in files.values()]
    if structs:
        contents = [{"bytes": content, "path": None} for content in contents]
    table = pa.table({"name": list(files), "image": contents})
    pq.write_table(table, path, row_group_size=3)
    return str(path)


def as_url(folder: Path, path: Path) -> str:
    files = fsspec.filesystem("memory")
    for name, image in files_of(folder).items():
        files.pipe(f"{path}/{name}", image.read_bytes())
    return f"memory://{path}"


def as_remote_zip(folder: Path, path: Path) -> str:
    fsspec.filesystem("memory").pipe(str(path), Path(as_zip(folder, path)).read_bytes())
    return f"memory://{path}"


PACKED: dict[str, Callable[[Path, Path], str]] = {
    "photos.zip": as_zip,
    "photos.tar": as_tar,
    "photos.tar.gz": as_tar,
    "photos.parquet": as_parquet,
    "structs.parquet": partial(as_parquet, structs=True),
    "photos": as_url,
    "remote.zip": as_remote_zip,
}


@pytest.fixture
def packed(folder: Path) -> Callable[[str], str]:
    """A folder with a hidden file, packed under a name."""
    (folder / ".hidden.png").write_bytes(b"hidden")
    return lambda name: PACKED[name](folder, folder.parent / name)


@pytest.mark.parametrize("name", PACKED)
def test_the_hashes_are_those_of_the_folder(
    name: str,
    packed: Callable[[str], str],
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = packed(name)
    options = {"column": "image", "key": "name"} if name.endswith("parquet") else {}
    expected, _ = encode_source(Folder(folder, recursive=True), RECIPE)
    source = pickle.loads(pickle.dumps(open_source(path, recursive=True, **options)))
    found, _ = encode_source(source, RECIPE, cache=tmp_path / "cache")
    assert list(found.items()) == list(expected.items())
    assert found.failures == expected.failures
    again, reused = encode_source(source, RECIPE, cache=tmp_path / "cache")
    assert (again, reused) == (found, len(found))
    assert dict(encode_one_by_one(source)) == dict(found)

    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    for command in (["encode"], ["find"], ["find", "--to-remove", "--keep", "largest"]):
        outputs = []
        for target in ([path, *words], [str(folder)]):
            target = [*target, "--recursive", "--method", "dhash", "--quiet"]
            assert cli.main([command[0], *target, *command[1:]]) == 0
            outputs.append(capsys.readouterr().out)
        assert outputs[0] == outputs[1] != ""
    page = tmp_path / "page.html"
    command = ["report", path, *words, "--recursive", "--output", str(page), "--quiet"]
    assert cli.main(command) == 0
    assert page.read_text().count("<img ") == 5
    assert 'href="./' not in page.read_text()


def encode_one_by_one(source: Any) -> Iterator[tuple[str, str]]:
    """Each opened by its key, the last one first."""
    assert source.open("missing") == Unreadable("does not exist") or "memory" in source.path
    assert source.stamp("missing") is None
    for key, row, *_ in encode([(key, source.open(key)) for key in source.names[::-1]], RECIPE):
        if row is not None:
            yield key, row.tobytes().hex()


def test_frames_wherever_the_file_is(folder: Path, tmp_path: Path) -> None:
    shades = [Image.new("L", (9, 9), shade) for shade in (0, 90, 200)]
    shades[0].save(folder / "a.gif", save_all=True, append_images=shades[1:])
    expected = Frames(Folder(folder, recursive=True))
    assert "a.gif#3" in expected.names
    wanted, _ = encode_source(expected, RECIPE)
    for path in (as_url(folder, tmp_path / "frames"), as_zip(folder, tmp_path / "frames.zip")):
        found, _ = encode_source(Frames(open_source(path, recursive=True)), RECIPE)
        assert list(found.items()) == list(wanted.items())


def test_damage_in_a_zip(packed: Callable[[str], str], tmp_path: Path) -> None:
    path = Path(packed("photos.zip"))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        start = file.getinfo("a.png").header_offset
    content[start + 60] ^= 0xFF
    path.write_bytes(content)
    source = Archive(path)
    assert isinstance(source.open("a.png"), Unreadable)
    found, _ = encode_source(source, RECIPE)
    assert "a.png" in found.failures
    for wrong in (tmp_path / "missing.zip", __file__):
        with pytest.raises((ValueError, OSError), match="zip"):
            Archive(wrong)


def test_a_tar_that_is_cut(packed: Callable[[str], str]) -> None:
    """What comes before the cut is encoded, and the cut is told."""
    whole, _ = encode_source(Archive(packed("photos.tar")), RECIPE)
    path = Path(packed("photos.tar"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, _ = encode_source(Archive(path), RECIPE)
    assert 0 < len(found) < len(whole)
    assert set(found.items()) < set(whole.items())
    assert found.failures["photos.tar (the rest)"].startswith("can't be read: ")


def test_a_sample_of_a_web_dataset_is_a_key(packed: Callable[[str], str]) -> None:
    source = Archive(packed("photos.tar"))
    samples = ((name.partition(".")[0], item) for name, item in source)
    found = {key for key, row, *_ in encode(samples, RECIPE) if row is not None}
    assert found == {"a", "b", "c", "d", "e", "f", "sub/d"}


def test_rows_without_names_and_without_images(tmp_path: Path, folder: Path) -> None:
    content = (folder / "a.png").read_bytes()
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": [content, None, b"no image"], "n": [1, 1, 2]}), path)
    found, _ = encode_source(Table(path), RECIPE)
    assert list(found) == ["0"]
    assert found.failures == {"1": "is missing", "2": "is not an image of a known format"}
    with pytest.raises(ValueError, match=r"column of bytes \('x'\) in .*, got 'image'"):
        Table(path, "image")
    with pytest.raises(ValueError, match=r"column of keys \('x', 'n'\), got 'name'"):
        Table(path, "x", "name")
    with pytest.raises(ValueError, match="each key once, got some twice in column 'n'"):
        Table(path, "x", "n")
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="expected a Parquet file, got "):
        Table(path)
    with pytest.raises(ValueError, match=r"expected a \.parquet file where a column is given"):
        open_source(tmp_path, column="x")
    with pytest.raises(ValueError, match="expected an existing folder, got 'memory://nowhere'"):
        open_source("memory://nowhere")
    with pytest.raises(ValueError, match="expected an fsspec driver for 'unheard-of://x'"):
        open_source("unheard-of://x")


@pytest.mark.parametrize("call", [open_source, look, partial(encode_source, recipe=RECIPE)])
def test_what_is_no_source(call: Callable) -> None:
    with pytest.raises(TypeError, match=r"^expected a source of images, .* got 5"):
        call(5)


def test_items_as_other_libraries_wrap_them(folder: Path) -> None:
    content = (folder / "a.png").read_bytes()
    fsspec.filesystem("memory").pipe("/one.png", content)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.png", content)
    table = pa.table({"image": [{"bytes": content, "path": "a.png"}], "content": [content]})
    items = {
        "path": folder / "a.png",
        "datasets": {"bytes": content, "path": "elsewhere.png"},
        "datasets, by path": {"bytes": None, "path": str(folder / "a.png")},
        "a struct": table["image"][0],
        "a scalar": table["content"][0],
        "a buffer": pa.py_buffer(content),
        "fsspec": fsspec.open("memory://one.png"),
        "zipfile": zipfile.Path(archive, "a.png"),
        "None": None,
        "a null": pa.scalar(None, pa.binary()),
    }
    rows = {key: row for key, row, *_ in encode(items.items(), RECIPE)}
    assert [key for key, row in rows.items() if row is None] == ["None", "a null"]
    assert len({row.tobytes() for row in rows.values() if row is not None}) == 1


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (7, "got int: 7"),
        (("key", b"bytes"), "got tuple: "),
        ({"image": b"bytes"}, "got dict of 'image', without 'bytes' or 'path'"),
    ],
)
def test_items_that_are_no_images_are_refused_at_once(item: Any, told: str, folder: Path) -> None:
    stream = encode([("a", folder / "a.png"), ("x", item), ("b", folder / "a.png")], RECIPE)
    assert next(stream).key == "a"
    with pytest.raises(TypeError, match=told):
        next(stream)


TAR_DAMAGE: dict[str, Callable[[bytes, int], bytes]] = {
    "healthy": lambda content, header: content,
    "a bit of a header": lambda content, header: (
        content[: header + 148] + bytes([content[header + 148] ^ 1]) + content[header + 149 :]
    ),
    "between members": lambda content, header: content[:header],
    "in a header": lambda content, header: content[: header + 100],
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("damage", TAR_DAMAGE)
def test_a_tar_that_is_damaged(
    damage: str, compress: Callable[[bytes], bytes], packed: Callable[[str], str]
) -> None:
    """Where tarfile takes damage for the end, what follows is told to be lost."""
    path = Path(packed("photos.tar"))
    with tarfile.open(path) as file:
        before, header = file.getnames()[:4], file.getmembers()[4].offset
    path.write_bytes(compress(TAR_DAMAGE[damage](path.read_bytes(), header)))
    lost = {key: item for key, item in Archive(path) if isinstance(item, Unreadable)}
    if damage == "healthy":
        assert not lost
        return
    with tarfile.open(path) as file:
        assert file.getnames() == before
    assert lost == {"photos.tar (the rest)": Unreadable("can't be read: it is cut, or damaged")}


def test_a_compressed_tar_that_is_damaged(packed: Callable[[str], str]) -> None:
    """What the decompressor raises is told, whatever it is."""
    path = Path(packed("photos.tar"))
    content = bytearray(lzma.compress(path.read_bytes(), preset=0))
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(lzma.LZMAError) as told, tarfile.open(path) as file:
        file.getnames()
    *_, (name, lost) = Archive(path)
    assert (name, lost) == ("photos.tar (the rest)", Unreadable(f"can't be read: {told.value}"))


def test_a_zip_without_dates(packed: Callable[[str], str]) -> None:
    path = Path(packed("photos.zip"))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(zipfile.ZipInfo("a.png", date_time=(1980, 0, 0, 0, 0, 0)), b"a")
    with zipfile.ZipFile(path) as file:
        assert file.getinfo("a.png").date_time == (1980, 0, 0, 0, 0, 0)
    source = Archive(path)
    assert list(source) == [("a.png", b"a")]
    assert source.stamp("a.png") == (
        1,
        int(datetime(1980, 1, 1, tzinfo=UTC).timestamp()) * 10**9,
        None,
    )


def test_links_in_a_tar_are_those_of_the_folder(folder: Path, tmp_path: Path) -> None:
    """Also to what comes later, to hidden files and links; and those that lead nowhere are told."""
    some = sorted(path for path in folder.rglob("*") if path.suffix == ".png")[:2]
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    for name, path in zip(["sub/z.png", ".hidden.png"], some, strict=True):
        (photos / name).write_bytes(path.read_bytes())
    links = {"a.png": "sub/z.png", "sub/b.png": "../a.png", "sub/c.png": "../.hidden.png"}
    nowhere = {"sub/d.png": "../lost.png", "e.png": "e.png", "f.png": "/lost.png", "g": "sub"}
    for name, target in (links | nowhere).items():
        (photos / name).symlink_to(target)
    (photos / "sub" / "h.png").hardlink_to(photos / ".hidden.png")
    with tarfile.open(tmp_path / "photos.tar", "w") as file:
        file.add(photos, ".")
    archive = Archive(tmp_path / "photos.tar")
    unpacked = Folder(photos, recursive=True)
    found = {name.removeprefix("./"): item for name, item in archive}
    assert found.keys() == {*unpacked.names, "g"}
    for name in ["sub/z.png", "sub/h.png", *links]:
        assert found[name] == Path(unpacked.open(name)).read_bytes()
        stamp, other = archive.stamp(f"./{name}"), unpacked.stamp(name)
        assert stamp.size == other.size
        assert abs(stamp.mtime_ns - other.mtime_ns) < 1e9
    for name in nowhere:
        assert found[name] == Unreadable("is a link to no file of the archive")

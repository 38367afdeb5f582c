"""Takes the picture of a report: ``python docs/figures/report.py``, which needs Chromium.

The photographs are scikit-image's, of the public domain or CC0: its documentation says whose.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance
from skimage import data

from jaxdedup.methods import PHash
from jaxdedup.report import save_report

HERE = Path(__file__).parent
SIZE = (900, 740)


def make_pictures(folder: Path) -> None:
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        picture = Image.fromarray(getattr(data, name)())
        width, height = picture.size
        picture.save(folder / f"{name}.png")
        picture.resize((width // 2, height // 2)).save(folder / f"{name}-web.jpg", quality=60)
    ImageEnhance.Brightness(picture).enhance(1.3).save(folder / "rocket-bright.jpg")
    titled = Image.open(folder / "coffee.png")
    ImageDraw.Draw(titled).text((20, 20), "Monday", "white", font_size=48)
    titled.save(folder / "coffee-monday.jpg")
    trimmed = Image.open(folder / "astronaut.png")
    trimmed.crop((8, 8, 504, 504)).save(folder / "astronaut-cut.jpg")


def take_picture(page: Path, picture: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "expected Chromium: apt-get install chromium"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += [f"--user-data-dir={page.parent / 'profile'}"]
    options += [f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={picture}", page.as_uri()]
    subprocess.run([chromium, *options], check=True, capture_output=True)


with tempfile.TemporaryDirectory() as directory:
    photos, page = Path(directory) / "photos", Path(directory) / "duplicates.html"
    photos.mkdir()
    make_pictures(photos)
    duplicates = PHash(verbose=False).find_duplicates(photos, scores=True)
    save_report(page, duplicates, photos)
    take_picture(page, page.with_suffix(".png"))
    with Image.open(page.with_suffix(".png")) as taken:
        taken.convert("RGB").save(HERE / "report.webp", quality=80, method=6)

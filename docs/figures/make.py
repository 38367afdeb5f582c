"""Draws the figures beside this file: ``python docs/figures/make.py``."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.fft import dctn
from skimage import data

from jaxdedup.image import resize, windows

HERE = Path(__file__).parent
BLUE, ORANGE, GREY, INK = "#3b75af", "#d1701f", "#c9ced6", "#24292f"
WIDTH = 720


def rect(x: float, y: float, w: float, h: float, fill: str, stroke: str = "none") -> str:
    box = f'x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"'
    return f'<rect {box} fill="{fill}" stroke="{stroke}"/>'


def text(x: float, y: float, words: str, anchor: str = "start", fill: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{words}</text>'


def line(x: float, y: float, to_x: float, to_y: float, stroke: str = INK) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{stroke}"/>'


def write(name: str, height: int, title: str, parts: Iterable[str]) -> None:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="14" stroke-width="1.5"><title>{title}</title>'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#fff"/>'
    )
    (HERE / f"{name}.svg").write_text("\n".join([svg, *parts, "</svg>\n"]), "utf-8")


def resize_figure() -> Iterable[str]:
    """A row of a picture, the weights of one of its outputs, and their sum."""
    row = data.camera()[::9, 16::9][20, :48]
    length, outputs, shown = len(row), 8, 3
    plan = windows(length, outputs)
    cell, left = 14.0, 24.0
    small = np.asarray(resize(row[None], (1, outputs)))[0]
    yield text(left, 30, f"{length} pixels of a row")
    for x, pixel in enumerate(row):
        yield rect(left + cell * x, 40, cell, 30, f"rgb({pixel},{pixel},{pixel})")
    yield text(left, 100, f"weights of output {shown}, times 2²², whole numbers")
    base, first = 190, int(plan.first[shown])
    largest = int(plan.taps[shown].max())
    for tap, weight in enumerate(plan.taps[shown, : plan.stop[shown] - first].tolist()):
        height = 75 * weight / largest
        x = left + cell * (first + tap) + 2
        fill = BLUE if weight > 0 else ORANGE
        yield rect(x, base - max(height, 0), cell - 4, abs(height), fill)
    yield line(left, base, left + cell * length, base)
    top = int(np.argmax(plan.taps[shown]))
    yield text(left + cell * (first + top) + 62, base - 62, f"{largest:,}", fill=BLUE)
    yield text(left, 250, "(Σ weight · pixel + 2²¹) ≫ 22, cut to 0…255")
    wide = cell * length / outputs
    for x, pixel in enumerate(small.tolist()):
        yield rect(left + wide * x, 260, wide, 30, f"rgb({pixel},{pixel},{pixel})")
    yield rect(left + wide * shown, 260, wide, 30, "none", stroke=BLUE)


def packed_figure() -> Iterable[str]:
    """Images of any sizes in one buffer, tables that say where, results of one shape."""
    sizes = [(120, 80, BLUE), (60, 90, ORANGE), (160, 40, "#4d8c57"), (48, 48, "#8a5fa8")]
    x = 24.0
    yield text(24, 30, "images of any sizes")
    for w, h, fill in sizes:
        yield rect(x, 140 - h, w, h, fill)
        x += w + 24
    yield text(24, 180, "one buffer, one after another: no width or height is in its shape")
    x, scale = 24.0, 560 / sum(w * h for w, h, _ in sizes)
    for w, h, fill in sizes:
        yield rect(x, 190, w * h * scale, 26, fill)
        x += w * h * scale
    yield rect(x, 190, 24 + 672 - x, 26, GREY)
    yield text(x + 12, 208, "unused")
    yield text(24, 256, "tables, planned on the host: what steps read, which weights, for what")
    ends = np.cumsum([w * h for w, h, _ in sizes])
    for step in range(40):
        image = int(np.searchsorted(ends, step / 40 * ends[-1], side="right"))
        for field in range(3):
            yield rect(24 + 16.8 * step, 266 + 11 * field, 14.8, 9, sizes[image][2])
    yield text(24, 332, "one program: its loops take as many steps as the tables have")
    for number, (_, _, fill) in enumerate(sizes):
        yield rect(24 + 72 * number, 344, 48, 48, fill)
    yield text(24 + 72 * len(sizes), 373, "32×32 each: uint8[K, 32, 32]")


def ties_figure() -> Iterable[str]:
    """The 63 coefficients of a picture in order, their median, and which bits are set."""
    luma = np.asarray(resize(data.camera(), (32, 32))).astype(float)
    values = np.sort(dctn(luma)[:8, :8].ravel()[1:])[::-1]
    median = values[31]
    heights = 70 * np.sign(values) * np.log1p(np.abs(values)) / np.log1p(np.abs(values)).max()
    base = 130
    yield text(24, 30, "63 coefficients of a picture, the largest first (logarithmic)")
    for place, (value, height) in enumerate(zip(values, heights, strict=True)):
        fill = BLUE if value >= median else GREY
        yield rect(30 + 10.4 * place, base - max(height, 0), 8, abs(height), fill)
    yield line(24, base, 696, base)
    yield line(30 + 10.4 * 31 + 9.2, 50, 30 + 10.4 * 31 + 9.2, 210, ORANGE)
    yield text(30 + 10.4 * 31 + 2, 232, "the median is the 32nd", "middle", ORANGE)
    yield text(24, 262, "A bit is set where at most 31 coefficients are greater than this one:")
    yield text(24, 282, "a question about whole numbers, which equal ones cannot upset.")


def bands_figure() -> Iterable[str]:
    """Two hashes cut into bands, of which one must be nearly equal."""
    rng = np.random.default_rng(4)
    a = rng.integers(0, 2, 64)
    b = a.copy()
    flipped = [3, 9, 20, 27, 51, 58]
    b[flipped] ^= 1
    cell, gap = 9.6, 14
    yield text(24, 30, "two hashes that differ in 6 of 64 bits, cut into 4 bands")
    for y, bits in ((44, a), (72, b)):
        for place, bit in enumerate(bits.tolist()):
            x = 24 + cell * place + gap * (place // 16)
            fill = ORANGE if y == 72 and place in flipped else (INK if bit else GREY)
            yield rect(x, y, cell - 1.6, 22, fill)
    for band in range(4):
        count = sum(band * 16 <= place < band * 16 + 16 for place in flipped)
        middle = 24 + (16 * cell + gap) * band + 8 * cell
        yield text(middle, 118, f"{count} differ", "middle", BLUE if count == 0 else INK)
    for y, words in (
        (152, "6 = 4 · 1 + 2: one of the first three bands differs in at most 1 bit, or the last"),
        (172, "in none. So only hashes whose bands are that near are compared at all, and no pair"),
        (192, "is missed. Here the third band leads to the pair."),
    ):
        yield text(24, y, words)


if __name__ == "__main__":
    write("resize", 310, "A resize as a sum of integer products", resize_figure())
    write("one_program", 410, "Images of any sizes go through one program", packed_figure())
    write("ties", 300, "Coefficients, and which are above their median", ties_figure())
    write("bands", 210, "Hashes cut into bands", bands_figure())

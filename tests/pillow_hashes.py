"""The four hashes by Pillow, SciPy and PyWavelets, as imagededup computes them, at any size."""

import numpy as np
import pywt
import scipy.fftpack
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def resized_luma(image: Pixels, width: int, height: int) -> Pixels:
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized.convert("L"))


def hex_of(bits: NDArray[np.bool_]) -> str:
    number = int("".join(str(int(bit)) for bit in bits.flat), 2)
    return f"{number:0{-(-bits.size // 4)}x}"


def ahash(image: Pixels, n: int = 8) -> str:
    luma = resized_luma(image, n, n)
    return hex_of(luma >= luma.mean())


def dhash(image: Pixels, n: int = 8) -> str:
    luma = resized_luma(image, n + 1, n)
    return hex_of(luma[:, 1:] > luma[:, :-1])


def phash(image: Pixels, n: int = 8) -> str:
    rows = scipy.fftpack.dct(resized_luma(image, 4 * n, 4 * n), axis=0)
    coefficients = scipy.fftpack.dct(rows, axis=1)[:n, :n]
    return hex_of(coefficients >= np.median(coefficients.flatten()[1:]))


def whash(image: Pixels, n: int = 8) -> str:
    level = (256 // n).bit_length() - 1
    lowest = resized_luma(image, 256, 256) / 255
    for axis in level * (0, 1):  # what wavedec2 does, but for the details
        lowest, _ = pywt.dwt(lowest, "haar", axis=axis)
    return hex_of(lowest >= np.median(lowest))


HASHES = {"ahash": ahash, "dhash": dhash, "phash": phash, "whash": whash}

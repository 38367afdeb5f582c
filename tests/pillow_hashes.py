"""The four hashes by Pillow, SciPy and PyWavelets, as imagededup computes them."""

import numpy as np
import pywt
import scipy.fftpack
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def resized_luma(image: Pixels, width: int, height: int) -> Pixels:
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized.convert("L"))


def _hex(bits: NDArray[np.bool_]) -> str:
    return np.packbits(bits).tobytes().hex()


def ahash(image: Pixels) -> str:
    luma = resized_luma(image, 8, 8)
    return _hex(luma >= luma.mean())


def dhash(image: Pixels) -> str:
    luma = resized_luma(image, 9, 8)
    return _hex(luma[:, 1:] > luma[:, :-1])


def phash(image: Pixels) -> str:
    rows = scipy.fftpack.dct(resized_luma(image, 32, 32), axis=0)
    coefficients = scipy.fftpack.dct(rows, axis=1)[:8, :8]
    return _hex(coefficients >= np.median(coefficients.flatten()[1:]))


def whash(image: Pixels) -> str:
    lowest = pywt.wavedec2(resized_luma(image, 256, 256) / 255, "haar", level=5)[0]
    return _hex(lowest >= np.median(lowest))


HASHES = {"ahash": ahash, "dhash": dhash, "phash": phash, "whash": whash}

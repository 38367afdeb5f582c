"""The encoders of the four perceptual hashes."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

import jax
import numpy as np

from jaxdedup.hashing import (
    AHASH,
    DHASH,
    PHASH,
    WHASH,
    HashMethod,
    hamming_distance,
    hash_padded,
    to_hex,
)
from jaxdedup.image import Profile, ResizeWeights
from jaxdedup.loading import Batch

from ._devices import spread
from ._encoder import Program
from ._hamming_finder import HammingFinder


class HashEncoder(HammingFinder):
    """Encodes images as perceptual hashes: 64 bits, as 16 lower-case hex digits.

    Args:
        verbose: whether to show progress.
        profile: the Pillow whose pixels are reproduced: ``"pillow13"`` (13.0 and later),
            ``"pillow9"`` (7.0 to 12.1) or ``"pillow6"`` (up to 6.2).
        batch_size: the most images in a call of the device function; None to choose by the size
            of the images. No encoding depends on it.
        num_workers: number of threads, which decode and then run the device on what they decoded;
            None for two more than there are cores.
        formats: suffixes (``"mp4"``, ``"cr2"``) of files which imageio may open where Pillow
            can't. Of a video, the first frame.
        draft: whether the JPEG decoder may scale down while it decodes, to no less than twice the
            size that the hash looks at. Faster on large photographs, but **not exact**: some bits
            differ from those of the whole image.

    Attributes:
        skipped: what the last call could not load: file name, or position in a batch → reason.
        reused: how many encodings the last call took from its cache.

    Raises:
        ValueError: an unknown profile, or a size below 1.
    """

    method: ClassVar[HashMethod]

    @property
    def size(self) -> tuple[int, int]:
        """``(h, w)``, what images are resized to."""
        return self.method.size

    @property
    def method_name(self) -> str:
        """What files of encodings call the method: ``"phash"``, …."""
        return self.method.name

    @staticmethod
    def hamming_distance(hash1: str, hash2: str) -> int:
        """How many bits differ between two hashes; see :func:`jaxdedup.hamming_distance`."""
        return int(hamming_distance(hash1, hash2))

    def _dispatch(self, batch: Batch) -> jax.Array:
        program = _program(self.method, batch.layout.program, self.profile)
        return program((), batch.pixels, self._weights(batch))

    def _results(self, encoded: jax.Array, count: int) -> Sequence[str]:
        return [str(digits) for digits in to_hex(np.asarray(encoded)[:count])]

    def _to_bytes(self, encoding: str) -> bytes:
        return bytes.fromhex(encoding)

    def _from_bytes(self, stored: bytes) -> str:
        return stored.hex()


@cache
def _program(method: HashMethod, program: Program, profile: Profile) -> Callable[..., jax.Array]:
    @jax.jit
    def run(_: Any, images: jax.Array, weights: ResizeWeights) -> jax.Array:
        return hash_padded(
            images,
            weights,
            method=method,
            vertical_first=program.vertical_first,
            profile=profile,
            packed=True,
        )

    return spread(run)


class AHash(HashEncoder):
    """Average hash: imagededup's ``AHash``, bit for bit. Arguments as :class:`HashEncoder`.

    Example:
        >>> AHash(verbose=False).encode_image(image_array=np.eye(8, dtype=np.uint8))
        '8040201008040201'
    """

    method = AHASH


class DHash(HashEncoder):
    """Difference hash: imagededup's ``DHash``, bit for bit. Arguments as :class:`HashEncoder`.

    Example:
        >>> slope = np.tile(np.arange(9), (8, 1))
        >>> DHash(verbose=False).encode_image(image_array=slope)
        'ffffffffffffffff'
    """

    method = DHASH


class PHash(HashEncoder):
    """Perceptual hash: imagededup's ``PHash``, bit for bit. Arguments as :class:`HashEncoder`.

    Example:
        >>> PHash(verbose=False).encode_image(image_array=np.full((32, 32), 9))
        'ffffffffffffffff'
    """

    method = PHASH


class WHash(HashEncoder):
    """Wavelet hash: imagededup's ``WHash``, bit for bit. Arguments as :class:`HashEncoder`.

    Example:
        >>> left_bright = np.repeat([[255, 0]], 128, axis=1).repeat(256, axis=0)
        >>> WHash(verbose=False).encode_image(image_array=left_bright)
        'f0f0f0f0f0f0f0f0'
    """

    method = WHASH

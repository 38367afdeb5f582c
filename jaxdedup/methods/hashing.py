"""The encoders of the four perceptual hashes, with imagededup's calls."""

from collections.abc import Callable, Collection
from dataclasses import replace
from string import hexdigits
from typing import Any, ClassVar

from jaxdedup.duplicates import DEFAULT_MAX_PAIRS
from jaxdedup.encoding import Orientations, Recipe, hash_method
from jaxdedup.hashing import (
    HashMethod,
    ahash_method,
    dhash_method,
    phash_method,
    whash_method,
)
from jaxdedup.image import Profile
from jaxdedup.loading import ImageSource, Range
from jaxdedup.runtime import Path

from ._encoder import Encoder
from ._inputs import Against, Choice, EncodingMap, Inputs, check_workers

_DIGITS = 16  # of imagededup's hashes
_SEARCH_METHODS = ("bktree", "brute_force", "brute_force_cython")


def _no_method(hash_size: int) -> HashMethod:
    return replace(ahash_method(hash_size), name="hash", bits=_no_bits)


def _no_bits(_: Any) -> Any:
    raise TypeError("expected PHash, AHash, DHash or WHash to encode, got Hashing")


def _in_full(value: Any, digits: int) -> Any:
    """A number in hex digits as so many of them, of the size that imagededup's hashes have; what is
    none is left, for others to refuse."""
    if not isinstance(value, str) or digits != _DIGITS:
        return value
    number = value.lower().removeprefix("0x")
    return number.zfill(digits) if number and set(number) <= set(hexdigits) else value


def _number(value: Any) -> int:
    if not isinstance(value, str):
        raise TypeError(f"expected a hash in hex digits, got {value!r:.80}")
    try:
        return int(value, 16)
    except ValueError:
        raise ValueError(f"expected a hash in hex digits, got {value!r:.80}") from None


class Hashing(Encoder):
    """Encodes images as perceptual hashes, as lower-case hex digits; itself it only compares.

    Args:
        verbose: whether to show progress.
        hash_size: n, for hashes of n² bits; 8, as imagededup's.
        profile: the Pillow whose pixels are reproduced: ``"pillow13"`` (13.0 and later),
            ``"pillow9"`` (7.0 to 12.1) or ``"pillow6"`` (up to 6.2).
        batch_size: the most images in a call of the device function; None to choose by the size
            of the images. No encoding depends on it.
        num_workers: number of threads, which decode and then run the device on what they decoded;
            None for two more than there are cores.
        formats: suffixes of what else to read: ``"avif"``; ``"heic"`` and ``"jxl"``, where
            pillow-heif and pillow-jxl-plugin are installed; and others (``"mp4"``, ``"cr2"``) of
            files which imageio may open where Pillow can't. Of a video, the first frame.
        draft: whether the JPEG decoder may scale down while it decodes, to no less than twice the
            size that the hash looks at. Faster on large photographs, but **not exact**: some bits
            differ from those of the whole image.
        background: the colour (``"white"``, ``"#fff"``, RGB) that transparent images are laid on,
            as Pillow's ``alpha_composite`` does; None drops the alpha, as imagededup does.
        range: ``"scale"`` to scale 16-bit values, and floats from 0–1, to 8 bits; ``"clip"`` to
            cut them, as imagededup does.
        exif_orientation: whether to turn images as their EXIF data says; imagededup ignores it.
        trim: whether to cut plain borders: rows and columns at the edges in which no channel varies
            by more than 24 of 255, as far as anything is left. Not with ``draft``.
        max_pixels_in_flight: the most pixels that are decoded at the same time, but that a larger
            image is decoded alone; None for a quarter of the memory granted, at 16 bytes a pixel.
        follow_links: whether sub-folders may be links; each folder is read once.
        frames: whether every frame of an animation, or page of a file, is an image: ``name``,
            ``name#2``, ``name#3``, …

    Attributes:
        recipe: what is made of an image: the method and the settings.

    Raises:
        TypeError: the hash_size is not an integer.
        ValueError: an unknown profile, or a size that is out of range.
    """

    _sized: ClassVar[Callable[[int], HashMethod]] = staticmethod(_no_method)

    def __init__(
        self,
        verbose: bool = True,
        *,
        hash_size: int = 8,
        profile: Profile = "pillow13",
        batch_size: int | None = None,
        num_workers: int | None = None,
        formats: Collection[str] = (),
        draft: bool = False,
        background: str | tuple[int, int, int] | None = None,
        range: Range = "clip",
        exif_orientation: bool = False,
        trim: bool = False,
        max_pixels_in_flight: int | None = None,
        follow_links: bool = False,
        frames: bool = False,
    ) -> None:
        method = hash_method(type(self)._sized(hash_size))
        recipe = Recipe(method, profile, draft, formats, background, range, exif_orientation, trim)
        self.hash_size = hash_size
        super().__init__(
            recipe, verbose, batch_size, num_workers, max_pixels_in_flight, follow_links, frames
        )

    @staticmethod
    def hamming_distance(hash1: str, hash2: str) -> int:
        """How many bits differ between two hashes: numbers in hex digits, however many.

        Raises:
            TypeError: a hash is no string.
            ValueError: it is not of hex digits.

        Example:
            >>> from jaxdedup.methods import PHash
            >>> PHash.hamming_distance("1a", "0x00000000000001f")
            2
        """
        return (_number(hash1) ^ _number(hash2)).bit_count()

    def _as_read(self, encodings: EncodingMap) -> EncodingMap:
        digits = -(-(self.recipe.method.row.count or 0) // 4)
        hashes = [value for value in encodings.values() if isinstance(value, str)]
        if all(len(value) == digits and value[1:2] not in {"x", "X"} for value in hashes):
            return encodings
        return {key: _in_full(value, digits) for key, value in encodings.items()}

    def find_duplicates(
        self,
        image_dir: Path | ImageSource | None = None,
        encoding_map: EncodingMap | None = None,
        max_distance_threshold: int | None = None,
        scores: bool = False,
        outfile: Path | None = None,
        search_method: str | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_dist_workers: int | None = None,
        *,
        cache: Path | None = None,
        max_pairs: int = DEFAULT_MAX_PAIRS,
        orientations: Orientations = "none",
    ) -> dict[Any, Any]:
        """Find the duplicates of each image: those whose hashes differ in few bits.

        Equals imagededup's ``find_duplicates``, the order of the lists included.

        Args:
            image_dir: a folder, or what else :meth:`encode_images` takes.
            encoding_map: hashes instead, by any keys: hex digits (leading zeros may lack), bytes or
                numbers each; or what :func:`jaxdedup.encoding.load` gave.
            max_distance_threshold: in bits, inclusive; None for 10 of 64, and the same share of
                other sizes.
            scores: whether to tell the distances.
            outfile: a JSON file for the result, written whole or not at all.
            search_method: ``"bktree"``, ``"brute_force"`` or ``"brute_force_cython"``, for code
                written for imagededup: the result is the same, and so is the way to it here.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode.
            num_dist_workers: has no effect, as ``search_method``.
            cache: with ``image_dir``, as in :meth:`encode_images`.
            max_pairs: the most pairs of duplicates to hold; more are an error that says how many.
            orientations: of which turned copies to find too: ``"none"``, ``"mirrors"`` (upside
                down, left-right, both) or ``"all"`` eight. False positives become as many times
                more. With ``encoding_map`` it needs encodings of that many rows an image, as
                :func:`jaxdedup.encoding.oriented` makes them.

        Returns:
            For each image, also for one without any, the list of its duplicates, the nearest
            first, equally near ones in the order of the images: names, or with ``scores`` tuples
            (name, int), or with ``orientations`` (name, int, turn), the turn of
            :data:`jaxdedup.encoding.TURNS` after which the duplicate looks as the image does. No
            image is its own duplicate.

        Raises:
            TypeError: the threshold is not an integer (bool is none).
            ValueError: neither input is given, an encoding is not a hash (the message names its
                key), an argument is out of range, or there are too many pairs.

        Example:
            >>> from jaxdedup.methods import PHash
            >>> hashes = {"a.png": "00" * 8, "b.png": "ff" * 8, "c.png": "00" * 7 + "03"}
            >>> PHash(verbose=False).find_duplicates(encoding_map=hashes, scores=True)
            {'a.png': [('c.png', 2)], 'b.png': [], 'c.png': [('a.png', 2)]}
        """
        self._remember({})
        if search_method not in (None, *_SEARCH_METHODS):
            raise ValueError(
                f"expected search_method among {', '.join(_SEARCH_METHODS)}, "
                f"got {search_method!r:.100}"
            )
        check_workers(num_dist_workers)
        inputs = Inputs(image_dir, encoding_map, recursive, num_enc_workers, cache, orientations)
        return self._find_duplicates(inputs, max_distance_threshold, scores, outfile, max_pairs)

    def find_duplicates_to_remove(
        self,
        image_dir: Path | ImageSource | None = None,
        encoding_map: EncodingMap | None = None,
        max_distance_threshold: int | None = None,
        outfile: Path | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_dist_workers: int | None = None,
        *,
        keep: Choice = "first",
        cache: Path | None = None,
        max_pairs: int = DEFAULT_MAX_PAIRS,
        orientations: Orientations = "none",
        against: Against | None = None,
    ) -> list[Any]:
        """List images that can go, as each has a duplicate that stays. Removes nothing.

        Equals imagededup's ``find_duplicates_to_remove`` as a set; its order was random.

        Args:
            image_dir: as in :meth:`find_duplicates`.
            encoding_map: as in :meth:`find_duplicates`.
            max_distance_threshold: in bits, inclusive; None for 10 of 64, and the same share of
                other sizes.
            outfile: a JSON file for the list.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode.
            num_dist_workers: has no effect.
            keep: which of several duplicates stays: the ``"first"``, or, with ``image_dir``, the
                ``"largest"`` (in pixels), ``"newest"`` or ``"oldest"`` (by modification time), the
                first among equals; or a function from a list of names to one of them.
            cache: with ``image_dir``, as in :meth:`encode_images`.
            max_pairs: as in :meth:`find_duplicates`; equal encodings make no pairs here.
            orientations: as in :meth:`find_duplicates`.
            against: another folder or the like, encoded likewise (with the cache
                ``<cache>-against``), or map, all of which stays: what has a duplicate in it can go,
                and nothing else. ``skipped`` has its names after its own.

        Returns:
            Names, in the order of the images. No two of the images that stay are duplicates, but
            where ``against`` is given.

        Raises:
            TypeError: as in :meth:`find_duplicates`.
            ValueError: as in :meth:`find_duplicates`, or ``keep`` is unknown, needs files where
                there are none, goes without ``against``, or returned something else than a name of
                its list.

        Example:
            >>> from jaxdedup.methods import PHash
            >>> hashes = {"a.png": "00" * 8, "b.png": "ff" * 8, "c.png": "00" * 7 + "03"}
            >>> PHash(verbose=False).find_duplicates_to_remove(encoding_map=hashes)
            ['c.png']
            >>> PHash(verbose=False).find_duplicates_to_remove(encoding_map=hashes, keep=max)
            ['a.png']
            >>> old = {"a.png": "ff" * 8}
            >>> PHash(verbose=False).find_duplicates_to_remove(encoding_map=hashes, against=old)
            ['b.png']
        """
        self._remember({})
        check_workers(num_dist_workers)
        inputs = Inputs(
            image_dir, encoding_map, recursive, num_enc_workers, cache, orientations, against
        )
        return self._find_removable(inputs, max_distance_threshold, keep, outfile, max_pairs)

    def search(
        self,
        queries: EncodingMap,
        corpus: EncodingMap,
        max_distance_threshold: int | None = None,
        scores: bool = False,
        *,
        max_pairs: int = DEFAULT_MAX_PAIRS,
        orientations: Orientations = "none",
    ) -> dict[Any, Any]:
        """Search other hashes, the corpus, for duplicates of some.

        Args:
            queries: hashes by any keys, as in :meth:`find_duplicates`.
            corpus: likewise. A name may be in both: nothing is left out.
            max_distance_threshold: in bits, inclusive; None for 10 of 64, and the same share of
                other sizes.
            scores: whether to tell the distances.
            max_pairs: as in :meth:`find_duplicates`.
            orientations: as in :meth:`find_duplicates`: of the queries, which need the rows. The
                corpus needs one row an image.

        Returns:
            For each query the list of its duplicates in the corpus, the nearest first, as in
            :meth:`find_duplicates`.

        Raises:
            TypeError: as in :meth:`find_duplicates`.
            ValueError: as in :meth:`find_duplicates`, or loaded encodings were made in another way
                than the encoder's.

        Example:
            >>> from jaxdedup.methods import PHash
            >>> corpus = {"a.png": "00" * 8, "b.png": "ff" * 8}
            >>> PHash(verbose=False).search({"new.png": "00" * 7 + "01"}, corpus)
            {'new.png': ['a.png']}
        """
        self._remember({})
        return self._search(
            queries, corpus, max_distance_threshold, scores, max_pairs, orientations
        )


class AHash(Hashing):
    """Average hash: imagededup's ``AHash``, bit for bit. Arguments as :class:`Hashing`.

    Example:
        >>> import numpy as np
        >>> AHash(verbose=False).encode_image(image_array=np.eye(8, dtype=np.uint8))
        '8040201008040201'
    """

    _sized = staticmethod(ahash_method)


class DHash(Hashing):
    """Difference hash: imagededup's ``DHash``, bit for bit. Arguments as :class:`Hashing`.

    Example:
        >>> import numpy as np
        >>> slope = np.tile(np.arange(9), (8, 1))
        >>> DHash(verbose=False).encode_image(image_array=slope)
        'ffffffffffffffff'
    """

    _sized = staticmethod(dhash_method)


class PHash(Hashing):
    """Perceptual hash: imagededup's ``PHash``, bit for bit. Arguments as :class:`Hashing`.

    Example:
        >>> import numpy as np
        >>> PHash(verbose=False).encode_image(image_array=np.full((32, 32), 9))
        'ffffffffffffffff'
        >>> PHash(verbose=False, hash_size=4).encode_image(image_array=np.full((32, 32), 9))
        'ffff'
    """

    _sized = staticmethod(phash_method)


class WHash(Hashing):
    """Wavelet hash: imagededup's ``WHash``, bit for bit. Arguments as :class:`Hashing`.

    Example:
        >>> import numpy as np
        >>> left_bright = np.repeat([[255, 0]], 128, axis=1).repeat(256, axis=0)
        >>> WHash(verbose=False).encode_image(image_array=left_bright)
        'f0f0f0f0f0f0f0f0'
    """

    _sized = staticmethod(whash_method)

"""Finding duplicates among hashes: imagededup's calls."""

from collections.abc import Callable
from typing import Any

from ._duplicates import HAMMING
from ._encoder import Path
from ._finder import MAX_PAIRS, DuplicateFinder, EncodingMap, Inputs, check_workers
from ._keep import Keep

_SEARCH_METHODS = ("bktree", "brute_force", "brute_force_cython")


class HammingFinder(DuplicateFinder[str]):
    """An encoder whose encodings are compared by Hamming distance."""

    metric = HAMMING

    def find_duplicates(
        self,
        image_dir: Path | None = None,
        encoding_map: EncodingMap | None = None,
        max_distance_threshold: int = 10,
        scores: bool = False,
        outfile: Path | None = None,
        search_method: str | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_dist_workers: int | None = None,
        *,
        cache: Path | None = None,
        max_pairs: int = MAX_PAIRS,
    ) -> dict[Any, Any]:
        """Find the duplicates of each image: those whose hashes differ in few bits.

        Equals imagededup's ``find_duplicates``, the order of the lists included.

        Args:
            image_dir: a folder, encoded as :meth:`encode_images` does.
            encoding_map: hashes instead, by any keys: hex strings, 8 bytes or 8 numbers each; or
                what :func:`jaxdedup.storage.load_encodings` gave.
            max_distance_threshold: 0 to 64 bits, inclusive.
            scores: whether to tell the distances.
            outfile: a JSON file for the result, written whole or not at all.
            search_method: ``"bktree"``, ``"brute_force"`` or ``"brute_force_cython"``, for code
                written for imagededup: the result is the same, and so is the way to it here.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode.
            num_dist_workers: has no effect, as ``search_method``.
            cache: with ``image_dir``, as in :meth:`encode_images`.
            max_pairs: the most pairs of duplicates to hold; more are an error that says how many.

        Returns:
            For each image, also for one without any, the list of its duplicates, the nearest
            first, equally near ones in the order of the images: names, or with ``scores`` tuples
            (name, int). No image is its own duplicate.

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
        if search_method not in (None, *_SEARCH_METHODS):
            raise ValueError(
                f"expected search_method among {', '.join(_SEARCH_METHODS)}, got {search_method!r}"
            )
        check_workers(num_dist_workers)
        inputs = Inputs(image_dir, encoding_map, recursive, num_enc_workers, cache)
        return self._duplicates(inputs, max_distance_threshold, scores, outfile, max_pairs)

    def find_duplicates_to_remove(
        self,
        image_dir: Path | None = None,
        encoding_map: EncodingMap | None = None,
        max_distance_threshold: int = 10,
        outfile: Path | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_dist_workers: int | None = None,
        *,
        keep: Keep | Callable[[list[Any]], Any] = "first",
        cache: Path | None = None,
        max_pairs: int = MAX_PAIRS,
    ) -> list[Any]:
        """List images that can go, as each has a duplicate that stays. Removes nothing.

        Equals imagededup's ``find_duplicates_to_remove`` as a set; its order was random.

        Args:
            image_dir: as in :meth:`find_duplicates`.
            encoding_map: as in :meth:`find_duplicates`.
            max_distance_threshold: 0 to 64 bits, inclusive.
            outfile: a JSON file for the list.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode.
            num_dist_workers: has no effect.
            keep: which of several duplicates stays: the ``"first"``, or, with ``image_dir``, the
                ``"largest"`` (in pixels), ``"newest"`` or ``"oldest"`` (by modification time), the
                first among equals; or a function from a list of names to one of them.
            cache: with ``image_dir``, as in :meth:`encode_images`.
            max_pairs: as in :meth:`find_duplicates`; equal encodings make no pairs here.

        Returns:
            Names, in the order of the images. No two of the images that stay are duplicates.

        Raises:
            TypeError: as in :meth:`find_duplicates`.
            ValueError: as in :meth:`find_duplicates`, or ``keep`` is unknown, needs files where
                there are none, or returned something else than a name of its list.

        Example:
            >>> from jaxdedup.methods import PHash
            >>> hashes = {"a.png": "00" * 8, "b.png": "ff" * 8, "c.png": "00" * 7 + "03"}
            >>> PHash(verbose=False).find_duplicates_to_remove(encoding_map=hashes)
            ['c.png']
            >>> PHash(verbose=False).find_duplicates_to_remove(encoding_map=hashes, keep=max)
            ['a.png']
        """
        check_workers(num_dist_workers)
        inputs = Inputs(image_dir, encoding_map, recursive, num_enc_workers, cache)
        return self._to_remove(inputs, max_distance_threshold, keep, outfile, max_pairs)

    def search(
        self,
        queries: EncodingMap,
        corpus: EncodingMap,
        max_distance_threshold: int = 10,
        scores: bool = False,
        *,
        max_pairs: int = MAX_PAIRS,
    ) -> dict[Any, Any]:
        """Search other hashes, the corpus, for duplicates of some.

        Args:
            queries: hashes by any keys, as in :meth:`find_duplicates`.
            corpus: likewise. A name may be in both: nothing is left out.
            max_distance_threshold: 0 to 64 bits, inclusive.
            scores: whether to tell the distances.
            max_pairs: as in :meth:`find_duplicates`.

        Returns:
            For each query the list of its duplicates in the corpus, the nearest first, as in
            :meth:`find_duplicates`.

        Raises:
            TypeError: as in :meth:`find_duplicates`.
            ValueError: as in :meth:`find_duplicates`, or stored encodings are of another method or
                profile than the encoder's.

        Example:
            >>> from jaxdedup.methods import PHash
            >>> corpus = {"a.png": "00" * 8, "b.png": "ff" * 8}
            >>> PHash(verbose=False).search({"new.png": "00" * 7 + "01"}, corpus)
            {'new.png': ['a.png']}
        """
        return self._search(
            queries, corpus, max_distance_threshold, scores=scores, max_pairs=max_pairs
        )

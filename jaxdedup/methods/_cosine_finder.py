"""Finding duplicates among features: imagededup's calls."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._duplicates import COSINE
from ._encoder import Path
from ._finder import MAX_PAIRS, DuplicateFinder, EncodingMap, Inputs, check_workers
from ._keep import Keep

Features = NDArray[np.float32]


class CosineFinder(DuplicateFinder[Features]):
    """An encoder whose encodings are compared by cosine similarity."""

    metric = COSINE

    def find_duplicates(
        self,
        image_dir: Path | None = None,
        encoding_map: EncodingMap | None = None,
        min_similarity_threshold: float = 0.9,
        scores: bool = False,
        outfile: Path | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_sim_workers: int | None = None,
        *,
        cache: Path | None = None,
        max_pairs: int = MAX_PAIRS,
    ) -> dict[Any, Any]:
        """Find the duplicates of each image: those whose features point nearly the same way.

        Equals imagededup's ``find_duplicates``, but for the rounding of its similarities, which
        are float16 above 10,000 images. Here copies have the similarity 1 exactly.

        Args:
            image_dir: a folder, encoded as :meth:`encode_images` does.
            encoding_map: features instead, by any keys, ``(D,)`` or ``(1, D)`` each; or what
                :func:`jaxdedup.storage.load_encodings` gave.
            min_similarity_threshold: −1.0 to 1.0, inclusive.
            scores: whether to tell the similarities.
            outfile: a JSON file for the result, written whole or not at all.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode.
            num_sim_workers: has no effect; for code written for imagededup.
            cache: with ``image_dir``, as in :meth:`encode_images`.
            max_pairs: the most pairs of duplicates to hold; more are an error that says how many.

        Returns:
            For each image, also for one without any, the list of its duplicates in the order of
            the images: names, or with ``scores`` tuples (name, float). No image is its own
            duplicate.

        Raises:
            TypeError: the threshold is not a real number (bool is none).
            ValueError: neither input is given, an encoding is no row of finite numbers or not as
                long as the first (the message names its key), an argument is out of range, or
                there are too many pairs.

        Example:
            >>> from jaxdedup.methods import CNN
            >>> features = {"a.png": [1, 0], "b.png": [0, 1], "c.png": [2, 0]}
            >>> CNN(verbose=False).find_duplicates(encoding_map=features, scores=True)
            {'a.png': [('c.png', 1.0)], 'b.png': [], 'c.png': [('a.png', 1.0)]}
        """
        check_workers(num_sim_workers)
        inputs = Inputs(image_dir, encoding_map, recursive, num_enc_workers, cache)
        return self._duplicates(inputs, min_similarity_threshold, scores, outfile, max_pairs)

    def find_duplicates_to_remove(
        self,
        image_dir: Path | None = None,
        encoding_map: EncodingMap | None = None,
        min_similarity_threshold: float = 0.9,
        outfile: Path | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_sim_workers: int | None = None,
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
            min_similarity_threshold: −1.0 to 1.0, inclusive.
            outfile: a JSON file for the list.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode.
            num_sim_workers: has no effect.
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
            >>> from jaxdedup.methods import CNN
            >>> features = {"a.png": [1, 0], "b.png": [0, 1], "c.png": [2, 0]}
            >>> CNN(verbose=False).find_duplicates_to_remove(encoding_map=features)
            ['c.png']
        """
        check_workers(num_sim_workers)
        inputs = Inputs(image_dir, encoding_map, recursive, num_enc_workers, cache)
        return self._to_remove(inputs, min_similarity_threshold, keep, outfile, max_pairs)

    def search(
        self,
        queries: EncodingMap,
        corpus: EncodingMap,
        min_similarity_threshold: float = 0.9,
        scores: bool = False,
        *,
        max_pairs: int = MAX_PAIRS,
    ) -> dict[Any, Any]:
        """Search other features, the corpus, for duplicates of some.

        Args:
            queries: features by any keys, as in :meth:`find_duplicates`.
            corpus: likewise. A name may be in both: nothing is left out.
            min_similarity_threshold: −1.0 to 1.0, inclusive.
            scores: whether to tell the similarities.
            max_pairs: as in :meth:`find_duplicates`.

        Returns:
            For each query the list of its duplicates in the corpus, the nearest first.

        Raises:
            TypeError: as in :meth:`find_duplicates`.
            ValueError: as in :meth:`find_duplicates`, or stored encodings are of another method or
                profile than the encoder's.

        Example:
            >>> from jaxdedup.methods import CNN
            >>> corpus = {"a.png": [1, 0], "b.png": [0, 1]}
            >>> CNN(verbose=False).search({"new.png": [9, 1]}, corpus)
            {'new.png': ['a.png']}
        """
        return self._search(
            queries, corpus, min_similarity_threshold, scores=scores, max_pairs=max_pairs
        )

"""What the encoders share: imagededup's calls, onto the stream and the search.

Results go to the caller. What a thread's last call could not load, took from its cache and found is
kept beside, for code written for imagededup; nothing here reads it.
"""

import inspect
import logging
import operator
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import jax
import numpy as np

from jaxdedup import duplicates, encoding, runtime
from jaxdedup.duplicates import Files, Matches
from jaxdedup.encoding import Bits, Encodings, Orientations, Recipe, oriented
from jaxdedup.loading import DecodeError, Flat, FlatImages, ImageSource, Item, joined
from jaxdedup.runtime import Path, positive, positive_or_none

from ._inputs import Against, Choice, EncodingMap, Inputs

logger = logging.getLogger("jaxdedup")


class _Last(threading.local):
    """What the last call in this thread left."""

    def __init__(self) -> None:
        self.skipped: dict[Any, str] = {}
        self.reused = 0
        self.results: Any = None
        self.told: set[Flat] = set()  # of any call


class Encoder:
    """Base of the encoders: files, folders and arrays to encodings.

    Attributes:
        recipe: what is made of an image.
        verbose: whether to show progress.
        batch_size, num_workers, max_pixels_in_flight: as of :func:`jaxdedup.encoding.encode`.
        follow_links: whether sub-folders may be links.
        frames: whether every frame of an animation is an image.
    """

    def __init__(
        self,
        recipe: Recipe,
        verbose: bool,
        batch_size: int | None,
        num_workers: int | None,
        max_pixels_in_flight: int | None,
        follow_links: bool,
        frames: bool,
    ) -> None:
        self.recipe = recipe
        self.verbose = verbose
        self.batch_size = positive_or_none("batch_size", batch_size)
        self.num_workers = positive_or_none("num_workers", num_workers)
        self.max_pixels_in_flight = positive_or_none("max_pixels_in_flight", max_pixels_in_flight)
        self.follow_links = follow_links
        self.frames = frames
        self._last = _Last()

    @property
    def target_size(self) -> tuple[int, ...]:
        """``(w, h)``, what images are resized to; ``()`` where they are taken as they are."""
        return self.recipe.method.size[::-1]

    @property
    def skipped(self) -> dict[Any, str]:
        """What this thread's last call could not load: file name, or position → reason."""
        return self._last.skipped

    @property
    def reused(self) -> int:
        """How many encodings this thread's last call took from its cache."""
        return self._last.reused

    @property
    def results(self) -> Any:
        """What this thread's last search found."""
        return self._last.results

    def __repr__(self) -> str:
        """As it is called, but for what is as usual."""
        usual = inspect.signature(type(self)).parameters.values()
        chosen = {p.name: v for p in usual if (v := self._setting(p)) != p.default}
        arguments = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
        return f"{type(self).__name__}({arguments})"

    def _setting(self, parameter: inspect.Parameter) -> Any:
        """Its value; a subclass may have parameters that nothing is known of."""
        owner = self if parameter.name in vars(self) else self.recipe
        return getattr(owner, parameter.name, parameter.default)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_last"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _last=_Last())

    def encode_image(self, image_file: Path | None = None, image_array: Any = None) -> Any:
        """Encode one image.

        Args:
            image_file: path of the image. Where the file exists, it wins over the array.
            image_array: ``[H, W, 3]`` or ``[H, W]``; what is not uint8 is cast to it, wrapping
                around as ``astype("uint8")`` does.

        Returns:
            The encoding; None, with a warning in the log, where the file can't be loaded. The
            reason is in ``skipped``.

        Raises:
            ValueError: neither an existing file nor an array is given, or the array has the wrong
                number of axes or channels.
        """
        self._remember({})
        runtime.refuse_fork()
        path = image_file if isinstance(image_file, (str, os.PathLike)) else None
        if path is not None and os.path.exists(path):
            try:
                row = self._row(path)
            except DecodeError as error:
                name = os.fspath(path)
                self._last.skipped = {name: str(error)}
                logger.warning("skipped %.300s: %s", runtime.escaped(name), error)
                return None
        elif isinstance(image_array, (np.ndarray, jax.Array)):
            row = self._row(np.asarray(image_array))  # JAX tells what it can't hand out
        else:
            got = "" if path is None else f" Got {os.fspath(path)!r:.300}, which does not exist"
            raise ValueError(f"Please provide either image file path or image array!{got}")
        return Encodings([0], row[None], self.recipe.origin)[0]

    def _row(self, item: Item) -> Any:
        pixels = encoding.decoder(self.recipe, self._tell_flat)(item)
        return encoding.encode_pixels(pixels, self.recipe)

    def encode_images(
        self,
        image_dir: Path | ImageSource | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        *,
        draft: bool | None = None,
        cache: Path | None = None,
    ) -> dict[str, Any]:
        """Encode the images of a folder.

        Args:
            image_dir: the folder; or an archive, a Parquet file, a URL or a source, as
                :func:`jaxdedup.loading.open_source` takes them. Hidden files and folders are passed
                over.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode; None for ``num_workers``. (0, which
                stands for no extra process in imagededup, is one thread.)
            draft: in place of the encoder's ``draft``.
            cache: a file, made where it doesn't exist, that remembers the encodings of this
                folder. Only files that are new, or whose size or modification time has changed,
                are encoded; ``reused`` says how many were not. A run that is killed loses its last
                second. Where the cache can't be used, the log tells why.

        Returns:
            The encodings, keyed by path relative to the folder, in sorted order. A file that
            can't be loaded has no entry; ``skipped`` has its reason.

        Raises:
            ValueError: the path is none of these, or the cache is another file or holds encodings
                of another origin.
            OSError: the folder can't be read, or the path of the cache can be no file's.
        """
        self._remember({})
        inputs = Inputs(image_dir, None, recursive, num_enc_workers, cache)
        recipe = self.recipe if draft is None else replace(self.recipe, draft=draft)
        return self._encode_folder(inputs, recipe).to_dict()

    def encode_batch(self, images: Iterable[Item]) -> list[Any]:
        """Encode images from anywhere.

        Args:
            images: paths, bytes of files, open binary files, Pillow images or arrays, in any
                mixture and any sizes. A lazy iterable is consumed lazily, from other threads but
                never by two at once; what it yields may change as soon as the next is asked for.

        Returns:
            The encodings in the order of the images; None where an image can't be loaded, and
            ``skipped`` has the reason under the image's position.

        Raises:
            TypeError: ``images`` is a single image or path instead of an iterable of them.
        """
        self._remember({})
        if isinstance(images, (str, bytes, os.PathLike)) or not isinstance(images, Iterable):
            raise TypeError(f"expected an iterable of images, got {type(images).__name__}")
        shape = getattr(images, "shape", ())
        if len(shape) == 2 or shape[2:] == (3,):
            raise TypeError(f"expected an iterable of images, got one, an array of shape {shape}")
        stream = encoding.encode(
            enumerate(images),
            self.recipe,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            max_pixels_in_flight=self.max_pixels_in_flight,
        )
        total = operator.length_hint(images) or None
        with closing(runtime.watched(stream, self._progress(), total)) as results:
            encodings = Encodings.collect(results, self.recipe)
        self._remember(encodings.failures)
        by_position = encodings.to_dict()
        return [by_position.get(place) for place in range(len(encodings) + len(encodings.failures))]

    def _find_duplicates(
        self, inputs: Inputs, threshold: Any, scores: bool, outfile: Path | None, max_pairs: int
    ) -> dict[Any, Any]:
        matches = self._matches(inputs, threshold, outfile, max_pairs)
        found = self._last.results = matches.to_dict(scores=scores)
        if outfile:
            runtime.write_json(outfile, matches.with_text_names().to_dict(scores=scores))
        return found

    def _find_removable(
        self, inputs: Inputs, threshold: Any, keep: Choice, outfile: Path | None, max_pairs: int
    ) -> list[Any]:
        duplicates.check_keep(keep, inputs.image_dir is not None)
        if inputs.against is not None and keep != "first":
            raise ValueError(f"expected no keep where all of against stays, got {keep!r:.100}")
        self._check(threshold)
        files = self._files(inputs)  # before anything is read
        corpus = None if inputs.of_corpus is None else self._files(inputs.of_corpus)
        inputs = inputs._replace(image_dir=files and files.source)
        if corpus is not None:
            inputs = inputs._replace(against=corpus.source)
        matches = self._matches(inputs, threshold, outfile, max_pairs)
        decode = encoding.whole_decoder(self.recipe)
        removed = matches.removable(keep, files, decode, corpus)
        if outfile:
            texts = dict(zip(matches.names, duplicates.text_names(matches.names), strict=True))
            runtime.write_json(outfile, [texts[name] for name in removed])
        return removed

    def _files(self, inputs: Inputs) -> Files | None:
        return None if inputs.image_dir is None else duplicates.look(self._source(inputs))

    def _search(
        self,
        queries: EncodingMap,
        corpus: EncodingMap,
        threshold: Any,
        scores: bool,
        max_pairs: int,
        orientations: Orientations,
    ) -> dict[Any, Any]:
        matches = duplicates.find_matches(
            self._own(queries, "queries", orientations),
            self._own(corpus, "corpus"),
            threshold=self._check(threshold),
            max_pairs=max_pairs,
            order="score",
        )
        found = self._last.results = matches.to_dict(scores=scores)
        return found

    def _matches(
        self, inputs: Inputs, threshold: Any, outfile: Path | None, max_pairs: int
    ) -> Matches:
        # All that can be wrong is found out before the work begins.
        threshold = self._check(threshold)
        max_pairs = positive("max_pairs", max_pairs)
        if outfile:
            runtime.refuse_unless_writable(outfile)
        if inputs.of_corpus is not None:
            encoding.refuse_other_cache(inputs.of_corpus.cache, self.recipe)
        encodings = self._given(inputs)
        corpus = None if inputs.against is None else self._corpus(inputs, inputs.against)
        with runtime.timed("search" if self.verbose else None):
            limits = {"threshold": threshold, "max_pairs": max_pairs}
            return duplicates.find_matches(encodings, corpus, **limits)

    def _corpus(self, inputs: Inputs, against: Against) -> Encodings:
        """What is searched in the place of the images themselves."""
        if inputs.of_corpus is None:
            return self._own(cast(EncodingMap, against), "against")
        last = self._last.skipped, self._last.reused
        corpus = self._encode_folder(inputs.of_corpus, self.recipe)
        start = self._source(inputs.of_corpus).name  # of a name on both sides, too
        self._last.skipped = last[0] | {joined(start, n): why for n, why in corpus.failures.items()}
        self._last.reused = last[1]
        return corpus

    def _check(self, threshold: Any) -> int | float:
        is_hash = isinstance(self.recipe.method.row, Bits)
        name = "max_distance_threshold" if is_hash else "min_similarity_threshold"
        return duplicates.check_threshold(self.recipe.origin, threshold, name)

    def _given(self, inputs: Inputs) -> Encodings:
        given = inputs.map()
        if given is None:
            return self._encode_folder(inputs, self._recipe(inputs.orientations))
        return self._own(given, "encoding_map", inputs.orientations)

    def _recipe(self, orientations: Orientations) -> Recipe:
        return replace(self.recipe, method=oriented(self.recipe.method, orientations))

    def _own(
        self, encodings: EncodingMap, name: str, orientations: Orientations = "none"
    ) -> Encodings:
        """The encodings, once it is clear that this encoder could have made them."""
        if not isinstance(encodings, Mapping):
            raise TypeError(
                f"expected {name} to be a dict of encodings, got {type(encodings).__name__}"
            )
        origin = self._recipe(orientations).origin
        made = encodings.origin.orientations if isinstance(encodings, Encodings) else "none"
        if orientations not in ("none", made):
            raise ValueError(
                f"orientations={orientations!r} needs the rows of turned images, which {name} "
                f"lacks: encode with oriented(method, {orientations!r}) of jaxdedup.encoding"
            )
        if not isinstance(encodings, Encodings):
            return Encodings.from_map(self._as_read(encodings), origin)
        if different := origin.differences(encodings.origin):
            raise ValueError(f"{name} was made in another way than by {self!r}: {different}")
        return encodings

    def _as_read(self, encodings: EncodingMap) -> EncodingMap:
        """A dict of encodings as imagededup reads it."""
        return encodings

    def _source(self, inputs: Inputs) -> ImageSource:
        return inputs.source(follow_links=self.follow_links, frames=self.frames)

    def _encode_folder(self, inputs: Inputs, recipe: Recipe) -> Encodings:
        encodings, reused = encoding.encode_source(
            self._source(inputs),
            recipe,
            cache=inputs.cache,
            batch_size=self.batch_size,
            num_workers=inputs.workers(self.num_workers),
            max_pixels_in_flight=self.max_pixels_in_flight,
            progress=self._progress(),
        )
        if inputs.cache is not None:
            logger.info("%d encodings reused from %s", reused, inputs.cache)
        self._remember(encodings.failures, reused)
        return encodings

    def _tell_flat(self, kind: Flat) -> None:
        """That one image became one flat colour: of each kind the first one only."""
        if kind not in self._last.told:
            self._last.told.add(kind)
            flat = FlatImages()
            flat.note(kind)
            flat.tell()

    def _progress(self) -> str | None:
        return type(self).__name__ if self.verbose else None

    def _remember(self, skipped: dict[Any, str], reused: int = 0) -> None:
        self._last.skipped, self._last.reused, self._last.results = skipped, reused, None
        if skipped:
            logger.warning(
                "%d images skipped: %s; see .skipped", len(skipped), encoding.commonest(skipped)
            )

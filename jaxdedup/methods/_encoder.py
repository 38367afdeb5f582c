"""What all encoders share: from files, folders and iterables to encodings, in padded batches.

The data flow: sources → threads that decode into batches of one layout (:mod:`jaxdedup.loading`)
and run the layout's device function on each → results by position. A method says only what its
device function is (``_dispatch``) and what an encoding looks like to the user (``_results``).
"""

import logging
import math
import operator
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache, partial
from threading import Semaphore
from typing import Any, Generic, NamedTuple, TypeVar, get_args

import jax
import numpy as np
from tqdm.auto import tqdm

from jaxdedup._cores import core_count
from jaxdedup.image import Profile, ResizeWeights, bucket_shape, plan_resize, vertical_first
from jaxdedup.loading import (
    Batch,
    DecodeError,
    Failure,
    Layout,
    Pixels,
    Source,
    as_image,
    decode,
    find_files,
    load_batches,
)
from jaxdedup.storage import DRAFT_SUFFIX

from ._cache import EncodingCache
from ._interrupt import noticing_interrupts

E = TypeVar("E")
Path = str | os.PathLike[str]

logger = logging.getLogger("jaxdedup")

# On the CPU a batch that stays in the cache is fastest, and only spares the cost of the call; an
# accelerator wants to be filled.
_CPU_BATCH_BYTES = 12 * 2**20
_DEVICE_BATCH_BYTES = 512 * 2**20
_MAX_BATCH_SIZE = 256
_WAITING = 2  # workers that the device keeps waiting, while the others decode


class Program(NamedTuple):
    """What, beside the padded shape, a device function is compiled for."""

    vertical_first: bool


class Encoder(ABC, Generic[E]):
    """Base of the encoders."""

    def __init__(
        self,
        verbose: bool = True,
        *,
        profile: Profile = "pillow13",
        batch_size: int | None = None,
        num_workers: int | None = None,
        formats: Collection[str] = (),
        draft: bool = False,
    ) -> None:
        if profile not in get_args(Profile):
            raise ValueError(
                f"expected a profile among {', '.join(get_args(Profile))}, got {profile!r}"
            )
        if isinstance(formats, str):
            raise TypeError(f"expected formats as a collection of suffixes, got {formats!r}")
        self.verbose = verbose
        self.profile: Profile = profile
        self.batch_size = _positive("batch_size", batch_size)
        self.num_workers = _positive("num_workers", num_workers)
        self.formats = tuple(formats)
        self.draft = draft
        self.skipped: dict[str | int, str] = {}
        self.reused = 0

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._settings().items())
        return f"{type(self).__name__}({arguments})"

    def _settings(self) -> dict[str, Any]:
        return {
            "verbose": self.verbose,
            "profile": self.profile,
            "batch_size": self.batch_size,
            "num_workers": self.num_workers,
            "formats": self.formats,
            "draft": self.draft,
        }

    def encode_image(self, image_file: Path | None = None, image_array: Any = None) -> E | None:
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
        if isinstance(image_file, (str, os.PathLike)) and os.path.exists(image_file):
            self.skipped = {}
            try:
                batch = self._batch_of_one(self._decoder(self.draft)(image_file))
            except DecodeError as error:
                self._skip(os.fspath(image_file), str(error))
                return None
        elif isinstance(image_array, (np.ndarray, jax.Array)):
            self.skipped = {}
            batch = self._batch_of_one(as_image(image_array))
        else:
            raise ValueError("Please provide either image file path or image array!")
        return self._results(self._dispatch(batch), 1)[0]

    def encode_images(
        self,
        image_dir: Path | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        *,
        draft: bool | None = None,
        cache: Path | None = None,
    ) -> dict[str, E]:
        """Encode the images of a folder.

        Args:
            image_dir: the folder. Hidden files and folders are passed over.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode; None for ``num_workers``. (0, which
                stands for no extra process in imagededup, is one thread.)
            draft: in place of the encoder's ``draft``.
            cache: a file, made where it doesn't exist, that remembers the encodings of this
                folder. Only files that are new, or whose size or modification time has changed,
                are encoded; ``reused`` says how many were not. A run that is killed loses its last
                second.

        Returns:
            The encodings, keyed by path relative to the folder, in sorted order. A file that
            can't be loaded has no entry; ``skipped`` has its reason.

        Raises:
            ValueError: the path is not a folder, or the cache holds encodings of another method,
                profile or network.
            OSError: the cache can't be opened, or another process uses it.
        """
        if not isinstance(image_dir, (str, os.PathLike)):
            raise ValueError(f"Please provide a valid directory path! Got {image_dir!r}")
        names, unreadable = find_files(image_dir, recursive=recursive)
        self.skipped = {}
        self.reused = 0
        for name, reason in unreadable.items():
            self._skip(name, reason)
        draft = self.draft if draft is None else draft
        if cache is None:
            return self._encode_files(image_dir, names, num_enc_workers, draft)
        with EncodingCache(cache, self._origin(draft)) as store:
            known = store.reuse(image_dir, names, recursive=recursive)
            encodings = {name: self._from_bytes(stored) for name, stored in known.items()}
            self.reused = len(encodings)
            logger.info("%d of %d encodings reused from %s", len(known), len(names), cache)
            new = [name for name in names if name not in known]
            encodings |= self._encode_files(image_dir, new, num_enc_workers, draft, store)
        return {name: encodings[name] for name in names if name in encodings}

    def encode_batch(self, images: Iterable[Source]) -> list[E | None]:
        """Encode images from anywhere.

        Args:
            images: paths, bytes of files, open binary files, Pillow images or arrays, in any
                mixture and any sizes. A lazy iterable is consumed lazily, from other threads but
                never by two at once.

        Returns:
            The encodings in the order of the images; None where an image can't be loaded, and
            ``skipped`` has the reason under the image's position.

        Raises:
            TypeError: ``images`` is a single image or path instead of an iterable of them.
        """
        if isinstance(images, (str, bytes, os.PathLike)) or not isinstance(images, Iterable):
            raise TypeError(f"expected an iterable of images, got {type(images).__name__}")
        self.skipped = {}
        self.reused = 0
        return self._encode(images, None, None, self.draft)

    @property
    @abstractmethod
    def method_name(self) -> str:
        """What files of encodings call the method: ``"phash"``, …, ``"cnn"``."""

    def profile_name(self, draft: bool) -> str:
        """What files of encodings call the profile."""
        return self.profile + DRAFT_SUFFIX if draft else self.profile

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """``(h, w)``, what images are resized to."""

    @abstractmethod
    def _dispatch(self, batch: Batch) -> jax.Array:
        """Start the device function on a batch: an array whose leading axis is the batch's."""

    @abstractmethod
    def _results(self, encoded: jax.Array, count: int) -> Sequence[E]:
        """Wait for the device; the first ``count`` encodings in the user's form."""

    @abstractmethod
    def _to_bytes(self, encoding: E) -> bytes:
        """An encoding as a cache keeps it."""

    @abstractmethod
    def _from_bytes(self, stored: bytes) -> E:
        """The inverse of ``_to_bytes``."""

    def _origin(self, draft: bool) -> dict[str, str]:
        """All that an encoding depends on beside its image."""
        return {"method": self.method_name, "profile": self.profile_name(draft)}

    def _encode_files(
        self,
        directory: Path,
        names: Sequence[str],
        num_workers: int | None,
        draft: bool,
        cache: EncodingCache | None = None,
    ) -> dict[str, E]:
        """Encode files of a folder, by name, and put each encoding into the cache at once."""
        paths = (os.path.join(directory, name) for name in names)

        def put(position: int, encoding: E) -> None:
            if cache is not None:
                cache.put(names[position], self._to_bytes(encoding))

        encodings = self._encode(paths, names, num_workers, draft, put)
        return {name: e for name, e in zip(names, encodings, strict=True) if e is not None}

    def _encode(
        self,
        sources: Iterable[Source],
        names: Sequence[str] | None,
        num_workers: int | None,
        draft: bool,
        encoded: Callable[[int, E], None] = lambda position, encoding: None,
    ) -> list[E | None]:
        """Encode each source, with progress; None where one can't be loaded."""
        if num_workers is not None:
            num_workers = max(1, _index("num_enc_workers", num_workers))
        total = len(names) if names is not None else operator.length_hint(sources) or None
        encodings: dict[int, E | None] = {}
        # The bar is drawn once Ctrl-C would close it; a delay keeps it from being drawn at once.
        bar = tqdm(
            total=total,
            desc=self._progress(),
            unit="image",
            disable=not self.verbose,
            delay=1e-6,
        )
        stream = self._stream(sources, num_workers or self.num_workers, draft)
        with noticing_interrupts() as raise_if_interrupted, bar, closing(stream):
            bar.refresh()
            bar.delay = 0  # else it takes itself for one that was never drawn
            for position, result in stream:
                raise_if_interrupted()
                if isinstance(result, Failure):
                    self._skip(names[position] if names else position, result.reason)
                    encodings[position] = None
                else:
                    encodings[position] = result
                    encoded(position, result)
                bar.update()
        if self.skipped:
            logger.warning("%d images skipped, see the encoder's .skipped", len(self.skipped))
            self.skipped = dict(sorted(self.skipped.items()))
        return [encodings[position] for position in range(len(encodings))]

    def _progress(self) -> str:
        name = type(self).__name__
        return f"{name}, {self.reused} reused" if self.reused else name

    def _stream(
        self, sources: Iterable[Source], num_workers: int | None, draft: bool
    ) -> Generator[tuple[int, E | Failure]]:
        """Results and failures, each with its source's position, as they come."""
        # A core has a batch; an accelerator one that it works on, and one on its way.
        in_flight = Semaphore(core_count() if jax.default_backend() == "cpu" else 2)

        def encode(batch: Batch) -> Sequence[tuple[int, E]]:
            with in_flight:
                results = self._results(self._dispatch(batch), len(batch.positions))
            batch.release()
            return list(_by_position(batch, results))

        loaded = load_batches(
            sources,
            self._layout,
            num_workers=num_workers or core_count() + _WAITING,
            decode_into=self._decoder(draft),
            process=encode,
        )
        with closing(loaded):
            for item in loaded:
                if isinstance(item, Failure):
                    yield item.position, item
                else:
                    yield from item

    def _decoder(self, draft: bool) -> Callable[..., Pixels]:
        # At twice the target size the resize still averages over several pixels.
        draft_size = (2 * self.size[0], 2 * self.size[1]) if draft else None
        return partial(decode, formats=self.formats, draft_size=draft_size)

    def _layout(self, shape: tuple[int, ...]) -> Layout:
        """Which images share a batch: those padded to one shape, whose passes run in one order."""
        height, width, *channels = shape
        padded = (*bucket_shape(height, width), *channels)
        if math.prod(padded) >= 2**31:
            raise DecodeError(f"has {height}×{width} pixels: padded, 2³¹ bytes or more")
        program = Program(vertical_first(height, width, self.size, profile=self.profile))
        return Layout(padded, self._capacity(padded), program)

    def _capacity(self, padded: tuple[int, ...]) -> int:
        """The size of a batch: a power of two for each device, so that programs are few."""
        on_cpu = jax.default_backend() == "cpu"
        budget = _CPU_BATCH_BYTES if on_cpu else _DEVICE_BATCH_BYTES
        devices = jax.local_device_count()
        most = self.batch_size // devices if self.batch_size else _MAX_BATCH_SIZE
        fitting = min(budget // int(np.prod(padded)), most)
        return devices << max(0, fitting.bit_length() - 1)

    def _batch_of_one(self, pixels: Pixels) -> Batch:
        layout = self._layout(pixels.shape)._replace(capacity=1)
        shape = (pixels.shape[0], pixels.shape[1])
        batch = Batch(layout, np.zeros((1, *layout.shape), np.uint8), [0], [shape])
        batch.image(0, pixels.shape)[...] = pixels
        return batch

    def _weights(self, batch: Batch) -> ResizeWeights:
        """The planned resize of each place of a batch."""
        free = batch.layout.capacity - len(batch.shapes)
        return _batched_weights(tuple(batch.shapes), free, self.size, batch.layout.shape[:2])

    def _skip(self, name: str | int, reason: str) -> None:
        self.skipped[name] = reason
        logger.warning("skipped %s: %s", name, reason)


@lru_cache(maxsize=64)  # most folders hold images of few sizes
def _batched_weights(
    shapes: tuple[tuple[int, int], ...],
    free: int,
    size: tuple[int, int],
    bucket: tuple[int, int],
) -> ResizeWeights:
    plans = [plan_resize(*shape, size, bucket=bucket) for shape in shapes]
    nothing = jax.tree.map(np.zeros_like, plans[0])  # of length 0: a free place takes no time
    plans += [nothing] * free
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *plans))


def _by_position(batch: Batch, results: Sequence[E]) -> Iterator[tuple[int, E]]:
    for position, result in zip(batch.positions, results, strict=True):
        if position is not None:
            yield position, result


def _index(name: str, value: int) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"expected {name} to be an integer, got {value!r}") from None


def _positive(name: str, value: int | None) -> int | None:
    if value is not None and _index(name, value) < 1:
        raise ValueError(f"expected {name} to be at least 1, got {value}")
    return value

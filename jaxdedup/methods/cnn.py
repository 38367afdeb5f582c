"""The encoder of CNN features: MobileNet V1 with ImageNet weights, or the user's own network."""

import os
import warnings
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import jax
from jax.typing import ArrayLike, DTypeLike

from jaxdedup.duplicates import DEFAULT_MAX_PAIRS
from jaxdedup.encoding import (
    CustomModel,
    Method,
    Orientations,
    Recipe,
    custom_method,
    mobilenet_method,
    network_method,
    pretrained_method,
)
from jaxdedup.image import Profile
from jaxdedup.loading import ImageSource, Range
from jaxdedup.runtime import Path

from ._encoder import Encoder
from ._inputs import Against, Choice, EncodingMap, Inputs, check_workers

if TYPE_CHECKING:
    from flax import nnx

Network = Callable[[jax.Array], ArrayLike]


_SHIPPED = "mobilenet_v1"
_UNNAMED = (
    "features of a model without a name are neither cached nor saved: set name in model_config"
)


class CNN(Encoder):
    """Encodes images as the features of a convolutional network.

    The default is that of imagededup's ``CNN``, versions 0.1 and 0.2: MobileNet V1 with Google's
    ImageNet weights, without its classifier, averaged over all positions. Nothing is downloaded.

    Args:
        verbose: whether to show progress.
        model_config: a network in place of MobileNet, with its name and transform, as in imagededup
            0.3: a :class:`jaxdedup.utils.CustomModel`.
        network: ``"mobilenet_v1"``, or one of :data:`jaxdedup.networks.NETWORKS`, which needs
            ``weights``: ``"mobilenet_v3_small"``, imagededup's of 0.3, or ``"sscd"``.
        weights: a ``.safetensors`` file; of MobileNet V1 also TensorFlow's frozen graph, or Keras'
            ``.h5`` or ``.weights.h5``, and None for the ImageNet weights.
        dtype: ``"float32"``, or ``"bfloat16"`` for products of lower precision in the last
            layers, which is faster on accelerators.
        model: a network in place of MobileNet: a Flax or PyTorch module, or any function, from
            ``preprocess``'s batch to feature rows ``[B, D]``. A function is called as it is, on
            batches of 1, 2, 4, … images: give a jitted one. A Flax module is jitted here.
        preprocess: with ``model``, from ``uint8[B, h, w, 3]`` to what the model takes; None for
            ``x/127.5 − 1`` in float32.
        image_size: with ``model``, the side or ``(h, w)`` that images are resized to.
        profile: the Pillow whose resize is reproduced.
        batch_size: the most images in a call of the network; None to choose.
        num_workers: number of threads, which decode and then run the device on what they decoded;
            None for two more than there are cores.
        formats: suffixes of what else to read: ``"avif"``; ``"heic"`` and ``"jxl"``, where
            pillow-heif and pillow-jxl-plugin are installed; and others (``"mp4"``, ``"cr2"``) of
            files which imageio may open where Pillow can't. Of a video, the first frame.
        draft: whether the JPEG decoder may scale down while it decodes, to no less than twice the
            size that the network takes. Faster on large photographs, but **not exact**.
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
        ValueError: a setting is out of range, contradicts another, or the file of weights does
            not hold exactly those of the network.

    Source: A. G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile
    Vision Applications", 2017.

    Example:
        >>> import numpy as np
        >>> encoder = CNN(verbose=False)
        >>> encoder.encode_image(image_array=np.zeros((60, 80, 3), np.uint8)).shape
        (1, 1024)
        >>> means = CNN(model=lambda x: x.mean((1, 2)), image_size=32, verbose=False)
        >>> means.encode_image(image_array=np.full((60, 80, 3), 255, np.uint8))
        array([[1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        verbose: bool = True,
        model_config: CustomModel | None = None,
        *,
        network: str = _SHIPPED,
        weights: Path | None = None,
        dtype: DTypeLike = "float32",
        model: "Network | nnx.Module | None" = None,
        preprocess: Network | None = None,
        image_size: int | tuple[int, int] | None = None,
        profile: Profile = "pillow13",
        batch_size: int | None = 64,
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
        self.model_config, self.model, self.preprocess = model_config, model, preprocess
        self.network, self.weights, self.image_size = network, weights, image_size
        method = _method(model_config, model, preprocess, image_size, network, weights, dtype)
        self.dtype = str(jax.numpy.dtype(dtype))
        if model_config is not None and not method.is_known:
            warnings.warn(_UNNAMED, SyntaxWarning, stacklevel=2)
        recipe = Recipe(method, profile, draft, formats, background, range, exif_orientation, trim)
        _ = recipe.origin  # loads the weights: what is wrong with them is told now
        super().__init__(
            recipe, verbose, batch_size, num_workers, max_pixels_in_flight, follow_links, frames
        )

    def encode_image(self, image_file: Path | None = None, image_array: Any = None) -> Any:
        """Encode one image, as the hashes do, but that each path has to be a file's.

        Raises:
            ValueError: as of the hashes, or the path is no file's, whether or not there is an
                array.
        """
        self._remember({})
        if isinstance(image_file, (str, os.PathLike)) and not os.path.isfile(image_file):
            got = f"Got {os.fspath(image_file)!r:.300}, which is no file"
            raise ValueError(f"Please provide either image file path or image array! {got}")
        return super().encode_image(image_file, image_array)

    def find_duplicates(
        self,
        image_dir: Path | ImageSource | None = None,
        encoding_map: EncodingMap | None = None,
        min_similarity_threshold: float = 0.9,
        scores: bool = False,
        outfile: Path | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_sim_workers: int | None = None,
        *,
        cache: Path | None = None,
        max_pairs: int = DEFAULT_MAX_PAIRS,
        orientations: Orientations = "none",
    ) -> dict[Any, Any]:
        """Find the duplicates of each image: those whose features point nearly the same way.

        Equals imagededup's ``find_duplicates``, but for the rounding of its similarities, which
        are float16 above 10,000 images. Here copies have the similarity 1 exactly.

        Args:
            image_dir: a folder, or what else :meth:`encode_images` takes.
            encoding_map: features instead, by any keys, ``(D,)`` or ``(1, D)`` each; or what
                :func:`jaxdedup.encoding.load` gave.
            min_similarity_threshold: −1.0 to 1.0, inclusive.
            scores: whether to tell the similarities.
            outfile: a JSON file for the result, written whole or not at all.
            recursive: whether to take the images of sub-folders too.
            num_enc_workers: number of threads that decode.
            num_sim_workers: has no effect; for code written for imagededup.
            cache: with ``image_dir``, as in :meth:`encode_images`.
            max_pairs: the most pairs of duplicates to hold; more are an error that says how many.
            orientations: of which turned copies to find too: ``"none"``, ``"mirrors"`` (upside
                down, left-right, both) or ``"all"`` eight. False positives become as many times
                more. With ``encoding_map`` it needs encodings of that many rows an image, as
                :func:`jaxdedup.encoding.oriented` makes them.
                The network runs once a turn.

        Returns:
            For each image, also for one without any, the list of its duplicates in the order of
            the images: names, or with ``scores`` tuples (name, float), or with
            ``orientations`` (name, float, turn), as of the hashes. No image is its own
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
        self._remember({})
        check_workers(num_sim_workers)
        inputs = Inputs(image_dir, encoding_map, recursive, num_enc_workers, cache, orientations)
        return self._find_duplicates(inputs, min_similarity_threshold, scores, outfile, max_pairs)

    def find_duplicates_to_remove(
        self,
        image_dir: Path | ImageSource | None = None,
        encoding_map: EncodingMap | None = None,
        min_similarity_threshold: float = 0.9,
        outfile: Path | None = None,
        recursive: bool = False,
        num_enc_workers: int | None = None,
        num_sim_workers: int | None = None,
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
            >>> from jaxdedup.methods import CNN
            >>> features = {"a.png": [1, 0], "b.png": [0, 1], "c.png": [2, 0]}
            >>> CNN(verbose=False).find_duplicates_to_remove(encoding_map=features)
            ['c.png']
        """
        self._remember({})
        check_workers(num_sim_workers)
        inputs = Inputs(
            image_dir, encoding_map, recursive, num_enc_workers, cache, orientations, against
        )
        return self._find_removable(inputs, min_similarity_threshold, keep, outfile, max_pairs)

    def search(
        self,
        queries: EncodingMap,
        corpus: EncodingMap,
        min_similarity_threshold: float = 0.9,
        scores: bool = False,
        *,
        max_pairs: int = DEFAULT_MAX_PAIRS,
        orientations: Orientations = "none",
    ) -> dict[Any, Any]:
        """Search other features, the corpus, for duplicates of some.

        Args:
            queries: features by any keys, as in :meth:`find_duplicates`.
            corpus: likewise. A name may be in both: nothing is left out.
            min_similarity_threshold: −1.0 to 1.0, inclusive.
            scores: whether to tell the similarities.
            max_pairs: as in :meth:`find_duplicates`.
            orientations: as in :meth:`find_duplicates`: of the queries, which need the rows. The
                corpus needs one row an image.

        Returns:
            For each query the list of its duplicates in the corpus, the nearest first.

        Raises:
            TypeError: as in :meth:`find_duplicates`.
            ValueError: as in :meth:`find_duplicates`, or loaded encodings were made in another way
                than the encoder's.

        Example:
            >>> from jaxdedup.methods import CNN
            >>> corpus = {"a.png": [1, 0], "b.png": [0, 1]}
            >>> CNN(verbose=False).search({"new.png": [9, 1]}, corpus)
            {'new.png': ['a.png']}
        """
        self._remember({})
        return self._search(
            queries, corpus, min_similarity_threshold, scores, max_pairs, orientations
        )


def _method(
    model_config: CustomModel | None,
    model: Any,
    preprocess: Network | None,
    image_size: int | tuple[int, int] | None,
    network: str,
    weights: Path | None,
    dtype: DTypeLike,
) -> Method:
    """The method that the arguments ask for, or ValueError where some contradict others."""
    named = network != _SHIPPED or weights is not None or dtype != "float32"
    if (model is not None) + (model_config is not None) + named > 1:
        raise ValueError("expected one of model_config, model, or network, weights and dtype")
    if model is None and (preprocess is not None or image_size is not None):
        raise ValueError("preprocess and image_size go with a model of your own")
    if model_config is not None:
        return custom_method(model_config)
    if model is not None:
        size = 224 if image_size is None else image_size
        return network_method(model, preprocess=preprocess, image_size=size)
    file = None if weights is None else os.fspath(weights)
    if network == _SHIPPED:
        return mobilenet_method(file, dtype)
    method = pretrained_method(network, file)
    if dtype != "float32":
        raise ValueError(f"expected dtype float32 for {network}, got {dtype!r:.80}")
    return method

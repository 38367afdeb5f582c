"""What the encoders share in finding duplicates: which encodings are meant, and what comes back.

The public calls stand in the encoders, since hashes have a greatest distance where features have a
least similarity.
"""

import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from jaxdedup.storage import StoredEncodings, check_writable, write_json

from ._duplicates import Metric, find_matches, text_names
from ._encoder import E, Encoder, Path
from ._keep import Keep, check_keep, to_remove

EncodingMap = Mapping[Any, Any] | StoredEncodings

MAX_PAIRS = 10_000_000  # a result of this size takes some gigabytes as a dict
# Stack frames: _encodings, _prepare, _duplicates or _to_remove, the public call, its caller.
_TO_CALLER = 5


class Inputs(NamedTuple):
    """Where the encodings come from: a folder, and how to encode it, or a map."""

    image_dir: Path | None
    encoding_map: EncodingMap | None
    recursive: bool
    num_enc_workers: int | None
    cache: Path | None


class DuplicateFinder(Encoder[E]):
    """An encoder that can compare its encodings."""

    metric: ClassVar[Metric]

    def _duplicates(
        self, inputs: Inputs, threshold: Any, scores: bool, outfile: Path | None, max_pairs: int
    ) -> dict[Any, Any]:
        encodings, threshold = self._prepare(inputs, threshold, outfile)
        found = find_matches(self.metric, encodings, threshold=threshold, max_pairs=max_pairs)
        if outfile is not None:
            write_json(outfile, found.with_text_names().to_dict(scores=scores))
        return found.to_dict(scores=scores)

    def _to_remove(
        self,
        inputs: Inputs,
        threshold: Any,
        keep: Keep | Callable[[list[Any]], Any],
        outfile: Path | None,
        max_pairs: int,
    ) -> list[Any]:
        check_keep(keep, inputs.image_dir)
        encodings, threshold = self._prepare(inputs, threshold, outfile)
        removed = to_remove(
            self.metric,
            encodings,
            threshold=threshold,
            max_pairs=max_pairs,
            keep=keep,
            image_dir=inputs.image_dir,
            decoder=self._decoder(draft=False),
        )
        names = list(encodings)
        if outfile is not None:
            texts = text_names(names)
            write_json(outfile, [texts[item] for item in removed])
        return [names[item] for item in removed]

    def _search(
        self,
        queries: EncodingMap,
        corpus: EncodingMap,
        threshold: Any,
        *,
        scores: bool,
        max_pairs: int,
    ) -> dict[Any, Any]:
        matches = find_matches(
            self.metric,
            self._own(queries, "queries"),
            self._own(corpus, "corpus"),
            threshold=self.metric.check(threshold),
            max_pairs=max_pairs,
            order="score",
        )
        return matches.to_dict(scores=scores)

    def _prepare(
        self, inputs: Inputs, threshold: Any, outfile: Path | None
    ) -> tuple[Mapping[Any, Any], int | float]:
        # All that can be wrong is found out before the work begins.
        threshold = self.metric.check(threshold)
        if outfile is not None:
            check_writable(outfile)
        return self._encodings(inputs), threshold

    def _encodings(self, inputs: Inputs) -> Mapping[Any, Any]:
        if inputs.image_dir is not None:
            if inputs.encoding_map is not None:
                warnings.warn(
                    "encoding_map has no effect where image_dir is given", stacklevel=_TO_CALLER
                )
            return self.encode_images(
                inputs.image_dir, inputs.recursive, inputs.num_enc_workers, cache=inputs.cache
            )
        if inputs.encoding_map is None:
            raise ValueError("Provide either an image directory or encodings!")
        encodings = self._own(inputs.encoding_map, "encoding_map")
        if not encodings:
            raise ValueError(
                "Provide either an image directory or encodings! Got an empty encoding_map"
            )
        if inputs.cache is not None:
            raise ValueError("expected image_dir where cache is given")
        if inputs.recursive:
            warnings.warn(
                "recursive parameter is irrelevant when using encodings.",
                SyntaxWarning,
                stacklevel=_TO_CALLER,
            )
        if inputs.num_enc_workers is not None:
            warnings.warn(
                "Parameter num_enc_workers has no effect since encodings are already provided",
                RuntimeWarning,
                stacklevel=_TO_CALLER,
            )
        return encodings

    def _own(self, encodings: EncodingMap, name: str) -> Mapping[Any, Any]:
        """The encodings, once it is clear that this encoder could have made them."""
        if isinstance(encodings, StoredEncodings):
            made_by = self.method_name, self.profile_name(self.draft)
            if (encodings.method, encodings.profile) != made_by:
                raise ValueError(
                    f"expected {name} made by {' with profile '.join(made_by)}, "
                    f"got {encodings.method} with profile {encodings.profile}"
                )
            return encodings.encodings
        if not isinstance(encodings, Mapping):
            raise TypeError(
                f"expected {name} to be a dict of encodings, got {type(encodings).__name__}"
            )
        return encodings


def check_workers(count: int | None) -> None:
    """For num_dist_workers and num_sim_workers, which change nothing here."""
    if count is not None:
        try:
            operator.index(count)
        except TypeError:
            raise TypeError(f"expected a number of workers, got {count!r}") from None

"""Encodings as a file holds them, for tests that need no images."""

from collections.abc import Mapping
from typing import Any

from jaxdedup.encoding import METHODS, Encodings, Origin, Recipe


def origin_of(method: str, **settings: Any) -> Origin:
    return Recipe(METHODS[method], **settings).origin


def hashes_of(encodings: Mapping[str, str], method: str = "phash", **settings: Any) -> Encodings:
    return Encodings.from_map(encodings, origin_of(method, **settings))


def features_of(encodings: Mapping[str, Any]) -> Encodings:
    """As of a network with so few features."""
    origin = Origin("cnn", (224, 224), None, "pillow13", dtype="float32", weights="0" * 16)
    return Encodings.from_map(encodings, origin)

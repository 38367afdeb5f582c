"""Every public name says what it takes, what it gives, what it refuses, and shows it."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator

import pytest

import jaxdedup

ROOMS = [room.name for room in pkgutil.iter_modules(jaxdedup.__path__) if room.ispkg]
ROOMS.remove("cli")
BELOW = {"devices", "runtime"}  # what others stand on; no user asks for it


def public() -> Iterator[tuple[str, object]]:
    for name in jaxdedup.__all__:
        yield f"jaxdedup.{name}", getattr(jaxdedup, name)
    for room in ROOMS:
        module = importlib.import_module(f"jaxdedup.{room}")
        assert module.__doc__
        for name in getattr(module, "__all__", vars(module)):
            thing = getattr(module, name)
            if not name.startswith("_") and not inspect.ismodule(thing):
                yield f"jaxdedup.{room}.{name}", thing


OBJECTS = dict(public())


def signature_of(function: Callable) -> inspect.Signature:
    return inspect.signature(inspect.unwrap(function))


def test_rooms_are_reached_from_the_package() -> None:
    assert {*jaxdedup.__all__, *ROOMS} - BELOW <= set(dir(jaxdedup))
    assert jaxdedup.search.groups
    with pytest.raises(AttributeError, match="no attribute 'storage'"):
        _ = jaxdedup.storage


@pytest.mark.parametrize("name", OBJECTS)
def test_docstring(name: str) -> None:
    thing = OBJECTS[name]
    if not inspect.isroutine(inspect.unwrap(thing)) and not inspect.isclass(thing):
        return  # data, such as a literal type
    text = inspect.getdoc(thing)
    assert text, name
    first = text.splitlines()[0]
    assert first.endswith((".", ":")) or ". " in first, first
    assert len(first) <= 100


ARRAY_FUNCTIONS = [name for name in OBJECTS if name.count(".") == 1]
ARRAY_FUNCTIONS += ["jaxdedup.image.resize", "jaxdedup.image.rgb_to_luma"]


@pytest.mark.parametrize("name", ARRAY_FUNCTIONS)
def test_sections(name: str) -> None:
    text = inspect.getdoc(OBJECTS[name])
    for section in ("Args:", "Returns:", "Raises:", "Example:"):
        assert f"\n{section}\n" in text
    assert all(f"    {p}: " in text for p in signature_of(OBJECTS[name]).parameters)


@pytest.mark.parametrize("name", ["ahash", "dhash", "phash", "whash"])
def test_options_are_keyword_only(name: str) -> None:
    images, *options = signature_of(OBJECTS[f"jaxdedup.{name}"]).parameters.values()
    assert images.name == "images"
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    assert all(option.default is not option.empty for option in options)

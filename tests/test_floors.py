"""Which room may import which, read from the imports themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jaxdedup"

# A room imports from rooms below it, and from none beside it.
FLOORS = [
    {"runtime"},
    {"devices", "image", "loading"},
    {"hashing", "mobilenet", "search"},
    {"imagehash", "networks"},
    {"encoding"},
    {"duplicates"},
    {"index"},
    {"methods", "report", "evaluation", "utils", "integrations"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """``(module, name)`` of each import from the package, modules in full."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = above if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def inner(path: Path) -> list[tuple[list[str], str]]:
    """Imports from inside the package: the parts of the module after ``jaxdedup``, and the name."""
    found = [(module.split("."), name) for module, name in imports(path)]
    return [(parts[1:], name) for parts, name in found if parts[0] == "jaxdedup"]


SOURCES = {str(path.relative_to(ROOT)): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("source", SOURCES)
def test_imports_lead_down(source: str) -> None:
    path = SOURCES[source]
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":  # reaches every room, when it is asked to
        return
    for parts, name in inner(path):
        other = parts[0] if parts else name
        if other in (room, "__version__"):
            continue
        assert FLOOR[other] < FLOOR[room], (room, other)


def outside() -> Iterator[tuple[str, str, Path]]:
    """Every file beside its own room: of the package, the benchmarks and the tests."""
    for path in sorted([*PACKAGE.rglob("*.py"), *ROOT.glob("benchmarks/*.py")]):
        yield str(path.relative_to(ROOT)), path.relative_to(PACKAGE.parent).parts[1], path
    for path in sorted(ROOT.glob("tests/**/*.py")):  # a room's tests may look into it
        yield str(path.relative_to(ROOT)), path.relative_to(ROOT / "tests").parts[0], path


OUTSIDE = {name: (room, path) for name, room, path in outside()}


@pytest.mark.parametrize("source", OUTSIDE)
def test_private_names_stay_in_their_room(source: str) -> None:
    room, path = OUTSIDE[source]
    if source in ("benchmarks/search.py", "benchmarks/search_kernels.py"):  # parts of a search
        return
    for parts, name in inner(path):
        if len(parts) == 0 or parts[0] == room:
            continue
        assert not any(part.startswith("_") for part in (*parts, name)), (parts, name)

"""Which room may import which, read from the imports themselves."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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


@cache
def inner(path: Path) -> list[tuple[list[str], str]]:
    """Imports from inside the package: the parts of the module after ``jaxdedup``, and the name."""
    found = [(module.split("."), name) for module, name in imports(path)]
    return [(parts[1:], name) for parts, name in found if parts[0] == "jaxdedup"]


def test_imports_lead_down() -> None:
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":  # reaches every room, when it is asked to
            continue
        for parts, name in inner(path):
            other = parts[0] if parts else name
            if other not in (room, "__version__"):
                assert FLOOR[other] < FLOOR[room], (path, other)


PARTS_OF_A_SEARCH = {ROOT / "benchmarks/search.py", ROOT / "benchmarks/search_kernels.py"}


def test_private_names_stay_in_their_room() -> None:
    """Of the package, the benchmarks and the tests; a room's tests may look into it."""
    files = [
        path for top in ("jaxdedup", "benchmarks", "tests") for path in (ROOT / top).rglob("*.py")
    ]
    for path in set(files) - PARTS_OF_A_SEARCH:
        room = path.relative_to(ROOT).parts[1]
        for parts, name in inner(path):
            if parts and parts[0] != room:
                private = [part for part in (*parts, name) if part.startswith("_")]
                assert not private, (path, private)

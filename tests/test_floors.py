"""Which room may import which, read from the imports themselves."""

import ast
import re
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


@cache
def syntax(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """What each import binds, and its name in full, in parts."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in syntax(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name, alias.name.split(".")
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = [*above, *(node.module.split(".") if node.module else [])]
            yield from ((alias.asname or alias.name, [*module, alias.name]) for alias in node.names)


def named(path: Path) -> Iterator[list[str]]:
    """What is named of the package, after ``jaxdedup``: imported, an attribute, or in a string."""
    bound = dict(imports(path))
    names = [name for _, name in imports(path)]
    for node in syntax(path):
        if isinstance(node, ast.Attribute):
            first, *others = dotted(node)
            names.append([*bound.get(first, [first]), *others])
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            names += [name.split(".") for name in re.findall(r"\bjaxdedup(?:\.\w+)+", node.value)]
    yield from (parts for package, *parts in names if package == "jaxdedup")


def dotted(node: ast.expr) -> list[str]:
    """The names of an attribute of an attribute of … a name; "" for anything else at its root."""
    if isinstance(node, ast.Attribute):
        return [*dotted(node.value), node.attr]
    return [node.id if isinstance(node, ast.Name) else ""]


def test_imports_lead_down() -> None:
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":  # reaches every room, when it is asked to
            continue
        for _, (package, *parts) in imports(path):
            if package == "jaxdedup" and parts[0] not in (room, "__version__"):
                assert FLOOR[parts[0]] < FLOOR[room], (path, parts)


MEASURE_PARTS = {
    ROOT / f"benchmarks/{name}.py" for name in ("gpu_forms", "search", "search_kernels")
}


def test_private_names_stay_in_their_room() -> None:
    """Of the package, the benchmarks and the tests; a room's tests may look into it."""
    files = [
        path for top in ("jaxdedup", "benchmarks", "tests") for path in (ROOT / top).rglob("*.py")
    ]
    for path in set(files) - MEASURE_PARTS:
        room = path.relative_to(ROOT).parts[1]
        for parts in named(path):
            if parts[:1] != [room]:
                private = [x for x in parts if x.startswith("_") and not x.startswith("__")]
                assert not private, (path, parts)

"""The tables and the curves of `docs/which_method.md`, from `results/robustness.json`.

    python benchmarks/which_method.py > tables.md

Tables go to the standard output, curves to `docs/figures/which_method.svg`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _edits import EDITS
from _rates import FEWEST
from _turns import RESULTS

FIGURE = Path(__file__).parents[1] / "docs/figures/which_method.svg"
GROUPS = ["all but turned", *EDITS]
DRAWN = {
    "phash": "#1f6fb4",
    "dhash": "#e08214",
    "ahash": "#4d9a3f",
    "pdq": "#7b4fa3",
    "cnn": "#c9302c",
    "phash or cnn:0.85": "#333333",
}
FOUND_BY_ALL = ("saved and resized", "blur and noise")  # which need no panel
IN_FULL = ["phash", "phash-16", "dhash", "ahash", "whash", "pdq", "cnn", "phash or cnn:0.85"]

Row = dict[str, Any]


def main() -> None:
    rows: dict[str, Row] = json.loads((RESULTS / "robustness.json").read_text())["rows"]
    print_table(rows, "default", default_cells)
    for rate in ("1e-03", "1e-04"):
        print_table({k: row for k, row in rows.items() if rate in row}, rate, chosen_cells)
    print_edits(rows)
    draw(rows)


def print_table(rows: dict[str, Row], which: str, cells: Callable[..., list[str]]) -> None:
    print(f"\n| method | threshold | false positives | {' | '.join(GROUPS)} |")
    print("|---" * (3 + len(GROUPS)) + "|")
    for name, row in rows.items():
        mean, *groups = (row[which]["groups"][group] for group in GROUPS)
        groups = [interval(mean, percent), *(percent(group[0]) for group in groups)]
        print(f"| {' | '.join([f'`{name}`', *cells(name, row, which), *groups])} |")


def default_cells(name: str, row: Row, which: str) -> list[str]:
    found = row[which]
    few = found["pairs_of_sources"] < FEWEST
    rate = f"< {power(row['least_rate'])}" if few else interval(found["false_positives"], power)
    return [threshold_text(name, found["threshold"]), rate]


def chosen_cells(name: str, row: Row, which: str) -> list[str]:
    found = row[which]
    texts = dict.fromkeys(threshold_text(name, t) for t in sorted(found["thresholds"]))
    return [", ".join(texts), interval(found["false_positives"], power)]


def threshold_text(name: str, threshold: int) -> str:
    """In the method's unit: bits, or a cosine similarity."""
    if name == "phash or cnn:0.85":
        return f"{threshold // 15}, {1 - threshold / 1000:.2f}"
    return f"{1 - threshold / 1000:.2f}" if name == "cnn" else str(threshold)


def interval(estimate: list[float], text: Callable[[float], str]) -> str:
    value, low, high = map(text, estimate)
    return f"{value} ({low}–{high})"


def power(value: float) -> str:
    return f"{value:.0e}".replace("e-0", "e-") if value else "0"


def percent(value: float) -> str:
    return f"{100 * value:.0f}"


def print_edits(rows: dict[str, Row]) -> None:
    print(f"\n| edit | {' | '.join(f'`{name}`' for name in IN_FULL)} |")
    print("|---" * (1 + len(IN_FULL)) + "|")
    for edit in [name for group in EDITS.values() for name in group]:
        found = [percent(rows[name]["default"]["edits"][edit]) for name in IN_FULL]
        print(f"| {edit} | {' | '.join(found)} |")


def draw(rows: dict[str, Row]) -> None:
    """Recall against the rate of false positives, a panel a group."""
    from matplotlib import pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "jaxdedup", "svg.fonttype": "none", "font.size": 9})
    groups = [group for group in GROUPS if group not in FOUND_BY_ALL]
    figure, axes = plt.subplots(2, 3, figsize=(9, 5), sharex=True, sharey=True)
    for axis, group in zip(axes.flat, groups, strict=True):
        for name, colour in DRAWN.items():
            points = rows[name]["curve"]
            recall = [100 * point["recall"][group] for point in points]
            axis.plot([point["rate"] for point in points], recall, color=colour, label=name)
        axis.set(title=group, xscale="log", ylim=(0, 102))
        axis.minorticks_off()
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("rate of false positives", fontsize=9)
    figure.supylabel("copies found, %", fontsize=9)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    figure.set_layout_engine("constrained")
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, metadata={"Date": None})


if __name__ == "__main__":
    main()

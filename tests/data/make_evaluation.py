"""Makes evaluation.json: what imagededup's evaluate says about random maps of duplicates.

    python -m venv peer && peer/bin/pip install imagededup==0.3.3.post2
    peer/bin/python make_evaluation.py

Names are numbers, written as text. A class that occurs in neither map is left out by imagededup;
those arrays are stored as it returns them.
"""

import json
import random
import warnings
from pathlib import Path

CASES = 60
SEED = 20190501


def random_map(rng: random.Random, count: int, density: float) -> dict[str, list[str]]:
    """A symmetric map with its lists in random order."""
    result: dict[str, list[str]] = {str(item): [] for item in range(count)}
    for i in range(count):
        for j in range(i):
            if rng.random() < density:
                result[str(i)].append(str(j))
                result[str(j)].append(str(i))
    for duplicates in result.values():
        rng.shuffle(duplicates)
    return result


def main() -> None:
    from importlib.metadata import version

    from imagededup.evaluation import evaluate

    warnings.simplefilter("ignore")  # scikit-learn's, of ratios of nothing to nothing
    rng = random.Random(SEED)
    cases = []
    for _ in range(CASES):
        count = rng.randint(2, 12)
        densities = [rng.choice([0.0, 0.1, 0.3, 0.6, 1.0]) for _ in range(2)]
        truth, retrieved = (random_map(rng, count, density) for density in densities)
        expected = {
            name: value.tolist() for name, value in evaluate(truth, retrieved, "all").items()
        }
        cases.append({"truth": truth, "retrieved": retrieved, "expected": expected})
    result = {"made_with": f"imagededup {version('imagededup')}, seed {SEED}", "cases": cases}
    Path(__file__).with_name("evaluation.json").write_text(
        json.dumps(result, separators=(",", ":")) + "\n"
    )


if __name__ == "__main__":
    main()

"""Write what people score on average into a bundle's card, which personal baselines need.

    python scripts/population.py BUNDLE TABLE...

Tables hold scores that this very bundle gave to clips that taught it nothing, as `facevoice score`
writes them; a branch takes its statistics from the first table that has scores of it. Weights stay
as they are, but the card changes, and with it the bundle's sha256.
"""

import argparse
from pathlib import Path

from facevoice.branches.tree import dotted_leaves
from facevoice.bundle import bundle_folder, read_card
from facevoice.bundle.population import record_population, table_population
from facevoice.person import BranchPopulation, Population
from facevoice.scores.table import ScoreTable, read_score_table


def statistics(branch: str, tables: list[ScoreTable]) -> BranchPopulation | None:
    """Of the first table that has scores of a branch, by its dotted name or the last part of it."""
    for table in tables:
        for column in {branch, branch.rsplit(".", 1)[-1]} & set(table.branches):
            found = table_population(table, column)
            if found is not None:
                return found
    return None


def main() -> None:
    """Write the statistics and print what they rest on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("bundle")
    parser.add_argument("tables", nargs="+", type=Path)
    options = parser.parse_args()
    folder = bundle_folder(options.bundle)
    tables = [read_score_table(path) for path in options.tables]
    found = {name: statistics(name, tables) for name in dotted_leaves(read_card(folder)["tree"])}
    record_population(folder, Population({name: each for name, each in found.items() if each}))
    for name, each in found.items():
        print(f"{name}: {f'{each.clips} clips of {each.people} people' if each else 'no scores'}")


if __name__ == "__main__":
    main()

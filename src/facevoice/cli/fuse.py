"""facevoice fuse: a score table -> weights of its branches, and what they are worth."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.cli.console import say
from facevoice.errors import InvalidInputError

if TYPE_CHECKING:
    from facevoice.scores.choice import SearchPlan
    from facevoice.scores.table import ScoreTable

_SEARCHES = {
    "grid": "every vector of the grid, exactly (the paper's search)",
    "nested": "grid in each of several folds of groups, weights averaged",
    "coarse": "a coarse grid, then a finer one around its choice",
    "log-loss": "least log-loss on the simplex",
    "shrunk": "grid, drawn towards equal weights as far as held-out groups ask for",
    "stacking": "a multinomial regression over all scores",
    "equal": "all weights equal",
    "published": "the paper's weights of the system node",
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "fuse",
        help="choose the weights of a fusion from a score table",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Choose weights on the labelled clips of a score table (facevoice score, or"
        " any model's scores).",
        epilog="searches:\n" + "\n".join(f"  {name:10} {text}" for name, text in _SEARCHES.items()),
    )
    command.add_argument("table", type=Path, metavar="TABLE", help="a .parquet, .csv or .npz file")
    command.add_argument("--search", choices=tuple(_SEARCHES), default="grid", metavar="NAME",
                         help="see below (default: grid)")  # fmt: skip
    command.add_argument("--objective", choices=("war", "uar", "log-loss"), default="war",
                         help="what a grid search makes best (default: war)")  # fmt: skip
    command.add_argument("--step", type=float, default=0.02, metavar="S",
                         help="of the grid; 1/S is whole (default: 0.02)")  # fmt: skip
    command.add_argument("--tree", action="append", default=[], metavar="NODE=A,B|BUNDLE",
                         help="an inner node and its members, leaves first; or the tree of a"
                         " bundle. What is left goes into the last node")  # fmt: skip
    command.add_argument("--joint", action="store_true",
                         help="also search all branches at once, coarse to fine")  # fmt: skip
    command.add_argument("--branches", metavar="A,B", help="only these (default: all)")
    command.add_argument("--split", help="the clips to fit on, where the table has several splits")
    command.add_argument("--folds", type=int, default=0, metavar="N",
                         help="repeat the search over N folds of groups, to see what it is worth"
                         " on other clips (default: 0; nested: 5)")  # fmt: skip
    command.add_argument("--seed", type=int, default=0, help="of the folds (default: 0)")
    command.add_argument("--calibration", choices=("temperature", "vector", "none"),
                         default="temperature",
                         help="of the last node's scores: one temperature, which moves no decision;"
                         " a scale and an offset for every class; or none (default: temperature)",
                         )  # fmt: skip
    command.add_argument("--class-offsets", choices=("war", "uar"),
                         help="also fit offsets for rare classes, over folds")  # fmt: skip
    command.add_argument("--abstain-risk", type=float, metavar="R",
                         help="also find the score below which to keep silent, so that at most"
                         " this share of the answers is wrong")  # fmt: skip
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write weights.json")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Search, print what was found, and write it."""
    from facevoice.report.fit import fit_text
    from facevoice.report.measure import one_split
    from facevoice.scores.choice import choose_weights
    from facevoice.scores.table import read_score_table
    from facevoice.scores.weights_file import write_weights

    whole = read_score_table(options.table)
    table = one_split(whole, options.split)
    if options.branches:
        table = table.select(options.branches.split(","))
    plan = _plan(options, table)
    choice = choose_weights(table, plan)
    print(fit_text(table, plan, choice, str(options.table)))
    if options.output is not None:
        write_weights(choice.fitted, options.output)
        say(f"written to {options.output}; try: facevoice evaluate TABLE --weights"
            f" {options.output}")  # fmt: skip
    return 0


def _plan(options: argparse.Namespace, table: "ScoreTable") -> "SearchPlan":
    from facevoice.scores.choice import SearchPlan, nodes_of

    nodes = _bundle_nodes(options.tree, table) or nodes_of(
        table.branches, dict(_node(text) for text in options.tree)
    )
    return SearchPlan(
        options.search,
        nodes,
        objective=options.objective.replace("-", "_"),
        step=options.step,
        folds=options.folds,
        seed=options.seed,
        joint=options.joint,
        calibration=options.calibration,
        class_offsets=options.class_offsets,
        abstain_risk=options.abstain_risk,
        command=_command(options),
    )


def _bundle_nodes(texts: list[str], table: "ScoreTable") -> dict[str, tuple[str, ...]] | None:
    """Members by node as in a bundle's tree, where --tree names one."""
    if len(texts) != 1 or "=" in texts[0]:
        return None
    from facevoice.bundle import bundle_folder, read_card
    from facevoice.bundle.reweigh import bundle_weights

    weights = bundle_weights(read_card(bundle_folder(texts[0])))
    table.select(weights.leaves)
    return {node.name: node.members for node in weights.nodes}


def _node(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, members = text.partition("=")
    if not name or not members:
        raise InvalidInputError(f"--tree {text!r}: write NODE=MEMBER,MEMBER, e.g. audio=is09,is10")
    return name, tuple(members.split(","))


def _command(options: argparse.Namespace) -> str:
    import shlex

    words = ["facevoice", "fuse", str(options.table), "--search", options.search]
    words += ["--objective", options.objective, "--step", f"{options.step:g}"]
    for text in options.tree:
        words += ["--tree", text]
    for name in ("branches", "split", "class_offsets", "abstain_risk", "output"):
        value = getattr(options, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--folds", str(options.folds), "--seed", str(options.seed)]
    words += ["--calibration", options.calibration]
    words += ["--joint"] if options.joint else []
    return shlex.join(words)

"""facevoice fuse: a score table -> weights of its branches, and how well they do."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevoice.cli.console import say, show
from facevoice.cli.options import add_overwrite_option, natural, output_file, share
from facevoice.errors import InvalidInputError

if TYPE_CHECKING:
    from facevoice.scores.choice import Members, SearchPlan
    from facevoice.scores.table import ScoreTable

_SEARCHES = {
    "grid": "all weights on a grid, searched exactly (the paper's search)",
    "nested": "a grid search in each of several folds of groups; the weights are averaged",
    "coarse": "a coarse grid, then finer ones around each choice",
    "log-loss": "the weights of least log-loss (>= 0, sum 1)",
    "shrunk": "grid weights, shrunk towards equal ones by what does best on held-out groups",
    "stacking": "a multinomial logistic regression over all branches' scores",
    "equal": "all weights equal",
    "published": "the paper's weights for the system node",
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "fuse",
        help="choose the weights of a fusion from a score table",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Choose fusion weights on labelled clips scored by facevoice or other models.",
        epilog="searches:\n" + "\n".join(f"  {name:10} {text}" for name, text in _SEARCHES.items()),
    )
    command.add_argument("table", type=Path, metavar="TABLE", help="a .parquet, .csv or .npz file")
    command.add_argument("--search", choices=tuple(_SEARCHES), default="grid", metavar="NAME",
                         help="see below (default: grid)")  # fmt: skip
    command.add_argument("--rule", choices=("sum", "product"), default="sum",
                         help="how weights combine scores: the paper's weighted sum, or the product"
                         " (log-opinion pool) (default: sum)")  # fmt: skip
    command.add_argument("--objective", choices=("war", "uar", "log-loss"), default="war",
                         help="what a grid search optimises (default: war)")  # fmt: skip
    command.add_argument("--step", type=share, default=0.02, metavar="S",
                         help="step of the grid; 1/S must be whole (default: 0.02)")  # fmt: skip
    command.add_argument("--tree", action="append", default=[], metavar="NODE=A,B|BUNDLE|flat",
                         help="an inner node and its members, lower nodes first, repeatable (the"
                         " branches left over join the last node); or a bundle whose tree to use;"
                         " or flat, one node of all branches (default: the tree that the table"
                         " records, else flat)")  # fmt: skip
    command.add_argument("--joint", action="store_true",
                         help="also search all branches in one node, coarse to fine")  # fmt: skip
    command.add_argument("--branches", metavar="A,B", help="use only these branches (default: all)")
    command.add_argument("--split", help="the split to fit on, if the table has several")
    command.add_argument("--folds", type=natural, default=0, metavar="N",
                         help="repeat the search over N folds of groups, to measure it on held-out"
                         " clips (default: 0; nested: 5)")  # fmt: skip
    command.add_argument("--seed", type=natural, default=0, help="seed of the folds (default: 0)")
    command.add_argument("--calibration", choices=("temperature", "vector", "none"),
                         default="temperature",
                         help="of the last node's scores: one temperature, which changes no"
                         " decision; vector, a scale and an offset for every class; or none"
                         " (default: temperature)")  # fmt: skip
    command.add_argument("--class-offsets", choices=("war", "uar"),
                         help="also fit class offsets, over folds, to raise this")  # fmt: skip
    command.add_argument("--abstain-risk", type=share, metavar="R",
                         help="also find the score below which to abstain, so that at most"
                         " this share of the answers is wrong")  # fmt: skip
    command.add_argument("--allow-trained", action="store_true",
                         help="also fit on clips that taught what scored them")  # fmt: skip
    command.add_argument(
        "-o",
        "--output",
        type=output_file,
        metavar="FILE",
        help="write the weights to this JSON file",
    )
    add_overwrite_option(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Search, print what was found, and write it."""
    from facevoice.report.fit import fit_text
    from facevoice.report.measure import one_split
    from facevoice.scores.choice import choose_weights
    from facevoice.scores.table import read_score_table
    from facevoice.scores.weights_file import write_weights
    from facevoice.writing import check_file

    if options.output is not None:
        check_file(options.output, overwrite=options.overwrite)
    whole = read_score_table(options.table)
    table = one_split(whole, options.split)
    if options.branches:
        table = table.select(options.branches.split(","))
    plan = _plan(options, table)
    choice = choose_weights(table, plan)
    show(fit_text(table, plan, choice, str(options.table)))
    if not options.tree and table.tree is None:
        say("the table records no tree: its branches were fused in one node (see --tree)")
    if options.output is not None:
        write_weights(choice.fitted, options.output)
        say(f"written to {options.output}; try: facevoice evaluate TABLE --weights"
            f" {options.output}")  # fmt: skip
    return 0


def _plan(options: argparse.Namespace, table: "ScoreTable") -> "SearchPlan":
    from facevoice.scores.choice import SearchPlan

    return SearchPlan(
        options.search,
        _nodes(options.tree, table),
        rule=options.rule,
        objective=options.objective.replace("-", "_"),
        step=options.step,
        folds=options.folds,
        seed=options.seed,
        joint=options.joint,
        calibration=options.calibration,
        class_offsets=options.class_offsets,
        abstain_risk=options.abstain_risk,
        command=_command(options),
        allow_trained=options.allow_trained,
    )


def _nodes(texts: list[str], table: "ScoreTable") -> "Members":
    """Members by node: from --tree, else from the bundle that gave the scores."""
    from facevoice.bundle import bundle_folder, read_card
    from facevoice.scores.choice import nodes_of

    if texts == ["flat"]:
        return nodes_of(table.branches)
    if len(texts) == 1 and "=" not in texts[0]:
        nodes = _tree_nodes(read_card(bundle_folder(texts[0]))["tree"])
        table.select([name for members in nodes.values() for name in members if name not in nodes])
        return nodes
    if texts:
        return nodes_of(table.branches, dict(_node(text) for text in texts))
    if table.tree is None:
        return nodes_of(table.branches)
    return _kept(_tree_nodes(table.tree), table)


def _tree_nodes(tree: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    from facevoice.bundle.reweigh import inner_nodes

    return {name: members for name, members, _ in inner_nodes(tree)}


def _kept(nodes: dict[str, tuple[str, ...]], table: "ScoreTable") -> "Members":
    """The nodes over branches that the table has (see --branches); empty nodes are dropped."""
    kept: dict[str, tuple[str, ...]] = {}
    for name, members in nodes.items():
        known = tuple(member for member in members if member in (*table.branches, *kept))
        kept |= {name: known} if known else {}
    return kept


def _node(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, members = text.partition("=")
    if not name or not members:
        raise InvalidInputError(f"--tree {text!r}: write NODE=MEMBER,MEMBER, e.g. audio=is09,is10")
    return name, tuple(members.split(","))


def _command(options: argparse.Namespace) -> str:
    import shlex

    words = ["facevoice", "fuse", str(options.table), "--search", options.search]
    words += [] if options.rule == "sum" else ["--rule", options.rule]
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
    words += ["--allow-trained"] if options.allow_trained else []
    return shlex.join(words)

"""What reading people against their own baselines does to a bundle's figures on labelled clips.

``whole``: each clip against all clips of its person, itself included: figures that see the test
clips, though not their labels. ``causal``: against those before it alone, in random orders, since
the order of a table of labels is nobody's life. A clip that cannot be read against its person keeps
its plain scores.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from facevoice.bundle import Bundle
from facevoice.errors import InvalidInputError
from facevoice.messages import counted
from facevoice.person import FEWEST_CLIPS, Baseline
from facevoice.predict import Prediction, read_against
from facevoice.report.scoring import row_of
from facevoice.scores.metrics import (
    ConfusionMatrix,
    PairedTest,
    paired_permutation,
    predicted_classes,
)
from facevoice.scores.table import ScoreTable

Mode = Literal["whole", "causal"]
ORDERS: Final = 30
"""How many random orders the causal figures are the mean of."""


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """A node's figures, plain and personal.

    war, uar: personal; of several orders, the means. least, most: WAR of the worst and best order.
    test: of the right answers, personal less plain, swapping whole people.
    """

    node: str
    raw_war: float
    raw_uar: float
    war: float
    uar: float
    least: float
    most: float
    test: PairedTest


@dataclass(frozen=True, slots=True)
class PersonalFigures:
    """A mode's figures of every node that has scores.

    people: whose clips they are. clips: with a label. clips_read: how many of these were read
    against their person, the mean over the orders; the others keep their plain scores.
    """

    mode: Mode
    orders: int
    people: int
    clips: int
    clips_read: float
    nodes: tuple[NodeFigures, ...]


def personal_figures(
    bundle: Bundle,
    table: ScoreTable,
    predictions: Sequence[Prediction],
    mode: Mode,
    *,
    orders: int = ORDERS,
    seed: int = 0,
) -> PersonalFigures:
    """Read every clip against its group's clips.

    table: of all nodes, see ``score_clips``. predictions: of its clips, in its order.

    Raises:
        InvalidInputError: the bundle has no population, or nobody has as many clips as a
            baseline needs.
    """
    check_people(bundle, table.groups.tolist())
    people = [np.flatnonzero(table.groups == name) for name in np.unique(table.groups)]
    if mode == "whole":
        found = [_read(bundle, table, predictions, people, mode)]
    else:
        rng = np.random.default_rng(seed)
        found = [
            _read(bundle, table, predictions, [rng.permutation(rows) for rows in people], mode)
            for _ in range(orders)
        ]
    tables = [each for each, _ in found]
    named = [name for name, coverage in table.coverage().items() if coverage > 0]
    return PersonalFigures(
        mode,
        len(tables),
        len(people),
        int(table.labelled.sum()),
        float(np.mean([count for _, count in found])),
        tuple(_figures(table, tables, name) for name in named),
    )


def check_people(bundle: Bundle, groups: Sequence[str]) -> None:
    """Check, before any is scored, that clips can be read against their people.

    groups: whose each clip is.

    Raises:
        InvalidInputError: the bundle has no population, or nobody has as many clips as a
            baseline needs.
    """
    if bundle.population is None:
        raise InvalidInputError(
            f"the bundle {bundle.name} has no population to read people against"
        )
    most = max(Counter(groups).values(), default=0)
    if most < FEWEST_CLIPS:
        raise InvalidInputError(
            f"nobody has {FEWEST_CLIPS} clips, which a baseline needs (at most {most} are of one"
            " person): the column speaker or group of the labels says whose each clip is"
        )


def _read(
    bundle: Bundle,
    table: ScoreTable,
    predictions: Sequence[Prediction],
    people: Sequence[NDArray[np.intp]],
    mode: Mode,
) -> tuple[ScoreTable, int]:
    """The table as the people's own baselines have it, and how many labelled clips these change."""
    scores, count = table.scores.copy(), 0
    for rows in people:
        known = Baseline.empty(bundle)
        if mode == "whole":
            known = known.after(predictions[row] for row in rows)
        for row in rows:
            personal = read_against(predictions[row], bundle, known).personal
            if personal is not None:
                scores[row] = np.array(row_of(personal.scores, bundle.tree))
                count += bool(table.labelled[row])
            if mode == "causal":
                known = known.update(predictions[row])
    return replace(table, scores=scores), count


def _figures(table: ScoreTable, tables: Sequence[ScoreTable], node: str) -> NodeFigures:
    known = table.labelled
    truth = table.truth[known]
    plain = ConfusionMatrix.of_scores(table.column(node), table.truth, table.labels)
    found = [ConfusionMatrix.of_scores(t.column(node), t.truth, t.labels) for t in tables]
    right = sum(
        (predicted_classes(t.column(node))[known] == truth).astype(np.int64) for t in tables
    )
    before = len(tables) * (predicted_classes(table.column(node))[known] == truth)
    # whole numbers over all orders, so that the test counts every pattern of signs
    test = paired_permutation(np.asarray(right), before, groups=table.groups[known])
    wars = [matrix.war for matrix in found]
    return NodeFigures(
        node,
        plain.war,
        plain.uar,
        float(np.mean(wars)),
        float(np.mean([matrix.uar for matrix in found])),
        min(wars),
        max(wars),
        replace(test, difference=test.difference / len(tables)),
    )


def personal_record(figures: Sequence[PersonalFigures]) -> dict[str, Any]:
    """Values for JSON: the first mode's, and those of further modes by name."""
    first, *others = figures
    return _mode_record(first) | {each.mode: _mode_record(each) for each in others}


def _mode_record(figures: PersonalFigures) -> dict[str, Any]:
    return {
        "mode": figures.mode,
        "people": figures.people,
        "clips": figures.clips,
        "clips_read": figures.clips_read,
        "orders": figures.orders,
        "sees_the_test_clips": figures.mode == "whole",
        "nodes": {
            each.node: {
                "raw_war": each.raw_war,
                "raw_uar": each.raw_uar,
                "war": each.war,
                "uar": each.uar,
                "war_least": each.least,
                "war_most": each.most,
                "difference": each.test.difference,
                "p_value": each.test.p_value,
                "exact": each.test.exact,
                "people_that_differ": each.test.units,
            }
            for each in figures.nodes
        },
    }


def personal_lines(figures: Sequence[PersonalFigures]) -> list[str]:
    """The figures as text, with what they may be taken for."""
    lines = []
    for each in figures:
        lines += ["", _heading(each)]
        width = max(len(node.node) for node in each.nodes)
        lines.append(f"{'percent':{width}}     raw         personal      points")
        spread = "  (WAR of the worst and the best order)" if each.orders > 1 else ""
        lines.append(f"{'':{width}}   WAR   UAR   WAR   UAR   WAR       p{spread}")
        lines += [_line(node, width, each.orders) for node in each.nodes]
    return lines


def _heading(figures: PersonalFigures) -> str:
    read = "all read personally"
    if figures.clips_read < figures.clips:
        read = f"{figures.clips_read:.6g} of them read personally, the others plainly"
    people = counted(figures.people, "person", "people")
    what = f"{people}, {counted(figures.clips, 'clip')}, {read}"
    if figures.mode == "whole":
        return (
            f"personal, whole ({what}): each clip is read against all of its person's clips, itself"
            " included. These figures see the test clips, though not their labels."
        )
    return (
        f"personal, causal ({what}): each clip is read against its person's earlier ones; mean of"
        f" {figures.orders} random orders."
    )


def _line(node: NodeFigures, width: int, orders: int) -> str:
    spread = f"  ({100 * node.least:.1f}-{100 * node.most:.1f})" if orders > 1 else ""
    how = "" if node.test.exact else " (drawn)"
    shares = (node.raw_war, node.raw_uar, node.war, node.uar)
    figures = "".join(f"{100 * share:6.1f}" for share in shares)
    gain = 100 * node.test.difference
    return f"{node.node:{width}}{figures}  {gain:+5.1f}  {node.test.p_value:7.2g}{how}{spread}"

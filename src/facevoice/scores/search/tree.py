"""Weights, and the scores they give on a score table (the paper, eq. 4).

A tree of weights lists its leaves' nodes first: the audio node blends three voice branches, the
system node blends four face branches and the audio node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.adjustment import UNCHANGED, Adjustment
from facevoice.branches.blend import RULES, Rule, blend, checked_weights
from facevoice.errors import InvalidInputError
from facevoice.scores.table import ScoreTable
from facevoice.types import Float64Array

FORMATS: Final = (1, 2)
"""Of weights.json. Format 2 holds a node whose rule is not the sum: older readers refuse it."""

PUBLISHED_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {"vggface": 0.88, "resnet18": 0.34, "densenet121": 0.22, "vgg_affectnet": 0.06, "audio": 0.30}
)
"""The paper's weights of the system node (eq. 4), found on AFEW's validation clips.

The names are those of recipes/system.toml.
"""


class Fusion(Protocol):
    """Anything fitted that turns a score table into one distribution per clip."""

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores; a row of NaN where the fusion has none."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """One blend: its name, its members (branches or earlier nodes), one weight per member.

    adjustment, rule: see ``branches.Blend``, which does this to the scores of one clip.
    """

    name: str
    members: tuple[str, ...]
    weights: tuple[float, ...]
    adjustment: Adjustment = UNCHANGED
    rule: Rule = "sum"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InvalidInputError(f"node {self.name!r}: unknown rule {self.rule!r}")
        if not self.members or len(set(self.members)) != len(self.members):
            raise InvalidInputError(f"node {self.name!r} needs different members: {self.members}")
        if self.name in self.members:
            raise InvalidInputError(f"node {self.name!r} cannot be its own member")
        checked_weights(self.weights, len(self.members))

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) blend of the members, which must be branches of the table."""
        scores = table.select(self.members).scores
        return blend(scores, self.weights, self.rule, self.adjustment)

    def several(self, table: ScoreTable) -> NDArray[np.bool_]:
        """(N,) whether two or more members that count have scores: the clips that are adjusted."""
        present = table.select(self.members).present & (np.array(self.weights) > 0)
        return np.asarray(present.sum(axis=1) > 1, np.bool_)

    def settings(self) -> dict[str, Any]:
        """What weights.json and bundle.json hold besides names and weights."""
        rule = {} if self.rule == "sum" else {"rule": self.rule}
        return rule | self.adjustment.to_dict()


@dataclass(frozen=True, slots=True)
class WeightTree:
    """Nodes, each after its members; the last one is the result."""

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        names = [node.name for node in self.nodes]
        if not names or len(set(names)) != len(names):
            raise InvalidInputError(f"a weight tree needs nodes of different names, got {names}")
        for place, node in enumerate(self.nodes):
            late = set(node.members) & set(names[place:])
            if late:
                raise InvalidInputError(f"node {node.name!r} comes before its member {late.pop()}")

    @classmethod
    def of(
        cls,
        members: Sequence[str],
        weights: Sequence[float] | Float64Array,
        name: str = "system",
        rule: Rule = "sum",
    ) -> "WeightTree":
        """A tree of one node."""
        values = tuple(float(weight) for weight in weights)
        return cls((Node(name, tuple(members), values, rule=rule),))

    @classmethod
    def equal(
        cls, members: Sequence[str], name: str = "system", rule: Rule = "sum"
    ) -> "WeightTree":
        """Every member weighs the same."""
        return cls.of(members, [1.0] * len(members), name, rule)

    @property
    def root(self) -> Node:
        """The node whose scores are the result."""
        return self.nodes[-1]

    def adjusted(self, adjustment: Adjustment) -> "WeightTree":
        """The same weights; the last node's adjustment is replaced."""
        return WeightTree((*self.nodes[:-1], replace(self.root, adjustment=adjustment)))

    def node(self, name: str) -> Node:
        """A node by name.

        Raises:
            InvalidInputError: there is none; the message lists the known ones.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise InvalidInputError(f"no node {name!r} in the weights; nodes: {known}")

    @property
    def leaves(self) -> tuple[str, ...]:
        """The branches that the tree reads, in order."""
        names = {node.name for node in self.nodes}
        members = [member for node in self.nodes for member in node.members]
        return tuple(dict.fromkeys(member for member in members if member not in names))

    def leaf_shares(self) -> dict[str, float]:
        """Each branch's weight in the result if all have scores, before any adjustment; sum 1."""
        shares = {self.root.name: 1.0}
        for node in reversed(self.nodes):
            whole, total = shares.pop(node.name, 0.0), sum(node.weights)
            for member, weight in zip(node.members, node.weights, strict=True):
                shares[member] = shares.get(member, 0.0) + whole * weight / total
        return shares

    def extend(self, table: ScoreTable) -> ScoreTable:
        """The table with one more branch for each node."""
        for node in self.nodes:
            table = table.with_branch(node.name, node.fuse(table))
        return table

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores of the root; a row of NaN where no branch that counts has scores."""
        return self.extend(table.select(self.leaves)).column(self.root.name)

    def to_dict(self) -> dict[str, Any]:
        """What weights.json holds."""
        nodes = [
            {"name": node.name, "members": list(node.members), "weights": list(node.weights)}
            | node.settings()
            for node in self.nodes
        ]
        newer = any(node.rule != "sum" for node in self.nodes)
        return {"format": 2 if newer else 1, "nodes": nodes, "kind": "weights"}

    @classmethod
    def of_dict(cls, card: Mapping[str, Any]) -> "WeightTree":
        """Read back what ``to_dict`` gave; other keys are ignored.

        Raises:
            InvalidInputError: another format, or a key is absent or of a wrong type.
        """
        check_format(card)
        try:
            nodes = tuple(
                Node(
                    str(node["name"]),
                    tuple(str(member) for member in node["members"]),
                    tuple(float(weight) for weight in node["weights"]),
                    Adjustment.of_dict(node),
                    node.get("rule", "sum"),
                )
                for node in card["nodes"]
            )
        except (KeyError, TypeError) as error:
            raise InvalidInputError(
                f"weights: a node has a missing or wrong value: {error}"
            ) from error
        return cls(nodes)


def check_format(card: Mapping[str, Any]) -> None:
    """Raise InvalidInputError unless this version reads weights of that format."""
    if card.get("format") not in FORMATS:
        known = ", ".join(map(str, FORMATS))
        raise InvalidInputError(f"weights of format {card.get('format')!r}; known: {known}")


def weight_tree(fitted: object) -> WeightTree:
    """The tree of weights in the outcome of a search.

    Raises:
        InvalidInputError: it holds none (e.g. a stacked regression).
    """
    tree = getattr(fitted, "tree", fitted)
    if not isinstance(tree, WeightTree):
        raise InvalidInputError(f"{type(fitted).__name__} holds no weights")
    return tree


def published_tree(name: str = "system") -> WeightTree:
    """The paper's system node."""
    return WeightTree.of(tuple(PUBLISHED_WEIGHTS), list(PUBLISHED_WEIGHTS.values()), name)

"""Weights, and what they do to a score table (the paper, eq. 4).

A tree of weights is written leaves first: the audio node blends three voice branches, the system
node blends four face branches and the audio node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.adjustment import UNCHANGED, Adjustment
from facevoice.errors import InvalidInputError
from facevoice.scores.table import ScoreTable
from facevoice.types import Float64Array

FORMAT: Final = 1

PUBLISHED_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {"vggface": 0.88, "resnet18": 0.34, "densenet121": 0.22, "affectnet": 0.06, "audio": 0.30}
)
"""The paper's weights of the system node (eq. 4), found on AFEW's validation clips."""


class Fusion(Protocol):
    """Anything fitted that turns a score table into one distribution a clip."""

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores; a row of NaN where the fusion has nothing to say."""
        ...


def blend(scores: NDArray[Any], weights: Sequence[float] | Float64Array) -> Float64Array:
    """The weighted mean of the members that speak: (N, B, K) and (B,) -> (N, K).

    The weights of the members that speak (and weigh more than 0) are scaled to sum 1, so a single
    one's scores pass unchanged. A clip on which none of them speaks gets a row of NaN.
    """
    values = np.asarray(scores, np.float64)
    factors = checked_weights(weights, values.shape[1])
    counted = ~np.isnan(values[:, :, 0]) * factors
    total = counted.sum(axis=1, keepdims=True)
    shares = np.divide(counted, total, out=np.zeros_like(counted), where=total > 0)
    mixed = np.zeros((values.shape[0], values.shape[2]))
    for member in range(values.shape[1]):
        column = np.nan_to_num(values[:, member], nan=0.0)
        mixed += shares[:, member, None] * column
    mixed[total[:, 0] == 0] = np.nan
    return mixed


def checked_weights(weights: Sequence[float] | Float64Array, count: int) -> Float64Array:
    """Weights as an array (count,): finite, >= 0 and not all 0.

    Raises:
        InvalidInputError: they are not.
    """
    array = np.asarray(weights, np.float64)
    if array.shape != (count,):
        raise InvalidInputError(f"{count} members need {count} weights, got shape {array.shape}")
    if not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
        raise InvalidInputError(f"weights must be >= 0 and not all 0, got {array.tolist()}")
    return array


@dataclass(frozen=True, slots=True)
class Node:
    """One blend: its name, its members (branches or earlier nodes), one weight a member.

    adjustment: of the blend of two or more members; a single speaking member's scores pass
        unchanged.
    """

    name: str
    members: tuple[str, ...]
    weights: tuple[float, ...]
    adjustment: Adjustment = UNCHANGED

    def __post_init__(self) -> None:
        if not self.members or len(set(self.members)) != len(self.members):
            raise InvalidInputError(f"node {self.name!r} needs different members: {self.members}")
        if self.name in self.members:
            raise InvalidInputError(f"node {self.name!r} cannot be its own member")
        checked_weights(self.weights, len(self.members))

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) blend of the members, which must be branches of the table."""
        chosen = table.select(self.members)
        mixed = blend(chosen.scores, self.weights)
        several = self.several(table)
        mixed[several] = self.adjustment.apply(mixed[several])
        return mixed

    def several(self, table: ScoreTable) -> NDArray[np.bool_]:
        """(N,) whether two or more members that count speak: the clips that are adjusted."""
        present = table.select(self.members).present & (np.array(self.weights) > 0)
        return np.asarray(present.sum(axis=1) > 1, np.bool_)


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
                raise InvalidInputError(f"node {node.name!r} stands before its member {late.pop()}")

    @classmethod
    def of(
        cls, members: Sequence[str], weights: Sequence[float] | Float64Array, name: str = "system"
    ) -> "WeightTree":
        """A tree of one node."""
        return cls((Node(name, tuple(members), tuple(float(weight) for weight in weights)),))

    @classmethod
    def equal(cls, members: Sequence[str], name: str = "system") -> "WeightTree":
        """Every member weighs the same."""
        return cls.of(members, [1.0] * len(members), name)

    @property
    def root(self) -> Node:
        """The node whose scores are the result."""
        return self.nodes[-1]

    def adjusted(self, adjustment: Adjustment) -> "WeightTree":
        """The same weights; the last node adjusts its blend in this way and in no other."""
        return WeightTree((*self.nodes[:-1], replace(self.root, adjustment=adjustment)))

    def node(self, name: str) -> Node:
        """A node by name.

        Raises:
            InvalidInputError: there is none; the message lists those there are.
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
        """What each branch weighs in the result where all speak, before any adjustment; sum 1."""
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
        """(N, K) scores of the root; a row of NaN where no branch that counts speaks."""
        return self.extend(table.select(self.leaves)).column(self.root.name)

    def to_dict(self) -> dict[str, Any]:
        """What weights.json holds."""
        nodes = [
            {
                "name": node.name,
                "members": list(node.members),
                "weights": list(node.weights),
            }
            | node.adjustment.to_dict()
            for node in self.nodes
        ]
        return {"format": FORMAT, "nodes": nodes}

    @classmethod
    def of_dict(cls, card: Mapping[str, Any]) -> "WeightTree":
        """Read back what ``to_dict`` gave; other keys are left alone.

        Raises:
            InvalidInputError: another format, or a key is absent or of a wrong type.
        """
        if card.get("format") != FORMAT:
            raise InvalidInputError(f"weights of format {card.get('format')!r}; known: {FORMAT}")
        try:
            nodes = tuple(
                Node(
                    str(node["name"]),
                    tuple(str(member) for member in node["members"]),
                    tuple(float(weight) for weight in node["weights"]),
                    Adjustment.of_dict(node),
                )
                for node in card["nodes"]
            )
        except (KeyError, TypeError) as error:
            raise InvalidInputError(f"weights: a node lacks or misstates {error}") from error
        return cls(nodes)


def published_tree(name: str = "system") -> WeightTree:
    """The paper's system node."""
    return WeightTree.of(tuple(PUBLISHED_WEIGHTS), list(PUBLISHED_WEIGHTS.values()), name)

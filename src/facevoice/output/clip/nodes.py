"""The tree of branches with the scores of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from facevoice.branches import Branch, Stack, leaves
from facevoice.branches.tree import members_of
from facevoice.types import Modality, Scores

Fusion = Literal["sum", "product", "stack"]


@dataclass(frozen=True, slots=True)
class Node:
    """One branch and its part in the result.

    modalities: what its leaves read.
    scores: None if it gave none.
    share: its weight in the node above, among the members that gave scores, 0 to 1; 1 at the
        root, None without scores and below a node that has no weights (a stack).
    counted: whether the result would differ without it.
    fusion: how it combines its members: by a blend's rule, or as a stack.
    """

    name: str
    modalities: frozenset[Modality]
    scores: Scores | None
    share: float | None
    counted: bool
    members: tuple["Node", ...] = ()
    fusion: Fusion = "sum"

    def walk(self) -> Iterator["Node"]:
        """This node and all below, depth first."""
        yield self
        for member in self.members:
            yield from member.walk()

    @property
    def modality(self) -> Modality | None:
        """The one modality that it reads; None if it reads several or none."""
        (*_, one) = self.modalities or [None]
        return one if len(self.modalities) == 1 else None


def node_of(branch: Branch, scores: Scores | None) -> Node:
    """A branch with its scores, and all its members with theirs."""
    return _node(branch, scores, None if scores is None else 1.0, counted=scores is not None)


def _node(branch: Branch, scores: Scores | None, share: float | None, *, counted: bool) -> Node:
    modalities = frozenset(leaf.modality for leaf in leaves(branch) if leaf.modality is not None)
    members: list[Node] = []
    parts = {} if scores is None else scores.parts
    weights: Sequence[float | None] = getattr(branch, "weights", ())
    named = list(zip_longest(members_of(branch), weights))
    total = sum(weight or 0 for member, weight in named if member.name in parts)
    for member, weight in named:
        part = parts.get(member.name)
        own = weight / total if weight is not None and part is not None and total > 0 else None
        counts = counted and part is not None and (weight is None or bool(own))
        members.append(_node(member, part, own, counted=counts))
    fusion: Fusion = "stack" if isinstance(branch, Stack) else getattr(branch, "rule", "sum")
    return Node(branch.name, modalities, scores, share, counted, tuple(members), fusion)


def counted_modalities(root: Node) -> frozenset[Modality]:
    """What the result rests on: the modalities of the leaves that counted."""
    counted = [node.modalities for node in root.walk() if node.counted and not node.members]
    return frozenset().union(*counted)


def by_modality(root: Node) -> list[tuple[Modality | None, tuple[Node, ...]]]:
    """The root's members (or the root, if it has none) grouped by what they read, in order."""
    groups: dict[Modality | None, list[Node]] = {}
    for node in root.members or (root,):
        groups.setdefault(node.modality, []).append(node)
    return [(modality, tuple(nodes)) for modality, nodes in groups.items()]

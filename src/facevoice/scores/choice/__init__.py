"""Choosing weights by name of the search, and measuring the choice.

The searches themselves are in ``facevoice.scores.search``; here they run at every node of a
tree (the audio node first, then the system, as in the paper), and over folds.
"""

from facevoice.scores.choice.choose import choose_weights
from facevoice.scores.choice.plan import Choice, Members, SearchPlan, nodes_of
from facevoice.scores.choice.searches import SEARCHES, joint_search

__all__ = [
    "SEARCHES",
    "Choice",
    "Members",
    "SearchPlan",
    "choose_weights",
    "joint_search",
    "nodes_of",
]

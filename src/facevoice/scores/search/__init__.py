"""Late fusion: choosing the weights of branches, and measuring how well they do."""

from facevoice.scores.search.comparison import (
    Contribution,
    best_branch,
    compare,
    leave_one_branch_out,
    silenced,
)
from facevoice.scores.search.grid import (
    GridResult,
    TreeResult,
    by_node,
    search_coarse_to_fine,
    search_grid,
    search_tree,
)
from facevoice.scores.search.nested import Fit, NestedResult, fit_nested
from facevoice.scores.search.shrinkage import ShrunkWeights, fit_shrunk, shrink
from facevoice.scores.search.simplex import blend_log_loss, fit_log_loss
from facevoice.scores.search.stacking import StackedRegression, fit_stacking
from facevoice.scores.search.tree import (
    PUBLISHED_WEIGHTS,
    Fusion,
    Node,
    WeightTree,
    published_tree,
    weight_tree,
)

__all__ = [
    "PUBLISHED_WEIGHTS",
    "Contribution",
    "Fit",
    "Fusion",
    "GridResult",
    "NestedResult",
    "Node",
    "ShrunkWeights",
    "StackedRegression",
    "TreeResult",
    "WeightTree",
    "best_branch",
    "blend_log_loss",
    "by_node",
    "compare",
    "fit_log_loss",
    "fit_nested",
    "fit_shrunk",
    "fit_stacking",
    "leave_one_branch_out",
    "published_tree",
    "search_coarse_to_fine",
    "search_grid",
    "search_tree",
    "shrink",
    "silenced",
    "weight_tree",
]

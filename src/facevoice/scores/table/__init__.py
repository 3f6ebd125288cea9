"""Scores of several branches on the same clips, with their truth: what fusion is fitted on."""

from facevoice.scores.table.files import (
    read_score_table,
    table_of_frame,
    table_to_frame,
    write_score_table,
)
from facevoice.scores.table.folds import deal_splits, grouped_folds, shared_groups, twins
from facevoice.scores.table.join import join
from facevoice.scores.table.table import ScoredBy, ScoreTable

__all__ = [
    "ScoreTable",
    "ScoredBy",
    "deal_splits",
    "grouped_folds",
    "join",
    "read_score_table",
    "shared_groups",
    "table_of_frame",
    "table_to_frame",
    "twins",
    "write_score_table",
]

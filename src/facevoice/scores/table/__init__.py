"""Scores of several branches on the same clips, with their truth: what fusion is fitted on."""

from facevoice.scores.table.files import (
    check_table_file,
    is_score_csv,
    read_score_table,
    table_of_frame,
    table_to_frame,
    write_score_table,
)
from facevoice.scores.table.folds import deal_splits, grouped_folds, shared_groups, twins
from facevoice.scores.table.join import join, taught_either
from facevoice.scores.table.learnt import (
    HOW_TO_ALLOW,
    looked_for,
    refuse_taught,
    scorer,
    trained_on,
)
from facevoice.scores.table.table import TAUGHT, ScoredBy, ScoreTable

__all__ = [
    "HOW_TO_ALLOW",
    "TAUGHT",
    "ScoreTable",
    "ScoredBy",
    "check_table_file",
    "deal_splits",
    "grouped_folds",
    "is_score_csv",
    "join",
    "looked_for",
    "read_score_table",
    "refuse_taught",
    "scorer",
    "shared_groups",
    "table_of_frame",
    "table_to_frame",
    "taught_either",
    "trained_on",
    "twins",
    "write_score_table",
]

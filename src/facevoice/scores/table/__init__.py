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
    OVERRATED,
    USELESS,
    known_clips,
    looked_for,
    not_looked_for,
    refuse,
    taught_in,
    trained_on,
)
from facevoice.scores.table.table import TAUGHT, ScoredBy, ScoreTable

__all__ = [
    "OVERRATED",
    "TAUGHT",
    "USELESS",
    "ScoreTable",
    "ScoredBy",
    "check_table_file",
    "deal_splits",
    "grouped_folds",
    "is_score_csv",
    "join",
    "known_clips",
    "looked_for",
    "not_looked_for",
    "read_score_table",
    "refuse",
    "shared_groups",
    "table_of_frame",
    "table_to_frame",
    "taught_either",
    "taught_in",
    "trained_on",
    "twins",
    "write_score_table",
]

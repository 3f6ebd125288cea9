"""A person's own baseline: each is read against himself or herself; docs/person.md explains it."""

from facevoice.person.baseline import Baseline
from facevoice.person.estimator import FEWEST_CLIPS, BranchStatistics, Shift, Statistics
from facevoice.person.personal import REASONS, Personal, Reason, personal_of, shifted
from facevoice.person.population import BranchPopulation, Population
from facevoice.person.readings import Reading

__all__ = [
    "FEWEST_CLIPS",
    "REASONS",
    "Baseline",
    "BranchPopulation",
    "BranchStatistics",
    "Personal",
    "Population",
    "Reading",
    "Reason",
    "Shift",
    "Statistics",
    "personal_of",
    "shifted",
]

"""A person's own baseline: each is read against himself or herself; docs/person.md explains it."""

from facevoice.person.baseline import Baseline
from facevoice.person.estimator import FEWEST_CLIPS, BranchStatistics, Shift, Statistics
from facevoice.person.film import CLIP_SECONDS, FilmStatistics
from facevoice.person.personal import REASONS, Personal, Reason, personal_of, shifted
from facevoice.person.population import BranchPopulation, Population
from facevoice.person.readings import Reading

__all__ = [
    "CLIP_SECONDS",
    "FEWEST_CLIPS",
    "REASONS",
    "Baseline",
    "BranchPopulation",
    "BranchStatistics",
    "FilmStatistics",
    "Personal",
    "Population",
    "Reading",
    "Reason",
    "Shift",
    "Statistics",
    "personal_of",
    "shifted",
]

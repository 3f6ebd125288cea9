"""Predict the emotion of a clip."""

from facevoice.predict.prediction import EvidenceSummary, Prediction
from facevoice.predict.predictor import Predictor, load, read_against

__all__ = ["EvidenceSummary", "Prediction", "Predictor", "load", "read_against"]

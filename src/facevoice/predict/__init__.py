"""Predict the emotion of a clip."""

from facevoice.predict.prediction import EvidenceSummary, Prediction
from facevoice.predict.predictor import Predictor, load

__all__ = ["EvidenceSummary", "Prediction", "Predictor", "load"]

"""A clip in, a prediction out."""

from facevoice.predict.prediction import EvidenceSummary, Prediction
from facevoice.predict.predictor import Predictor, load

__all__ = ["EvidenceSummary", "Prediction", "Predictor", "load"]

"""Thousands of files -> their predictions, in several processes or on several machines.

>>> from facevoice.batch import Processes, predict_all
>>> for prediction in predict_all(paths, engine=Processes(workers=2)):  # doctest: +SKIP
...     print(prediction.path, prediction.emotion)
"""

from facevoice.batch.engine import Engine, Processes
from facevoice.batch.ray_engine import RayCluster
from facevoice.batch.records import Records
from facevoice.batch.run import predict_all
from facevoice.batch.scoring import Scoring, Unit
from facevoice.workers.progress import Progress

__all__ = [
    "Engine",
    "Processes",
    "Progress",
    "RayCluster",
    "Records",
    "Scoring",
    "Unit",
    "predict_all",
]

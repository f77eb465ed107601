"""Training an adapter on a frozen base model."""

from executors.train.executor import Train
from executors.train.params import TrainParams
from executors.train.probe import FitProbe

__all__ = ["FitProbe", "Train", "TrainParams"]

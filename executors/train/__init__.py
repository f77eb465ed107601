"""Training an adapter on a frozen base model."""

from executors.train.executor import Train
from executors.train.params import TrainParams

__all__ = ["Train", "TrainParams"]

"""Memory math: what a model is made of, and how many bytes each phase of its life needs."""

from planner.memory.architecture import Architecture
from planner.memory.errors import EstimateError
from planner.memory.families import KNOWN_TYPES
from planner.memory.inference import InferenceEstimate, cache_bytes, estimate_inference, weight_bytes
from planner.memory.interval import Interval
from planner.memory.moments import Moment
from planner.memory.parameters import total_parameters, trainable_parameters
from planner.memory.read import architecture_of_size, read_architecture
from planner.memory.rule_of_thumb import RuleOfThumb, rule_of_thumb
from planner.memory.setting import InferenceSetting, TrainingSetting, inference_setting, training_setting
from planner.memory.training import TrainingEstimate, estimate_training

__all__ = [
    "KNOWN_TYPES",
    "Architecture",
    "EstimateError",
    "InferenceEstimate",
    "InferenceSetting",
    "Interval",
    "Moment",
    "RuleOfThumb",
    "TrainingEstimate",
    "TrainingSetting",
    "architecture_of_size",
    "cache_bytes",
    "estimate_inference",
    "estimate_training",
    "inference_setting",
    "read_architecture",
    "rule_of_thumb",
    "total_parameters",
    "trainable_parameters",
    "training_setting",
    "weight_bytes",
]

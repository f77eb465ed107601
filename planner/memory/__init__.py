"""Memory math: what a model is made of, and how many bytes, seconds and dollars each phase of its life needs."""

from planner.memory.architecture import Architecture
from planner.memory.compute import Effort, Work, forward_flops, step_flops, training_effort
from planner.memory.disk import checkpoint_bytes, run_bytes
from planner.memory.errors import EstimateError
from planner.memory.families import KNOWN_TYPES
from planner.memory.fit import Change, cheapest_fit, largest_batch, largest_sequence, ways_to_fit
from planner.memory.inference import InferenceEstimate, cache_bytes, estimate_inference, weight_bytes
from planner.memory.interval import Interval
from planner.memory.loading import PhaseEstimate, estimate_loading
from planner.memory.merging import estimate_adapter_merge, estimate_merge
from planner.memory.moments import Moment
from planner.memory.parameters import total_parameters, trainable_parameters
from planner.memory.quantizing import estimate_quantization
from planner.memory.read import architecture_of_size, read_architecture
from planner.memory.rule_of_thumb import RuleOfThumb, rule_of_thumb
from planner.memory.setting import InferenceSetting, TrainingSetting, inference_setting, training_setting
from planner.memory.training import TrainingEstimate, estimate_training

__all__ = [
    "KNOWN_TYPES",
    "Architecture",
    "Change",
    "Effort",
    "EstimateError",
    "InferenceEstimate",
    "InferenceSetting",
    "Interval",
    "Moment",
    "PhaseEstimate",
    "RuleOfThumb",
    "TrainingEstimate",
    "TrainingSetting",
    "Work",
    "architecture_of_size",
    "cache_bytes",
    "cheapest_fit",
    "checkpoint_bytes",
    "estimate_adapter_merge",
    "estimate_inference",
    "estimate_loading",
    "estimate_merge",
    "estimate_quantization",
    "estimate_training",
    "forward_flops",
    "inference_setting",
    "largest_batch",
    "largest_sequence",
    "read_architecture",
    "rule_of_thumb",
    "run_bytes",
    "step_flops",
    "total_parameters",
    "trainable_parameters",
    "training_effort",
    "training_setting",
    "ways_to_fit",
    "weight_bytes",
]

"""The survey: reads what a spec names, once, before anything is decided; imports nothing heavy."""

from planner.survey.data_files import survey_data
from planner.survey.data_survey import DataSurvey, Lengths, Overlap
from planner.survey.failures import Failures, survey_failures
from planner.survey.hardware import HardwareSurvey, look_at_hardware, survey_hardware
from planner.survey.metrics import KNOWN_METRICS, default_metrics
from planner.survey.model_files import survey_model
from planner.survey.model_survey import ModelSurvey
from planner.survey.normalise import fit_labels, fit_metrics, normalise
from planner.survey.record import survey_of, surveyed
from planner.survey.spec_checks import check_spec, load_schema
from planner.survey.spec_file import read_spec
from planner.survey.survey import Survey, survey, tokenizer_of

__all__ = [
    "KNOWN_METRICS",
    "DataSurvey",
    "Failures",
    "HardwareSurvey",
    "Lengths",
    "ModelSurvey",
    "Overlap",
    "Survey",
    "check_spec",
    "default_metrics",
    "fit_labels",
    "fit_metrics",
    "load_schema",
    "look_at_hardware",
    "normalise",
    "read_spec",
    "survey",
    "survey_data",
    "survey_failures",
    "survey_hardware",
    "survey_model",
    "survey_of",
    "surveyed",
    "tokenizer_of",
]

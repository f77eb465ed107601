"""What `adapt memory` and `adapt fit` answer, as plain documents; rendering is elsewhere."""

from adapt.estimates.devices import Target, target_of
from adapt.estimates.fitting import device_rows, fit_rows
from adapt.estimates.memory import memory_report
from adapt.estimates.models import Sized, every_model, model_of, model_of_size

__all__ = [
    "Sized",
    "Target",
    "device_rows",
    "every_model",
    "fit_rows",
    "memory_report",
    "model_of",
    "model_of_size",
    "target_of",
]

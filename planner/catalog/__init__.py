"""What the planner knows of the world: devices, models, sources, prices."""

from planner.catalog.devices import Device, all_devices, any_gpu, find_device, parse_hardware_name
from planner.catalog.errors import CatalogError
from planner.catalog.models import CatalogModel, all_models, find_model, is_known_model, model_ids
from planner.catalog.prices import Price, Quote, price_per_hour, priced_devices
from planner.catalog.references import Reference, all_references, reference, reference_keys

__all__ = [
    "CatalogError",
    "CatalogModel",
    "Device",
    "Price",
    "Quote",
    "Reference",
    "all_devices",
    "all_models",
    "all_references",
    "any_gpu",
    "find_device",
    "find_model",
    "is_known_model",
    "model_ids",
    "parse_hardware_name",
    "price_per_hour",
    "priced_devices",
    "reference",
    "reference_keys",
]

"""Places: where a step's process runs."""

from executors.places.local import LocalPlace
from executors.places.place import Place, PlaceFactory, Process

__all__ = ["LocalPlace", "Place", "PlaceFactory", "Process"]

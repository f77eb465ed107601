"""Retrieval: documents made searchable by words, by meaning, or both."""

from executors.retrieve.executor import Retrieve, RetrieveParams

__all__ = ["Retrieve", "RetrieveParams"]

"""A small server that answers as a run's model was measured, by the interface of OpenAI."""

"""A plan's training in the words of other tools, and a run's results as folders that servers read."""

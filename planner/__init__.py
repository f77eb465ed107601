"""The planner: decides how to adapt a model and writes the plan. Light, pure, and without torch."""

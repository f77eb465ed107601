"""The executors and the engine that runs them: carries plans out."""

"""What more training data would bring: a learning curve, and what it says of twice as many rows."""

from executors.data_need.executor import DataNeed, DataNeedParams

__all__ = ["DataNeed", "DataNeedParams"]

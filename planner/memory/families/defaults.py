"""What transformers fills in for fields that a config.json leaves out (transformers 5.23), by model type.

The table is ``defaults.json`` beside this file, written by ``bench/memory_defaults.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("defaults.json").read_text(encoding="utf-8"))

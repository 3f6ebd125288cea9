"""Where the repository keeps what tests look at."""

import json
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BENCHMARKS = REPOSITORY / "benchmarks"
DOCS = REPOSITORY / "docs"
RECIPES = REPOSITORY / "recipes"
TESTS = REPOSITORY / "tests"
PREDICTION_SCHEMA = json.loads((DOCS / "prediction.schema.json").read_text(encoding="utf-8"))
TIMELINE_SCHEMA = json.loads((DOCS / "timeline.schema.json").read_text(encoding="utf-8"))

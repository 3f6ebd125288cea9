"""``run.json``: what a run folder says of its run; read without torch."""

import json
from pathlib import Path
from typing import Any, Final

from facevoice.errors import RecipeError

FACTS: Final = "run.json"


def read_facts(run: Path) -> dict[str, Any]:
    """The facts of a run, finished or not.

    Raises:
        RecipeError: the folder holds no run.
    """
    try:
        facts = json.loads((run / FACTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RecipeError(f"{run} holds no run: {FACTS} is absent") from None
    except ValueError as error:
        raise RecipeError(f"{run / FACTS} is not JSON: {error}") from error
    if not isinstance(facts, dict) or "recipe" not in facts:
        raise RecipeError(f"{run} holds no run: {FACTS} names no recipe")
    return facts

"""The sample clip that ships; README.md beside it says what it is."""

from pathlib import Path
from typing import Final

SAMPLE: Final = Path(__file__).parent / "sample.mp4"

"""One colour for each label, the same throughout the page.

The twelve colours are in style.css, once for a light and once for a dark page. The first seven
differ by 22 or more in CIELAB for normal and for red-, green- and blue-blind sight (Machado et
al. 2009); all contrast with the page by 3:1 or more. Colour is never
the only cue: a name is always next to it.
"""

from collections.abc import Sequence
from typing import Final

COLOURS: Final = 12

_USUAL: Final = {
    "angry": 0,
    "anger": 0,
    "disgust": 1,
    "disgusted": 1,
    "fear": 2,
    "fearful": 2,
    "afraid": 2,
    "happy": 3,
    "happiness": 3,
    "joy": 3,
    "neutral": 4,
    "sad": 5,
    "sadness": 5,
    "surprise": 6,
    "surprised": 6,
    "contempt": 7,
    "calm": 8,
}


def colours_of(labels: Sequence[str]) -> dict[str, int]:
    """The number of each label's colour: the usual one by its name, else the next that is free.

    With more than twelve labels colours repeat.
    """
    chosen: dict[str, int] = {}
    for label in labels:
        usual = _USUAL.get(label.strip().lower())
        if usual is not None and usual not in chosen.values():
            chosen[label] = usual
    free = [number for number in range(COLOURS) if number not in chosen.values()]
    others = [label for label in labels if label not in chosen]
    for index, label in enumerate(others):
        chosen[label] = free[index] if index < len(free) else index % COLOURS
    return chosen

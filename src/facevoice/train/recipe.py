"""A recipe: everything that decides a training run, in one readable TOML file."""

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from facevoice.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train and how; a recipe file states only what differs from these defaults.

    name: the branch's name in a bundle.
    branch: which kind of branch the run becomes.
    net: the network, a name in ``facevoice.train.nets.NETS``.
    width: channels of the first stage, for the nets that scale.
    dropout: before the last layer.
    input_size: side of the square input in pixels (face branches).
    grey: feed one grey channel instead of RGB (face branches).
    mirror: score the mean of a face and its mirror image (face branches).
    crop: left, top, right, bottom of the square of the aligned 256x256 face that the net sees.
    pooling: how frames become one score: "votes" (the paper) or "mean" (FaceVote).
    frames: faces per clip (the paper: 16, DenseNet 4).
    spectrogram: numbers of the spectrogram image, see ``SpectrogramSettings`` (SpectrogramNet).
    val_groups, test_groups: groups held out for validation and test.
    val_fraction: share of the training groups held out when val_groups is empty.
    initial: a run folder whose weights to start from; empty starts from random ones.
    epochs, batch_size, learning_rate, weight_decay: one-cycle AdamW.
    label_smoothing: share of the target spread over all labels.
    balance: "none", or "sampler" (draw by inverse class frequency to the power ``balance_power``).
    augment: strength of the augmentation, 0 is none, 1 the usual.
    mixup: parameter of the Beta distribution that mixes pairs of inputs; 0 is none.
    precision: "32-true" or "bf16-mixed".
    seed: of everything random.
    """

    name: str
    branch: Literal["face_vote", "spectrogram_net"]
    net: str
    width: int = 24
    dropout: float = 0.2
    input_size: int = 48
    grey: bool = True
    mirror: bool = False
    crop: tuple[float, ...] = (16.0, 16.0, 240.0, 240.0)
    pooling: Literal["votes", "mean"] = "votes"
    frames: int = 16
    spectrogram: Mapping[str, Any] = field(default_factory=dict)
    val_groups: tuple[str, ...] = ()
    test_groups: tuple[str, ...] = ()
    val_fraction: float = 0.1
    initial: str = ""
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    balance: Literal["none", "sampler"] = "none"
    balance_power: float = 0.5
    augment: float = 1.0
    mixup: float = 0.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "input_size", "frames", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise RecipeError(
                    f"recipe key {name} must be at least 1, got {getattr(self, name)}"
                )
        if not 0 < self.val_fraction < 1:
            raise RecipeError(
                f"recipe key val_fraction must lie in (0, 1), got {self.val_fraction}"
            )
        if len(self.crop) != 4 or self.crop[2] - self.crop[0] != self.crop[3] - self.crop[1]:
            raise RecipeError(f"recipe key crop must be a square of four numbers, got {self.crop}")
        both = set(self.val_groups) & set(self.test_groups)
        if both:
            raise RecipeError(f"groups {sorted(both)} stand in val_groups and in test_groups")

    def to_dict(self) -> dict[str, Any]:
        """Every key with its value, ready for JSON."""
        return dataclasses.asdict(self)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a TOML recipe and apply ``key=value`` overrides, whose values are TOML too.

    Raises:
        RecipeError: no such file, not TOML, unknown key (the message names the nearest known
            ones), or a value of the wrong type or range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no recipe {path}; the repository's are in recipes/") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise RecipeError(f"--set takes key=value, got {override!r}")
        table[key.strip()] = _toml_value(text.strip())
    return recipe_from(table, source=str(path))


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string, as a shell user expects


def recipe_from(table: Mapping[str, Any], source: str) -> Recipe:
    """Check keys and types, then build the recipe."""
    fields = {item.name: item for item in dataclasses.fields(Recipe)}
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(key, fields) or sorted(fields)
            raise RecipeError(f"{source}: unknown key {key!r}; known: {', '.join(near)}")
    missing = [key for key in ("name", "branch", "net") if key not in table]
    if missing:
        raise RecipeError(f"{source}: missing key {', '.join(missing)}")
    values = {key: _checked(key, value, fields[key].type) for key, value in table.items()}
    return Recipe(**values)


def _checked(key: str, value: Any, wanted: Any) -> Any:
    origin = get_origin(wanted)
    if origin is Literal:
        if value not in get_args(wanted):
            known = ", ".join(repr(item) for item in get_args(wanted))
            raise RecipeError(f"recipe key {key} must be one of {known}, got {value!r}")
        return value
    if origin is tuple:
        item_type = get_args(wanted)[0]
        if not isinstance(value, list | tuple):
            raise RecipeError(f"recipe key {key} must be a list, got {value!r}")
        return tuple(_checked(key, item, item_type) for item in value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kind = Mapping if origin is not None else wanted
    if not isinstance(value, kind) or (isinstance(value, bool) and wanted is not bool):
        name = getattr(kind, "__name__", str(kind))
        raise RecipeError(f"recipe key {key} must be {name}, got {value!r}")
    return value

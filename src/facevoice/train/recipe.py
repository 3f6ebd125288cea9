"""A recipe: everything that decides a training run, in one readable TOML file."""

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from facevoice.branches.face_input import FaceInput
from facevoice.errors import InvalidInputError, RecipeError
from facevoice.speech.spectrogram import SpectrogramSettings

NORMALISATIONS: Final[Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "vggface": ((0.50661, 0.41083, 0.36704), (1 / 255, 1 / 255, 1 / 255)),
}
"""Mean and deviation by RGB channel, of values in [0, 1]. VGG-Face's mean picture is (129.186,
104.762, 93.594) of 255, and its values are not scaled (Parkhi et al. 2015, their published model).
"""

_AT_LEAST_ONE: Final = (
    *("width", "input_size", "frames", "batch_size", "blstm_width", "blstm_epochs"),
    *("blstm_batch_size", "views", "draws"),
)
_NOT_NEGATIVE: Final = (
    *("epochs", "joint_epochs", "patience", "feature_dim", "augment", "mixup", "speech_views"),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train and how; a recipe file states only what differs from these defaults.

    name: the branch's name in a bundle.
    branch: which kind of branch the run becomes.
    net: the network, a name in ``facevoice.train.nets.NETS``; for functionals_svm "svm" (the paper)
        or "ensemble" (see ``facevoice.train.voice.ensemble``).

    The network:
    width: channels of the first stage; 64 gives VGG, ResNet-18 and DenseNet-121 as published.
    dropout: before the last layer (VGG: after each fully connected layer).
    feature_dim: of an added fully connected layer before the classifier (the paper: 4096);
        0 keeps the net's own size.
    initial: where weights come from: a run folder, a file of published weights, "imagenet"
        (torchvision), "vggface", or "" for random ones. See ``fit.initial_weights``.
    freeze: "convolutions" (the paper's VGG-Face) trains the fully connected layers alone.

    What it sees:
    input_size: side of the square input in pixels (face branches).
    sizes: side in each of as many equal parts of the net's epochs, the last being input_size: small
        pictures first cost less (Tan and Le, *EfficientNetV2*, ICML 2021, section 4). Empty: always
        input_size.
    grey: feed one grey channel instead of RGB (face branches).
    normalise: what is subtracted and divided, a name in ``NORMALISATIONS`` (face branches).
    mirror: score the mean of a face and its mirror image (face_vote).
    crop: left, top, right, bottom of the square of the aligned 256x256 face that the net sees.
    pooling: how frames become one score: "votes" (the paper) or "mean" (face_vote).
    frames: faces per clip (the paper: 16, DenseNet 4).
    spectrogram: numbers of the spectrogram image, see ``SpectrogramSettings`` (spectrogram_net).
    channels: 3 repeats the spectrogram for nets that were made for RGB (spectrogram_net).
    speech_views: changed copies of each clip's speech that are made once and drawn from, which
        costs memory and saves time; 0: it is changed anew for every draw (spectrogram_net), or
        never (functionals_svm, net "ensemble").
    feature_set: "is09", "is10" or "prosody" (functionals_svm).
    svm_costs, svm_kernels: what the grouped search chooses among (functionals_svm); net "ensemble"
        takes one cost, its regression's.

    The second stage of face_sequence, the BLSTM on features of the finished network:
    blstm_width, blstm_dropout, blstm_epochs, blstm_batch_size, blstm_learning_rate;
    blstm_pooling: how its outputs become one: "mean" over time or "last";
    views: copies of each training clip whose features are cached, the first one unchanged;
    joint_epochs, joint_learning_rate: fine-tune network and BLSTM together after that.

    Training:
    val_groups, test_groups: groups held out for validation and test.
    val_fraction: share of the training groups held out when val_groups is empty.
    epochs, batch_size, learning_rate, weight_decay: one-cycle AdamW. 0 epochs with ``initial``:
        the network stays as it came (face_sequence).
    draws: times each sample is drawn in an epoch; a clip gives another face each time.
    patience: stop after so many epochs without a better validation UAR and keep the best ones;
        0 trains all epochs and keeps the last.
    label_smoothing: share of the target spread over all labels.
    balance: "none", "sampler" (draw by inverse class frequency to the power ``balance_power``) or
        "logits" (adjust the training logits by the log of that power: Menon et al. 2021).
    augmentation: of faces: "wild", or "paper" (random crops and flips alone).
    augment: strength of the augmentation, 0 is none, 1 the usual.
    mixup: parameter of the Beta distribution that mixes pairs of inputs; 0 is none.
    precision: "32-true" or "bf16-mixed".
    storage: of the weights in ONNX, "fp32", or "fp16" for large nets (computed in fp32).
    seed: of everything random.
    """

    name: str
    branch: Literal["face_vote", "face_sequence", "spectrogram_net", "functionals_svm"]
    net: str
    width: int = 64
    dropout: float = 0.2
    feature_dim: int = 0
    initial: str = ""
    freeze: Literal["none", "convolutions"] = "none"
    input_size: int = 224
    sizes: tuple[int, ...] = ()
    grey: bool = False
    normalise: Literal["unit", "imagenet", "vggface"] = "unit"
    mirror: bool = False
    crop: tuple[float, ...] = (16.0, 16.0, 240.0, 240.0)
    pooling: Literal["votes", "mean"] = "votes"
    frames: int = 16
    spectrogram: Mapping[str, Any] = field(default_factory=dict)
    channels: Literal[1, 3] = 1
    speech_views: int = 0
    feature_set: Literal["is09", "is10", "prosody"] = "is10"
    svm_costs: tuple[float, ...] = (0.1, 1.0, 10.0)
    svm_kernels: tuple[str, ...] = ("rbf", "linear")
    blstm_width: int = 128
    blstm_dropout: float = 0.3
    blstm_epochs: int = 30
    blstm_batch_size: int = 16
    blstm_learning_rate: float = 1e-3
    blstm_pooling: Literal["mean", "last"] = "mean"
    views: int = 4
    joint_epochs: int = 0
    joint_learning_rate: float = 1e-5
    val_groups: tuple[str, ...] = ()
    test_groups: tuple[str, ...] = ()
    val_fraction: float = 0.1
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    draws: int = 1
    patience: int = 0
    label_smoothing: float = 0.1
    balance: Literal["none", "sampler", "logits"] = "none"
    balance_power: float = 0.5
    augmentation: Literal["wild", "paper"] = "wild"
    augment: float = 1.0
    mixup: float = 0.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    storage: Literal["fp32", "fp16"] = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise RecipeError(
                    f"recipe key {name} must be at least 1, got {getattr(self, name)}"
                )
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise RecipeError(f"recipe key {name} must not be negative")
        if self.epochs == 0 and not (self.branch == "face_sequence" and self.initial):
            raise RecipeError(
                "recipe key epochs may be 0 only for face_sequence with initial weights: there is"
                " nothing to train"
            )
        if not 0 < self.val_fraction < 1:
            raise RecipeError(
                f"recipe key val_fraction must lie in (0, 1), got {self.val_fraction}"
            )
        if len(self.crop) != 4 or self.crop[2] - self.crop[0] != self.crop[3] - self.crop[1]:
            raise RecipeError(f"recipe key crop must be a square of four numbers, got {self.crop}")
        self._check_sizes()
        both = set(self.val_groups) & set(self.test_groups)
        if both:
            raise RecipeError(f"groups {sorted(both)} stand in val_groups and in test_groups")

    def _check_sizes(self) -> None:
        if self.sizes and (self.sizes[-1] != self.input_size or min(self.sizes) < 1):
            raise RecipeError(
                f"recipe key sizes must be positive and end with input_size {self.input_size}, got"
                f" {list(self.sizes)}"
            )
        if len(self.sizes) > self.epochs:
            raise RecipeError(
                f"recipe key sizes names {len(self.sizes)} parts of only {self.epochs} epochs"
            )

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel that the face network sees, values in [0, 1]."""
        mean, deviation = NORMALISATIONS[self.normalise]
        if self.grey:
            return (0.0,), (1.0,)
        return mean, deviation

    def to_dict(self) -> dict[str, Any]:
        """Every key with its value, ready for JSON."""
        return dataclasses.asdict(self)


def face_input_of(recipe: Recipe) -> FaceInput:
    """What the branch's network sees of an aligned face."""
    left, top, right, bottom = recipe.crop
    mean, deviation = recipe.normalisation
    return FaceInput(
        frames=recipe.frames,
        crop=(left, top, right, bottom),
        size=recipe.input_size,
        channels="grey" if recipe.grey else "rgb",
        mean=mean,
        std=deviation,
    )


def spectrogram_settings(recipe: Recipe) -> SpectrogramSettings:
    """The recipe's spectrogram: the defaults (the paper's 224x224) but for what it states.

    Raises:
        RecipeError: an unknown key or a wrong value.
    """
    try:
        return SpectrogramSettings.from_dict(
            SpectrogramSettings().to_dict() | dict(recipe.spectrogram)
        )
    except InvalidInputError as error:
        raise RecipeError(f"recipe key spectrogram: {error}") from error


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

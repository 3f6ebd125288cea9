"""A recipe: everything that decides a training run, in one readable TOML file."""

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args, get_origin

import facevoice
from facevoice.branches.face_input import FaceInput
from facevoice.errors import InvalidInputError, RecipeError
from facevoice.messages import near
from facevoice.speech.encoders import SHIPPED_ENCODERS
from facevoice.speech.spectrogram import SpectrogramSettings
from facevoice.types import Modality

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
    *("blstm_batch_size", "views", "draws", "components", "nets"),
)
_NOT_NEGATIVE: Final = (
    *("epochs", "joint_epochs", "patience", "feature_dim", "augment", "mixup", "speech_views"),
    "prior_power",
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all kinds share; a recipe file states only what differs from the defaults.

    name: the branch's name in a bundle.
    net: the network, a name in ``facevoice.train.nets.NETS``; for functionals "svm" (the paper) or
        "ensemble", which speech_encoder takes too (see ``facevoice.train.voice.ensemble``).
    val_groups, test_groups: groups held out for validation and test.
    test_corpora: corpora held out for test as a whole, and with them whatever else their groups
        said: nothing is learnt from them.
    val_fraction: share of the training groups held out when val_groups is empty.
    balance: "none", "sampler" (draw by inverse class frequency to the power ``balance_power``) or
        "logits" (adjust the training logits by the log of that power: Menon et al. 2021). A machine
        on functionals weighs its classes by that power for either.
    seed: of everything random.
    """

    branch: ClassVar[str]
    modality: ClassVar[Modality]
    model_file: ClassVar[str] = "model.pt"

    name: str
    net: str
    val_groups: tuple[str, ...] = ()
    test_groups: tuple[str, ...] = ()
    test_corpora: tuple[str, ...] = ()
    val_fraction: float = 0.1
    balance: Literal["none", "sampler", "logits"] = "none"
    balance_power: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in self._values().items():
            if name in _AT_LEAST_ONE and value < 1:
                raise RecipeError(f"recipe key {name} must be at least 1, got {value}")
            if name in _NOT_NEGATIVE and value < 0:
                raise RecipeError(f"recipe key {name} must not be negative")
            if name == "epochs" and value == 0 and not self.trains_more:
                raise RecipeError(
                    "recipe key epochs may be 0 only for face_sequence with initial weights: there"
                    " is nothing to train"
                )
        if not 0 < self.val_fraction < 1:
            raise RecipeError(
                f"recipe key val_fraction must lie in (0, 1), got {self.val_fraction}"
            )
        both = set(self.val_groups) & set(self.test_groups)
        if both:
            raise RecipeError(f"groups {sorted(both)} stand in val_groups and in test_groups")
        self.check()

    def check(self) -> None:
        """Raise RecipeError where keys of this kind do not fit."""

    @property
    def trains_more(self) -> bool:
        """Whether there is something to train beside the epochs of a network."""
        return False

    def _values(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}

    def to_dict(self) -> dict[str, Any]:
        """The branch and every key with its value, ready for JSON."""
        return {"branch": self.branch, **self._values()}

    def node(self) -> dict[str, Any]:
        """What the branch's node in a bundle says beside kind, name, files and temperature."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How a network learns: one-cycle AdamW.

    width: channels of the first stage; 64 gives VGG, ResNet-18 and DenseNet-121 as published.
    dropout: before the last layer (VGG: after each fully connected layer).
    draws: times each sample is drawn in an epoch; a clip gives another face each time.
    label_smoothing: share of the target spread over all labels.
    augment: strength of the augmentation, 0 is none, 1 the usual.
    mixup: parameter of the Beta distribution that mixes pairs of inputs; 0 is none.
    """

    width: int = 64
    dropout: float = 0.2
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    draws: int = 1
    label_smoothing: float = 0.1
    augment: float = 1.0
    mixup: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Network:
    """What a network for pictures adds.

    feature_dim: of an added fully connected layer before the classifier (the paper: 4096);
        0 keeps the net's own size.
    initial: where weights come from: a run folder, a file of published weights, "imagenet"
        (torchvision), "vggface", or "" for random ones. See ``fit.initial_weights``.
    freeze: "convolutions" (the paper's VGG-Face) trains the fully connected layers alone.
    patience: stop after so many epochs without a better validation UAR and keep the best ones;
        0 trains all epochs and keeps the last.
    precision: "32-true" or "bf16-mixed".
    storage: of the weights in ONNX, "fp32", or "fp16" for large nets (computed in fp32).
    soft_labels: score tables by their paths (raters' votes, a teacher's scores), and the share of
        each in what is to be learnt; the label has the rest, and all of it where tables have no
        scores. See ``fit.targets``.
    prior_power: what is learnt is divided by the labels' shares of the training samples to this
        power, once training is over; 0 leaves it. See ``fit.samples.log_prior``.
    """

    feature_dim: int = 0
    initial: str = ""
    freeze: Literal["none", "convolutions"] = "none"
    patience: int = 0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    storage: Literal["fp32", "fp16"] = "fp32"
    soft_labels: Mapping[str, float] = field(default_factory=dict)
    prior_power: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Faces:
    """What a network for faces sees.

    input_size: side of the square input in pixels.
    sizes: side in each of as many equal parts of the net's epochs, the last being input_size: small
        pictures first cost less (Tan and Le, *EfficientNetV2*, ICML 2021, section 4). Empty: always
        input_size.
    grey: feed one grey channel instead of RGB.
    normalise: what is subtracted and divided, a name in ``NORMALISATIONS``.
    crop: left, top, right, bottom of the square of the aligned 256x256 face that the net sees.
    frames: faces per clip (the paper: 16, DenseNet 4).
    augmentation: "wild", or "paper" (random crops and flips alone).
    """

    modality: ClassVar[Modality] = "face"

    epochs: int = 30  # see Learning; sizes belong to parts of them
    input_size: int = 224
    sizes: tuple[int, ...] = ()
    grey: bool = False
    normalise: Literal["unit", "imagenet", "vggface"] = "unit"
    crop: tuple[float, ...] = (16.0, 16.0, 240.0, 240.0)
    frames: int = 16
    augmentation: Literal["wild", "paper"] = "wild"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one picture that the network sees."""
        return 1 if self.grey else 3, self.input_size, self.input_size

    @property
    def face_input(self) -> FaceInput:
        """How the branch makes the network's input of an aligned face."""
        left, top, right, bottom = self.crop
        mean, deviation = ((0.0,), (1.0,)) if self.grey else NORMALISATIONS[self.normalise]
        return FaceInput(
            frames=self.frames,
            crop=(left, top, right, bottom),
            size=self.input_size,
            channels="grey" if self.grey else "rgb",
            mean=mean,
            std=deviation,
        )

    def check(self) -> None:
        """See ``Recipe``."""
        if len(self.crop) != 4 or self.crop[2] - self.crop[0] != self.crop[3] - self.crop[1]:
            raise RecipeError(f"recipe key crop must be a square of four numbers, got {self.crop}")
        if self.sizes and (self.sizes[-1] != self.input_size or min(self.sizes) < 1):
            raise RecipeError(
                f"recipe key sizes must be positive and end with input_size {self.input_size}, got"
                f" {list(self.sizes)}"
            )
        if len(self.sizes) > self.epochs:
            raise RecipeError(
                f"recipe key sizes names {len(self.sizes)} parts of only {self.epochs} epochs"
            )


@dataclass(frozen=True, kw_only=True)
class FaceVoteRecipe(Faces, Network, Learning, Recipe):
    """A network that looks at one face at a time.

    mirror: score the mean of a face and its mirror image.
    pooling: how frames become one score: "votes" (the paper) or "mean".
    """

    branch: ClassVar[str] = "face_vote"

    mirror: bool = False
    pooling: Literal["votes", "mean"] = "votes"

    def node(self) -> dict[str, Any]:
        """See ``Recipe``."""
        facts = {"pooling": self.pooling, "mirror": self.mirror}
        return {"input": self.face_input.to_dict(), **facts}


@dataclass(frozen=True, kw_only=True)
class FaceSequenceRecipe(Faces, Network, Learning, Recipe):
    """A network for faces, then a BLSTM over its features.

    epochs: of the network; 0 with ``initial``: it stays as it came.
    blstm_width, blstm_dropout, blstm_epochs, blstm_batch_size, blstm_learning_rate: of the second
        stage, the BLSTM on features of the finished network.
    blstm_pooling: how its outputs become one: "mean" over time or "last".
    views: copies of each training clip whose features are cached, the first one unchanged.
    joint_epochs, joint_learning_rate: fine-tune network and BLSTM together after that.
    """

    branch: ClassVar[str] = "face_sequence"

    blstm_width: int = 128
    blstm_dropout: float = 0.3
    blstm_epochs: int = 30
    blstm_batch_size: int = 16
    blstm_learning_rate: float = 1e-3
    blstm_pooling: Literal["mean", "last"] = "mean"
    views: int = 4
    joint_epochs: int = 0
    joint_learning_rate: float = 1e-5

    @property
    def trains_more(self) -> bool:
        """See ``Recipe``."""
        return bool(self.initial)

    def node(self) -> dict[str, Any]:
        """See ``Recipe``."""
        return {"input": self.face_input.to_dict()}


@dataclass(frozen=True, kw_only=True)
class SpectrogramRecipe(Network, Learning, Recipe):
    """A network that looks at spectrograms of speech.

    spectrogram: numbers of the picture, see ``SpectrogramSettings``; what is not stated is the
        default (the paper's 224x224).
    channels: 3 repeats the picture for nets that were made for RGB.
    speech_views: changed copies of each clip's speech that are made once and drawn from, which
        costs memory and saves time; 0: it is changed anew for every draw.
    """

    branch: ClassVar[str] = "spectrogram_net"
    modality: ClassVar[Modality] = "voice"

    spectrogram: Mapping[str, Any] = field(default_factory=dict)
    channels: Literal[1, 3] = 1
    speech_views: int = 0

    def check(self) -> None:
        """See ``Recipe``."""
        try:
            _ = self.settings
        except InvalidInputError as error:
            raise RecipeError(f"recipe key spectrogram: {error}") from error

    @property
    def settings(self) -> SpectrogramSettings:
        """The picture's numbers, all of them."""
        stated = SpectrogramSettings().to_dict() | dict(self.spectrogram)
        return SpectrogramSettings.from_dict(stated)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one picture that the network sees."""
        settings = self.settings
        return self.channels, settings.height, settings.width

    def node(self) -> dict[str, Any]:
        """See ``Recipe``."""
        return {"input": self.settings.to_dict(), "channels": self.channels}


@dataclass(frozen=True, kw_only=True)
class Functionals:
    """Functionals of whole utterances.

    feature_set: "is09", "is10" or "prosody".
    """

    branch: ClassVar[str] = "functionals"
    modality: ClassVar[Modality] = "voice"
    model_file: ClassVar[str] = "model.onnx"

    feature_set: Literal["is09", "is10", "prosody"] = "is10"

    def node(self) -> dict[str, Any]:
        """See ``Recipe``."""
        return {"feature_set": self.feature_set}


@dataclass(frozen=True, kw_only=True)
class SvmRecipe(Functionals, Recipe):
    """A support vector machine on functionals.

    svm_costs, svm_kernels: what the grouped search chooses among.
    """

    svm_costs: tuple[float, ...] = (0.1, 1.0, 10.0)
    svm_kernels: tuple[Literal["linear", "rbf"], ...] = ("rbf", "linear")

    def check(self) -> None:
        """See ``Recipe``."""
        if min(self.svm_costs, default=0) <= 0:
            raise RecipeError(
                f"recipe key svm_costs must hold positive numbers, got {list(self.svm_costs)}"
            )
        if not self.svm_kernels:
            raise RecipeError("recipe key svm_kernels leaves nothing to choose from")


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A regression and small networks on features of utterances, see ``train.voice.ensemble``.

    components: principal components of the features that they learn from.
    cost: C of the regression.
    nets, width: how many networks, and the values of the hidden layer of each.
    dropout, input_dropout: of the hidden layer, and of the components.
    balance_corpora: every corpus weighs the same; ``balance`` and its power weigh the classes
        within each.
    absent: what the odds of a class are multiplied by in training where the sample's corpus lacks
        it; less than 1 keeps a class that few corpora have from telling corpora apart.
    note_weights: what samples with a note weigh, by note; 1 without.
    speech_views: changed copies of each clip's speech to learn from, beside the speech as it is.
    augment: how much these are changed, 1 is the usual.
    other_lengths: learn from a part of each clip as well, and from the clip joined with another one
        of the same person and label: films are cut elsewhere than the clips of a corpus.
    """

    modality: ClassVar[Modality] = "voice"
    model_file: ClassVar[str] = "model.onnx"

    components: int = 512
    cost: float = 0.01
    nets: int = 3
    width: int = 96
    dropout: float = 0.5
    input_dropout: float = 0.3
    epochs: int = 25
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    balance_corpora: bool = False
    absent: float = 1.0
    note_weights: Mapping[str, float] = field(default_factory=dict)
    speech_views: int = 0
    augment: float = 1.0
    other_lengths: bool = False

    def check(self) -> None:
        """See ``Recipe``."""
        if self.cost <= 0:
            raise RecipeError(f"recipe key cost must be positive, got {self.cost}")
        if not 0 < self.absent <= 1:
            raise RecipeError(f"recipe key absent must lie in (0, 1], got {self.absent}")
        if not all(
            isinstance(each, int | float) and each > 0 for each in self.note_weights.values()
        ):
            raise RecipeError("recipe key note_weights must hold numbers above 0")


@dataclass(frozen=True, kw_only=True)
class FunctionalsEnsembleRecipe(Functionals, Ensemble, Recipe):
    """An ensemble on functionals."""


@dataclass(frozen=True, kw_only=True)
class SpeechEncoderRecipe(Ensemble, Recipe):
    """An ensemble on early layers of the speech encoders that ship with facevoice.

    in_pieces: learn from speech that is read second by second as well, so that timelines need to
        read each second only once.
    """

    branch: ClassVar[str] = "speech_encoder"

    in_pieces: bool = False

    def node(self) -> dict[str, Any]:
        """See ``Recipe``."""
        encoders = [part.to_dict() for part in SHIPPED_ENCODERS]
        return {"encoders": encoders} | ({"in_pieces": True} if self.in_pieces else {})


@dataclass(frozen=True, kw_only=True)
class CentredRecipe(SpeechEncoderRecipe):
    """A regression on the same features, centred on each group: a branch's second model.

    It learns what is left of the speech once the speaker's mean is taken away, and its scores are
    read the same way, see ``facevoice.person``. Of the keys of an ensemble it reads components,
    cost, seed, in_pieces, other_lengths and speech_views, and those that weigh samples.
    """


FaceRecipe = FaceVoteRecipe | FaceSequenceRecipe
NetRecipe = FaceVoteRecipe | FaceSequenceRecipe | SpectrogramRecipe
EnsembleRecipe = FunctionalsEnsembleRecipe | SpeechEncoderRecipe | CentredRecipe
UtteranceRecipe = SvmRecipe | EnsembleRecipe
AnyRecipe = NetRecipe | UtteranceRecipe

_ANY_NET: Final = "*"
KINDS: Final[Mapping[str, Mapping[str, type[AnyRecipe]]]] = {
    "face_vote": {_ANY_NET: FaceVoteRecipe},
    "face_sequence": {_ANY_NET: FaceSequenceRecipe},
    "spectrogram_net": {_ANY_NET: SpectrogramRecipe},
    "functionals": {"svm": SvmRecipe, "ensemble": FunctionalsEnsembleRecipe},
    "speech_encoder": {"ensemble": SpeechEncoderRecipe, "centred": CentredRecipe},
}
"""The recipe of each branch, and of each net where it depends on that."""
_FORMER_NAMES: Final = {"functionals_svm": "functionals"}


def recipes_folder() -> Path:
    """Where the recipes and trees lie that come with facevoice."""
    package = Path(facevoice.__file__).parent
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parents[1] / "recipes"


def find_recipe(name: str | Path) -> Path:
    """The file of a recipe or tree: a path, or the short name of one that comes with facevoice.

    Raises:
        RecipeError: there is none; the message lists the short names.
    """
    path = Path(name)
    folder = recipes_folder()
    for found in (path, folder / f"{name}.toml"):
        if found.is_file():
            return found
    known = sorted(each.stem for each in folder.glob("*.toml"))
    raise RecipeError(
        f"no recipe or tree {name}: neither a file nor one of {', '.join(known)}"
        f"{near(path.stem, known)}"
    )


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a recipe or tree.

    Raises:
        RecipeError: it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise RecipeError(f"{path} is not TOML: it is not text") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> AnyRecipe:
    """Read a TOML recipe and apply ``key=value`` overrides, whose values are TOML too.

    name: see ``find_recipe``.

    Raises:
        RecipeError: no such file, not TOML, unknown key (the message lists the known ones), or a
            value of the wrong type or range.
    """
    path = find_recipe(name)
    table = read_toml(path)
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


def recipe_from(
    table: Mapping[str, Any], source: str, *, ignore_unknown: bool = False
) -> AnyRecipe:
    """Check keys and types, then build the recipe of the table's branch.

    ignore_unknown: for run folders of versions whose recipes stated the keys of all branches.

    Raises:
        RecipeError: see ``load_recipe``.
    """
    missing = [key for key in ("name", "branch", "net") if key not in table]
    if missing:
        raise RecipeError(f"{source}: missing key {', '.join(missing)}")
    branch = _FORMER_NAMES.get(table["branch"], table["branch"])
    nets = KINDS.get(branch)
    if nets is None:
        raise RecipeError(f"recipe key branch must be one of {_listed(KINDS)}, got {branch!r}")
    kind = nets.get(_ANY_NET) or nets.get(table["net"])
    if kind is None:
        raise RecipeError(f"recipe key net must be one of {_listed(nets)}, got {table['net']!r}")
    fields = {item.name: item for item in dataclasses.fields(kind)}
    values = {}
    for key, value in table.items():
        if key in fields:
            values[key] = _checked(key, value, fields[key].type)
        elif key != "branch" and not ignore_unknown:
            near = difflib.get_close_matches(key, fields)
            known = ", ".join([*near, *sorted(set(fields) - set(near))])
            raise RecipeError(f"{source}: {branch} has the unknown key {key!r}; known: {known}")
    return kind(**values)


def _listed(values: Sequence[Any] | Mapping[str, Any]) -> str:
    return ", ".join(map(repr, values))


def _checked(key: str, value: Any, wanted: Any) -> Any:
    origin = get_origin(wanted)
    if origin is Literal:
        if value not in get_args(wanted):
            known = _listed(get_args(wanted))
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

"""What reading a person against his or her own baseline is worth, on people nobody trained on.

    python benchmarks/personal.py voice FOLDS CENTRED    whole, causal and enrolled, by corpus
    python benchmarks/personal.py mixes FOLDS CENTRED    mostly neutral people, and one emotion
    python benchmarks/personal.py calibrate FOLDS CENTRED    log-loss, by temperature
    python benchmarks/personal.py clips LABELS           face and voice after neutral clips

FOLDS and CENTRED are folders of `facevoice folds` with recipes/base_speech.toml and
recipes/base_speech_centred.toml and the same folds (runs/base.sh --folds makes both). Every clip is
scored by models that have not met its speaker, and read with the product's own estimator; labels
only judge. What corpora left out ask for in `calibrate` is `centred_temperature` in base_tree.toml.
``clips`` enrols each speaker of a table of labelled clips with 1 and 3 declared neutral clips of
his or hers and judges the others by the bundle base; whole and causal: facevoice evaluate LABELS
--personal.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevoice.branches.base import softmax, tempered
from facevoice.bundle.population import centred_neutral, table_population
from facevoice.datasets.labels import read_labels
from facevoice.person import Baseline, Population, Reading, Statistics
from facevoice.predict import Prediction, load, read_against
from facevoice.scores.metrics import paired_permutation
from facevoice.scores.table import ScoreTable, read_score_table

ORDERS = 30
REPEATS = 3
MIXES = 12  # persons of each kind made of a speaker's clips
DRAWS = 30  # of neutral clips to enrol
LONG, SHORT = 24, 16  # clips of a mixed person, and of one with a single emotion
FEW = 8  # clips of a person, one of them somebody else's
VOICE = "speech"
ENROLLED = (1, 3, 10)
NEUTRAL_SHARES = (0.0, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Clips:
    """All clips: labels, speakers, corpora, what each says, and the population to read it by."""

    truth: NDArray[np.int64]
    speakers: NDArray[np.str_]
    corpora: NDArray[np.str_]
    readings: Sequence[Reading]
    populations: Sequence[Population]
    neutral: int

    def scores(self, clip: int, known: Statistics) -> NDArray[np.float64]:
        """The personal scores (K,) of a clip, or the plain ones where too little is known."""
        if known.lacking(self.populations[clip]) is not None:
            return softmax(self.readings[clip].log_scores[VOICE])
        shift = known.shift(self.populations[clip])[VOICE]
        return softmax(shift(self.readings[clip], VOICE))

    def answer(self, clip: int, known: Statistics) -> int:
        """The label of the highest of these."""
        return int(self.scores(clip, known).argmax())

    def known(self, clips: NDArray[np.integer[Any]], *, neutral: bool = False) -> Statistics:
        """The statistics of a person after some clips. neutral: whether they are declared so."""
        known = Statistics.empty()
        for clip in clips:
            known = known.plus(self.readings[clip], neutral=neutral)
        return known

    def whole(self, clips: NDArray[np.integer[Any]]) -> list[int]:
        """Each clip read against all of them."""
        known = self.known(clips)
        return [self.answer(clip, known) for clip in clips]

    def causal(self, clips: NDArray[np.integer[Any]], known: Statistics | None = None) -> list[int]:
        """Each clip read against those before it, and what was known before them."""
        known, answers = known or Statistics.empty(), []
        for clip in clips:
            answers.append(self.answer(clip, known))
            known = known.plus(self.readings[clip])
        return answers

    def plain(self, clips: NDArray[np.integer[Any]]) -> list[int]:
        """Each clip by itself."""
        return [int(self.readings[clip].log_scores[VOICE].argmax()) for clip in clips]


TEMPERATURE = 2.7595 / 1.301
"""Of the voice of base, over what the validation rows of its training ask for: see its card."""
CENTRED_TEMPERATURE = 1.5
"""Of its second model, likewise."""
TEMPERATURES = (1.0, 1.2, 1.4, 1.5, 1.6, 1.8, 2.0, 2.4)


def read(folds: Path, centred: Path, temperature: float = CENTRED_TEMPERATURE) -> Clips:
    """Join the held-out tables of the plain and the centred model, this one flattened."""
    table, second = (read_score_table(path / "held_out.npz") for path in (folds, centred))
    places = {name: row for row, name in enumerate(second.ids.tolist())}
    second = second.rows(np.array([places[name] for name in table.ids.tolist()]))
    if (table.splits != second.splits).any():
        raise SystemExit(f"{folds} and {centred} are not of the same folds")
    scores = tempered(table.column(VOICE), TEMPERATURE)  # as base would have them
    table = replace(table.select([VOICE]), scores=scores[:, None])
    plain = table.column(VOICE)
    other = tempered(second.column(second.branches[0]), temperature)
    logs, twice = (np.log(np.maximum(each, 1e-12)) for each in (plain, other))
    by_fold = {
        fold: _population(
            table, second, fold, centred / second.branches[0] / fold / "run.json", temperature
        )
        for fold in np.unique(table.splits).tolist()
    }
    return Clips(
        table.truth,
        table.groups,
        np.array([_corpus(name) for name in table.ids.tolist()]),
        [
            Reading({VOICE: one}, {VOICE: 1.0}, 1.0, {VOICE: two})
            for one, two in zip(logs, twice, strict=True)
        ],
        [by_fold[fold] for fold in table.splits.tolist()],
        table.labels.index("neutral"),
    )


def _population(
    table: ScoreTable, second: ScoreTable, fold: str, run: Path, temperature: float
) -> Population:
    """That of the other folds, as a bundle would have it that never met this one."""
    others = table.splits != fold
    own = table_population(table.rows(others), VOICE)
    neutral = centred_neutral(second.rows(others), temperature)
    assert own is not None
    assert neutral is not None
    centred = np.array(json.loads(run.read_text())["centred"]) / temperature
    both = replace(own, centred=centred, centred_neutral=centred + neutral)
    return Population({VOICE: both})


def _corpus(name: str) -> str:
    corpus, clip = name.split("/", 1)
    own = clip.split("__")[0].rsplit("_", 1)[-1] if corpus == "speech-world" else corpus
    return "emodb" if own == "rest" else own  # the clips that EMO-DB's folder lacks


def by_speaker(clips: Clips) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Each speaker's corpus and clips."""
    for speaker in np.unique(clips.speakers):
        rows = np.flatnonzero(clips.speakers == speaker)
        yield str(clips.corpora[rows[0]]), rows


def show_voice(clips: Clips) -> None:
    """Raw, causal in random orders, whole, and after enrolment with 1, 3, 10 neutral clips."""
    rng = np.random.default_rng(0)
    rows = np.arange(len(clips.truth))
    raw = np.array(clips.plain(rows)) == clips.truth
    whole = np.zeros(len(rows), bool)
    causal = np.zeros((ORDERS, len(rows)), bool)
    for _, own in by_speaker(clips):
        whole[own] = np.array(clips.whole(own)) == clips.truth[own]
        for order in range(ORDERS):
            mixed = rng.permutation(own)
            causal[order, mixed] = np.array(clips.causal(mixed)) == clips.truth[mixed]
    print("corpus          speakers clips   raw  causal (least-most)  whole   p whole  p causal")
    for corpus in dict.fromkeys(clips.corpora.tolist()):
        mine = clips.corpora == corpus
        each = causal[:, mine].mean(axis=1)
        first = causal[0, mine]  # one order: a test needs one answer to each clip
        tests = [
            paired_permutation(found, raw[mine], groups=clips.speakers[mine])
            for found in (whole[mine], first)
        ]
        print(
            f"{corpus:15} {len(set(clips.speakers[mine])):8} {mine.sum():5}  {raw[mine].mean():.3f}"
            f"  {each.mean():.3f} ({each.min():.3f}-{each.max():.3f})  {whole[mine].mean():.3f}"
            f"   {tests[0].p_value:.2g}  {tests[1].p_value:.2g}"
            f"{'' if tests[0].exact else ' (drawn)'}"
        )
    _show_enrolled(clips, rng)


def _show_enrolled(clips: Clips, rng: np.random.Generator) -> None:
    print("enrolled with neutral clips, judged on the other clips: gain over raw in points")
    for count in ENROLLED:
        gains: dict[str, list[NDArray[np.float64]]] = {}
        for corpus, own in by_speaker(clips):
            neutral = own[clips.truth[own] == clips.neutral]
            for _ in range(REPEATS if len(neutral) > 1 else 0):
                enrolled = rng.choice(neutral, min(count, len(neutral) - 1), replace=False)
                rest = rng.permutation(np.setdiff1d(own, enrolled))
                gains.setdefault(corpus, []).append(_enrolled_gains(clips, enrolled, rest))
        for corpus, found in gains.items():
            undeclared, then, declared, after = 100 * np.mean(found, axis=0)
            print(
                f"  {count:2} clips {corpus:15} undeclared {undeclared:+.1f}, then causal"
                f" {then:+.1f}; declared {declared:+.1f}, then causal {after:+.1f}"
            )


def _enrolled_gains(
    clips: Clips, enrolled: NDArray[np.intp], rest: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Of a person: undeclared alone, then causal, declared alone, then causal."""
    truth = clips.truth[rest]
    raw = float(np.mean(np.array(clips.plain(rest)) == truth))
    gains: list[float] = []
    for neutral in (False, True):
        known = clips.known(enrolled, neutral=neutral)
        alone = [clips.answer(clip, known) for clip in rest]
        both = (alone, clips.causal(rest, known))
        gains += [float(np.mean(np.array(answers) == truth)) - raw for answers in both]
    return np.array(gains)


def mixes(clips: Clips) -> Iterator[tuple[str, str, NDArray[np.intp]]]:
    """Made-up persons: what they show, their corpus, and their clips in order."""
    rng = np.random.default_rng(0)
    for corpus, own in by_speaker(clips):
        truth = clips.truth[own]
        others = np.unique(truth[truth != clips.neutral])
        neutral = own[truth == clips.neutral]
        for share in NEUTRAL_SHARES:
            if not len(others) or (share and not len(neutral)):
                continue
            for _ in range(MIXES):
                count = round(share * LONG)
                quiet = rng.choice(neutral, count) if count else neutral[:0]
                classes = rng.choice(others, LONG - count)
                loud = [rng.choice(own[truth == each]) for each in classes]
                mixed = rng.permutation(np.concatenate([quiet, loud]).astype(int))
                yield f"{share:.0%} neutral", corpus, mixed
        for each in np.unique(truth).repeat(MIXES):
            yield "one emotion", corpus, rng.choice(own[truth == each], SHORT)
        for _ in range(MIXES):
            yield from _strangers(clips, corpus, own, rng)


def _strangers(
    clips: Clips, corpus: str, own: NDArray[np.intp], rng: np.random.Generator
) -> Iterator[tuple[str, str, NDArray[np.intp]]]:
    """A person alone, and with clips of others under the same name: half of them, or one of FEW."""
    truth = clips.truth[own]
    some = [rng.choice(own[truth == each]) for each in rng.choice(np.unique(truth), LONG)]
    yield "one person", corpus, np.array(some)
    kin = (clips.corpora == corpus) & (clips.speakers != clips.speakers[own[0]])
    other = np.flatnonzero(clips.speakers == rng.choice(clips.speakers[kin]))
    half = np.concatenate([some[: LONG // 2], rng.choice(other, LONG // 2)])
    yield "two people", corpus, rng.permutation(half)
    odd = rng.choice(np.flatnonzero(clips.corpora != corpus))
    yield f"{FEW} clips", corpus, np.array([*some[:FEW]])
    yield f"{FEW}, one odd", corpus, np.array([*some[: FEW - 1], odd])


def show_mixes(clips: Clips) -> None:
    """The gain over raw in points, by what people show and by corpus."""
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for shown, corpus, order in mixes(clips):
        truth = clips.truth[order]
        ways = (clips.plain(order), clips.causal(order), clips.whole(order))
        raw, causal, whole = (float(np.mean(np.array(way) == truth)) for way in ways)
        found.setdefault((shown, corpus), []).append((raw, causal, whole))
    print("shown         corpus          persons   raw  causal  whole")
    for (shown, corpus), each in sorted(found.items()):
        raw, causal, whole = np.mean(each, axis=0)
        print(
            f"{shown:13} {corpus:15} {len(each):7}  {raw:.3f}"
            f"  {100 * (causal - raw):+6.1f} {100 * (whole - raw):+6.1f}"
        )


def show_calibration(folds: Path, centred: Path) -> None:
    """Log-loss and overconfidence of the personal answers, by temperature of the second model."""
    print(
        "temperature        whole: WAR  log-loss  overconfidence"
        "     causal: WAR  log-loss  overconfidence"
    )
    for temperature in TEMPERATURES:
        clips, cells = read(folds, centred, temperature), []
        rng = np.random.default_rng(0)
        scores = np.zeros((2, len(clips.truth), len(clips.populations[0].branches[VOICE].mean)))
        for _, own in by_speaker(clips):
            whole, before = clips.known(own), Statistics.empty()
            for clip in rng.permutation(own):
                scores[0, clip] = clips.scores(clip, whole)
                scores[1, clip] = clips.scores(clip, before)
                before = before.plus(clips.readings[clip])
        for found in scores:
            war = (found.argmax(axis=1) == clips.truth).mean()
            loss = -np.log(found[np.arange(len(found)), clips.truth]).mean()
            cells.append(f"{war:18.3f} {loss:9.3f} {found.max(axis=1).mean() - war:+15.3f}")
        print(f"{temperature:11}" + "".join(cells))


def show_clips(labels: Path) -> None:
    """Of face and voice: WAR on the other clips, before and after enrolment with neutral clips."""
    samples, predictor = read_labels(labels).samples, load()
    predictions = [predictor(sample.path) for sample in samples]
    truth = np.array([sample.label for sample in samples])
    speakers = np.array([sample.group for sample in samples])
    rng = np.random.default_rng(0)
    print("declared  node   clips    raw  personal  gain (least to most of the draws)")
    for count in ENROLLED[:2]:
        draws: dict[str, list[NDArray[np.float64]]] = {}
        for _ in range(DRAWS):
            right: dict[str, list[tuple[bool, bool]]] = {}
            for own in (np.flatnonzero(speakers == name) for name in np.unique(speakers)):
                neutral = own[truth[own] == "neutral"]
                enrolled = rng.choice(neutral, min(count, len(neutral) - 1), replace=False)
                baseline = Baseline.empty(predictor.bundle)
                baseline = baseline.after((predictions[clip] for clip in enrolled), neutral=True)
                for clip in np.setdiff1d(own, enrolled):
                    after = read_against(predictions[clip], predictor.bundle, baseline)
                    for node, answers in _answers(after):
                        right.setdefault(node, []).append(
                            (answers[0] == truth[clip], answers[1] == truth[clip])
                        )
            for node, each in right.items():
                draws.setdefault(node, []).append(np.array([*np.mean(each, axis=0), len(each)]))
        for node, found in draws.items():
            raw, personal, clips = np.mean(found, axis=0)
            gains = [100 * (draw[1] - draw[0]) for draw in found]
            print(
                f"{count:8}  {node:6} {clips:5.0f}  {raw:.3f}     {personal:.3f}"
                f"  {personal - raw:+.3f} ({min(gains):+.1f} to {max(gains):+.1f})"
            )


def _answers(prediction: Prediction) -> Iterator[tuple[str, tuple[str, str]]]:
    """The plain and the personal label of the whole and of each modality that has scores."""
    if prediction.scores is None:
        return
    plain = prediction.scores
    personal = plain if prediction.personal is None else prediction.personal.scores
    yield "fused", (plain.emotion, personal.emotion)
    for name, each in plain.parts.items():
        yield name, (each.emotion, personal.parts[name].emotion)


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("table", choices=("voice", "mixes", "calibrate", "clips"))
    parser.add_argument("folds", type=Path, help="of clips: the table of labels")
    parser.add_argument("centred", type=Path, nargs="?")
    options = parser.parse_args()
    if options.table == "clips":
        show_clips(options.folds)
        return
    if options.centred is None:
        parser.error(f"{options.table} needs FOLDS and CENTRED")
    if options.table == "calibrate":
        show_calibration(options.folds, options.centred)
        return
    clips = read(options.folds, options.centred)
    {"voice": show_voice, "mixes": show_mixes}[options.table](clips)


if __name__ == "__main__":
    main()

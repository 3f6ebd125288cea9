"""facevoice baseline: clips of one person -> a baseline, to read later clips against."""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.cli.console import ProgressLine, say, show
from facevoice.cli.inputs import error_line, find_inputs, predicted
from facevoice.cli.options import (
    add_model_options,
    add_span_options,
    add_track_option,
    check_span,
    output_file,
)
from facevoice.cli.people import say_if_nobody_can_be_read, say_several, shows_several
from facevoice.errors import InvalidInputError
from facevoice.writing import check_file, check_writable

if TYPE_CHECKING:
    from facevoice.person import Baseline
    from facevoice.predict import Predictor


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "baseline",
        help="enrol a person, to read later clips against his or her own usual self",
        description="Enrol a person from clips that show nobody else. The file holds statistics of"
        " scores: no pictures, no sound.",
    )
    command.add_argument("inputs", nargs="+", metavar="PATH", help="files or folders")
    command.add_argument(
        "-o",
        "--output",
        type=output_file,
        required=True,
        metavar="FILE",
        help="the baseline to write, such as anna.baseline.json",
    )
    command.add_argument(
        "--neutral",
        action="store_true",
        help="the inputs show the person in no particular mood: a few of them will do",
    )
    again = command.add_mutually_exclusive_group()
    again.add_argument(
        "--update", action="store_true", help="add to the baseline that is there already"
    )
    again.add_argument("--overwrite", action="store_true", help="replace the file of -o")
    add_span_options(command)
    add_track_option(command)
    add_model_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Enrol, write and say what was found; 1 if an input failed."""
    from facevoice.person import Baseline
    from facevoice.predict import load

    check_span(options)
    if options.update:
        check_writable(options.output)
        start = Baseline.load(options.output)
    else:
        check_file(options.output, overwrite=options.overwrite)
        start = None
    predictor = load(options.bundle, device=options.device, threads=options.threads)
    bundle = predictor.bundle
    if start is not None:
        start.check(bundle)
    before = start or Baseline.empty(bundle)
    baseline, found = _enrolled(predictor, options, before)
    if baseline.clips == before.clips and not found["again"]:
        raise InvalidInputError(
            f"nothing to enrol: neither a face nor a voice was found in the inputs;"
            f" {options.output} is not written"
        )
    baseline.save(options.output)
    _say_what_was_found(baseline, found, options.output)
    say_if_nobody_can_be_read(bundle)
    population = bundle.population
    if options.neutral and population is not None and not population.knows_neutral:
        say(
            f"the bundle {bundle.name} does not know how people score in neutral clips: these count"
            " as any others do"
        )
    return 1 if found["failed"] else 0


def _enrolled(
    predictor: "Predictor", options: argparse.Namespace, baseline: "Baseline"
) -> tuple["Baseline", Counter[str]]:
    """The baseline with the inputs, and how many of them had what."""
    paths, failures = find_inputs(options.inputs)
    found: Counter[str] = Counter(failed=len(failures))
    with ProgressLine("inputs") as line:
        for text, error in failures:
            line.say(error_line(predictor.failure(text, error)))
        for prediction in predicted(predictor, paths, options, line):
            if prediction.error is not None:
                found["failed"] += 1
                continue
            if baseline.holds(prediction):
                found["again"] += 1
                continue
            baseline = baseline.update(prediction, neutral=options.neutral)
            found["face"] += "face" not in prediction.missing
            found["voice"] += "voice" not in prediction.missing
            found["nothing"] += prediction.scores is None
            found["crowd"] += shows_several(prediction)
    return baseline, found


def _say_what_was_found(baseline: "Baseline", found: Counter[str], output: Path) -> None:
    from facevoice.messages import counted
    from facevoice.output.person import rests_on
    from facevoice.person import FEWEST_CLIPS

    enough = "enough to read this person's clips against"
    if not baseline.statistics.enough:
        enough = (
            f"too little: {FEWEST_CLIPS} clips are needed, or one of the person's neutral self with"
            " --neutral; add some with --update"
        )
    show(f"{output}: {rests_on(baseline.clips, baseline.seconds)}: {enough}")
    face, voice = (counted(found[name], "new clip") for name in ("face", "voice"))
    show(f"a face in {face}, a voice in {voice}")
    _show_trust(baseline)
    if found["again"]:
        say(
            f"{counted(found['again'], 'input')} enrolled already: left out, and kept as first"
            " enrolled, with --neutral or without; to change that, enrol all clips of the person"
            " again with --overwrite"
        )
    if found["nothing"]:
        say(f"{counted(found['nothing'], 'input')} without a face or a voice: left out")
    say_several(found["crowd"])


def _show_trust(baseline: "Baseline") -> None:
    """How far each branch is read against the person: by clips of several emotions, or neutral."""
    from facevoice.output.wording import percent

    trust = {
        name: each.trust + each.neutral_trust for name, each in baseline.statistics.branches.items()
    }
    parts = ", ".join(f"{name} {percent(each)}" for name, each in trust.items())
    show(f"how far each branch is read against this person: {parts}")
    if not any(trust.values()):
        show(
            "the clips look alike: until some show other emotions, answers stay as they are (if"
            " these are the person's neutral self, enrol them again with --neutral --overwrite)"
        )

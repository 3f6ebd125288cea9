"""The options that say whom inputs show, and what follows from them."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facevoice.cli.console import say
from facevoice.errors import InvalidInputError

if TYPE_CHECKING:
    from facevoice.bundle import Bundle
    from facevoice.person import Baseline
    from facevoice.predict.prediction import Prediction

_SAME: Final = "the person"


def add_people_options(command: argparse.ArgumentParser) -> None:
    """--same-person, --people and --baseline."""
    group = command.add_argument_group("options for known people", "See docs/person.md.")
    who = group.add_mutually_exclusive_group()
    who.add_argument(
        "--same-person",
        action="store_true",
        help="all inputs show one person: also read each against all of them",
    )
    who.add_argument(
        "--people",
        type=Path,
        metavar="TABLE",
        help="a CSV table with the columns file and person: also read each input against all of"
        " the same person",
    )
    group.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="also read each input against this baseline, which facevoice baseline has enrolled;"
        " with --same-person, it is where the person starts",
    )


@dataclass(frozen=True)
class People:
    """Whom the inputs show, as the options say it.

    person_of: the person of a prediction, None if nobody is named; None: known by ``start`` alone.
    """

    start: "Baseline | None"
    person_of: "Callable[[Prediction], str | None] | None"

    def read(self, predictions: "Iterable[Prediction]", bundle: "Bundle") -> "Iterator[Prediction]":
        """The predictions with their personal answers; all of them must be there first, if whole.

        Raises:
            InvalidInputError: the baseline was enrolled with another bundle.
        """
        from facevoice.predict import read_against
        from facevoice.predict.people import read_whole

        self.check(bundle)
        if self.person_of is not None:
            return read_whole(
                predictions, bundle, self.person_of, start=self.start, found=_say_who_lacks
            )
        start = self.start
        return (read_against(each, bundle, start) if start else each for each in predictions)

    def check(self, bundle: "Bundle") -> None:
        """Check the baseline, before anything is read; say so if the bundle has no population."""
        if self.start is not None:
            self.start.check(bundle.name, bundle.sha256)
        if bundle.population is None:
            say(f"the bundle {bundle.name} has no population: nobody can be read personally")


def people_of(options: argparse.Namespace) -> People | None:
    """What the options say of people; None if nothing.

    Raises:
        InvalidInputError: the baseline cannot be read, or options contradict each other.
        DatasetError: the table of people cannot be read.
    """
    from facevoice.datasets.people import read_people
    from facevoice.person import Baseline

    if not (options.same_person or options.people or options.baseline):
        return None
    if options.report is not None and (options.same_person or options.people):
        raise InvalidInputError(
            "--report shows one input by itself: leave out --same-person and --people"
        )
    if options.people and options.baseline:
        raise InvalidInputError("--baseline is of one person, --people of several: choose one")
    start = None if options.baseline is None else Baseline.load(options.baseline)
    if options.same_person:
        return People(start, lambda _: _SAME)
    if options.people is None:
        return People(start, None)
    people = read_people(options.people)
    return People(None, lambda each: people.get(Path(each.path or "").resolve()))


def _say_who_lacks(baselines: "Mapping[str, Baseline]") -> None:
    from facevoice.messages import counted, some
    from facevoice.person import FEWEST_CLIPS

    few = [name for name, each in baselines.items() if each.clips < FEWEST_CLIPS]
    if not baselines:
        say("no input is named in the table of people")
    if few:
        found = some([f"{name} ({counted(baselines[name].clips, 'clip')})" for name in few])
        say(f"too little to read {found} personally: {FEWEST_CLIPS} clips are needed")

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
        from facevoice.predict.people import read_whole

        self.check(bundle)
        watched = _Watched(self, predictions)
        if self.person_of is not None:
            return read_whole(
                watched, bundle, self.person_of, start=self.start, found=watched.say_what_was_found
            )
        return self._read_enrolled(watched, bundle)

    def _read_enrolled(self, watched: "_Watched", bundle: "Bundle") -> "Iterator[Prediction]":
        from facevoice.predict import read_against

        for each in watched:
            yield each if self.start is None else read_against(each, bundle, self.start)
        say_several(watched.crowded)

    def check(self, bundle: "Bundle") -> None:
        """Check the baseline, before anything is read; say so if the bundle has no population."""
        if self.start is not None:
            self.start.check(bundle)
        say_if_nobody_can_be_read(bundle)


def people_of(options: argparse.Namespace) -> People | None:
    """What the options say of people; None if nothing.

    Raises:
        InvalidInputError: the baseline cannot be read, or options contradict each other.
        DatasetError: the table of people cannot be read.
    """
    if not (options.same_person or options.people or options.baseline):
        return None
    from facevoice.datasets.people import read_people
    from facevoice.person import Baseline

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


class _Watched:
    """Predictions as they pass; counts those that are not quite what the options say.

    crowded: how many show several people.
    """

    def __init__(self, people: People, predictions: "Iterable[Prediction]") -> None:
        self._people, self._predictions = people, predictions
        self.crowded = self._scored = 0

    def __iter__(self) -> "Iterator[Prediction]":
        named = self._people.person_of
        for prediction in self._predictions:
            if named is None or named(prediction) is not None:
                self.crowded += shows_several(prediction)
                self._scored += prediction.reading is not None
            yield prediction

    def say_what_was_found(self, baselines: "Mapping[str, Baseline]") -> None:
        """Say of whom there is too little, and which inputs are not taken as they come."""
        from facevoice.messages import counted, some
        from facevoice.person import FEWEST_CLIPS

        few = [name for name, each in baselines.items() if not each.statistics.enough]
        if not baselines:
            say("no input is named in the table of people")
        if few:
            found = some([f"{name} ({counted(baselines[name].clips, 'clip')})" for name in few])
            say(f"too little to read {found} personally: {FEWEST_CLIPS} clips are needed")
        before = 0 if self._people.start is None else self._people.start.clips
        twice = self._scored - sum(each.clips - before for each in baselines.values())
        if twice:
            say(f"{counted(twice, 'input')} enrolled already, or a copy of another: counted once")
        say_several(self.crowded)


def shows_several(prediction: "Prediction") -> bool:
    """Whether more than one person was seen at once."""
    return prediction.evidence is not None and prediction.evidence.people > 1


def say_several(count: int) -> None:
    """Say how many inputs of one person show several people, unless none does."""
    from facevoice.messages import counted

    if count:
        say(
            f"{counted(count, 'input')} with more than one person: the main one's face and"
            " all speech were taken for this person's"
        )


def say_if_nobody_can_be_read(bundle: "Bundle") -> None:
    """Say so if the bundle has no population, without which there are no personal answers."""
    if bundle.population is None:
        say(f"the bundle {bundle.name} has no population: nobody can be read personally")

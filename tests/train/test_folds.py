"""facevoice folds: every group is held out once, and figures are of those alone."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from facevoice.branches import Adjustment
from facevoice.bundle import read_card
from facevoice.bundle.trained_on import Lessons, read_lessons, write_lessons
from facevoice.cli import main
from facevoice.errors import RecipeError
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.table import ScoreTable, read_score_table
from facevoice.scores.table.keys import keys_of_digests
from facevoice.train.export.onnx_files import Run
from facevoice.train.folds import (
    BLENDED,
    Fold,
    _calibrated,
    among_own_classes,
    blended,
    by_corpus,
    calibrated_by_other_folds,
    folds_of_corpora,
    folds_of_groups,
    held_out,
)
from facevoice.train.prepare.folder import join
from facevoice.train.recipe import recipe_from
from support.prepared_folders import COUNT, LABELS, VOICE, heard, write_prepared
from support.toy_bundle import make_toy_bundle

SHORT = recipe_from(VOICE.to_dict() | {"epochs": 2, "test_groups": []}, "test")


@pytest.fixture(scope="module")
def two_corpora(tmp_path_factory):
    rng = np.random.default_rng(0)
    time = np.arange(8000) / 16000
    folder = tmp_path_factory.mktemp("corpora")
    parts = []
    for name in ("one", "two"):
        tones = [np.sin(2 * np.pi * 300 * 2 ** (i % 4) * time) for i in range(COUNT)]
        noisy = [tone * 8000 + rng.normal(0, 300, 8000) for tone in tones]
        packed = [heard(samples.astype(np.int16)) for samples in noisy]
        parts.append(write_prepared(folder / name, packed))
    return join(parts)


@pytest.fixture(scope="module")
def scored(two_corpora, tmp_path_factory):
    output = tmp_path_factory.mktemp("folds")
    told = []
    folds = folds_of_groups(two_corpora, 3)
    table = held_out(SHORT, two_corpora, folds, output, announce=lambda *fold: told.append(fold))
    return table, output, told


def test_every_group_is_held_out_once(scored, two_corpora):
    table, _, told = scored
    assert told == [
        (1, Fold("fold-1", ("s0", "s1", "s0", "s1"))),
        (2, Fold("fold-2", ("s2", "s3", "s2", "s3"))),
        (3, Fold("fold-3", ("s4", "s5", "s4", "s5"))),
    ]
    assert sorted(table.ids.tolist()) == sorted(two_corpora.ids)
    assert table.answered.all()
    for fold, groups in (("fold-1", {"s0", "s1"}), ("fold-3", {"s4", "s5"})):
        assert set(table.split(fold).groups.tolist()) == groups


def test_a_copy_of_what_taught_a_fold_is_known_by_its_content(scored, two_corpora, tmp_path):
    fold = folds_of_groups(two_corpora, 3)[0]
    run = shutil.copytree(scored[1] / fold.name, tmp_path / fold.name)
    held = next(row for row, group in enumerate(two_corpora.groups) if group in fold.groups)
    digests = {name: f"{row + 1:016x}" for row, name in enumerate(two_corpora.ids)}
    copied = keys_of_digests([digests[two_corpora.ids[held]]])
    write_lessons(run, read_lessons(run) + Lessons(copied))
    table = _calibrated(Run.open(run), "voice", fold.name, digests)
    assert table.ids[table.taught != "no"].tolist() == [two_corpora.ids[held]]


def test_finished_folds_are_not_trained_again(scored, two_corpora):
    table, output, _ = scored
    lines = []
    folds = folds_of_groups(two_corpora, 3)
    again = held_out(SHORT, two_corpora, folds, output, report=lines.append)
    assert not lines
    np.testing.assert_array_equal(table.scores, again.scores)


def test_corpora_are_judged_by_themselves_and_among_some_labels(scored, two_corpora):
    table, _, _ = scored
    parts = by_corpus(table, two_corpora, {"two": ("pain", "calm")})
    assert {name: len(part) for name, part in parts.items()} == {"one": COUNT, "two": COUNT // 2}
    assert parts["one"].labels == LABELS
    two = parts["two"]
    assert two.labels == ("pain", "calm")
    np.testing.assert_allclose(two.scores.sum(axis=-1), 1)
    row = table.ids.tolist().index(two.ids[0])
    whole = table.scores[row, 0, [LABELS.index("pain"), LABELS.index("calm")]]
    np.testing.assert_allclose(two.scores[0, 0], whole / whole.sum())
    assert two.labels[two.truth[0]] == LABELS[table.truth[row]]
    for among, message in (({"three": ("calm",)}, "no corpus three"), ({"one": ("sad",)}, "label")):
        with pytest.raises(RecipeError, match=message):
            by_corpus(table, two_corpora, among)


@pytest.fixture(scope="module")
def apart(two_corpora):
    """The same clips, but each corpus has speakers of its own, all but one; and lacks a class."""
    pairs = zip(two_corpora.corpora, two_corpora.groups, strict=True)
    groups = ["both" if group == "s5" else f"{corpus}-{group}" for corpus, group in pairs]
    notes = ["plain" if row % 2 else "acted" for row in range(COUNT)] + [""] * COUNT
    y = np.where(np.array(two_corpora.corpora) == "two", two_corpora.y % 3, two_corpora.y)
    return replace(two_corpora, groups=tuple(groups), notes=tuple(notes), y=y)


def test_a_corpus_is_left_out_whole_and_with_its_speakers(apart, tmp_path):
    folds = folds_of_corpora(apart)
    assert [fold.corpus for fold in folds] == ["one", "two"]
    assert folds_of_corpora(apart, ["two"]) == folds[1:]
    table = held_out(SHORT, apart, folds, tmp_path)
    assert set(table.splits.tolist()) == {"one", "two"}
    for fold in folds:
        assert set(table.split(fold.corpus).ids.tolist()) == {
            name
            for name, corpus in zip(apart.ids, apart.corpora, strict=True)
            if corpus == fold.corpus
        }
        rows = json.loads((tmp_path / fold.name / "run.json").read_text())["rows"]
        shared = apart.groups.count("both") // 2
        assert rows["test"] == COUNT + shared  # the other corpus's clips of a speaker in both
        assert rows["train"] + rows["val"] == COUNT - shared
    parts = by_corpus(table, apart, {})
    assert list(parts) == ["one", "one: acted", "one: plain", "two"]
    assert len(parts["one: plain"]) == COUNT // 2
    few = by_corpus(table, apart, {"one": ("pain",)})
    assert list(few) == ["one", "two"]  # all clips of pain have the same note
    own = among_own_classes(parts["two"])
    assert own.labels == LABELS[:3]
    wanted = parts["two"].scores[:, 0, :3]
    np.testing.assert_allclose(own.scores[:, 0], wanted / wanted.sum(axis=1, keepdims=True))
    lines = []
    held_out(SHORT, apart, folds, tmp_path, report=lines.append)
    assert not lines
    sharpened = calibrated_by_other_folds(table)
    one, two = (table.splits == name for name in ("one", "two"))
    scores, truth = table.scores[:, 0], table.truth
    wanted = Adjustment(fit_temperature(scores[one], truth[one])).apply(scores[two])
    np.testing.assert_allclose(sharpened.scores[two, 0], wanted)
    alone = table.split("one")
    assert calibrated_by_other_folds(alone) is alone


def test_corpora_that_a_recipe_never_learns_from_stay_out_of_every_fold(
    apart, two_corpora, tmp_path
):
    never = replace(SHORT, test_corpora=("one",))
    (fold,) = folds_of_corpora(apart, ["one"])
    assert fold.recipe(never) == replace(fold.recipe(SHORT), test_corpora=("one",))
    groups = Fold("fold-1", ("two-s0", "one-s0"))
    table = held_out(never, apart, [groups], tmp_path)
    assert set(table.groups.tolist()) == {"one-s0", "two-s0"}
    rows = json.loads((tmp_path / "fold-1/run.json").read_text())["rows"]
    speakers = (set(apart.groups) - {"two-s0", "both"}) & {
        group for group, corpus in zip(apart.groups, apart.corpora, strict=True) if corpus == "two"
    }
    assert rows["train"] + rows["val"] == sum(group in speakers for group in apart.groups)
    with pytest.raises(RecipeError, match="no corpus three; there are one, two"):
        folds_of_corpora(apart, ["three"])
    with pytest.raises(RecipeError, match=r"corpora \['three'\] are not in the data"):
        held_out(replace(SHORT, test_corpora=("three",)), apart, [groups], tmp_path / "b")
    with pytest.raises(RecipeError, match="nothing to learn from"):
        folds_of_corpora(replace(apart, corpora=("one",) * len(apart.ids)))
    with pytest.raises(RecipeError, match="no training sample"):  # all speakers are in both
        held_out(SHORT, two_corpora, folds_of_corpora(two_corpora, ["one"]), tmp_path / "c")


def test_too_few_groups_are_refused(two_corpora):
    assert set(two_corpora.corpora) == {"one", "two"}
    with pytest.raises(RecipeError, match="6 groups: too few for 7 folds"):
        folds_of_groups(two_corpora, 7)
    with pytest.raises(RecipeError, match="2 or more"):
        folds_of_groups(two_corpora, 1)


def test_the_mean_of_recipes_is_calibrated_by_other_folds(scored):
    table, _, _ = scored
    other = ScoreTable.of_arrays(
        np.roll(table.scores[:, 0], 1, axis=0)[:-4], table.truth[:-4], branches=["other"],
        labels=LABELS, ids=table.ids[:-4], groups=table.groups[:-4], splits=table.splits[:-4],
    )  # fmt: skip
    both, temperature = blended([table, other])
    assert both.branches == (SHORT.name, "other", BLENDED)
    mean = (table.scores[:, 0] + np.roll(table.scores[:, 0], 1, axis=0)) / 2
    chosen = both.column(BLENDED).argmax(axis=1)
    np.testing.assert_array_equal(chosen[:-4], mean[:-4].argmax(axis=1))
    np.testing.assert_array_equal(chosen[-4:], table.scores[-4:, 0].argmax(axis=1))
    assert 0.05 <= temperature <= 20
    uneven, _ = blended([table, other], [3, 1])
    mean = 0.75 * table.scores[:, 0] + 0.25 * np.roll(table.scores[:, 0], 1, axis=0)
    chosen = uneven.column(BLENDED).argmax(axis=1)
    np.testing.assert_array_equal(chosen[:-4], mean[:-4].argmax(axis=1))
    np.testing.assert_array_equal(chosen[-4:], table.scores[-4:, 0].argmax(axis=1))
    for wrong in ([1.0], [1.0, 0.0], [1.0, float("nan")]):
        with pytest.raises(RecipeError, match="2 recipes need as many weights above 0"):
            blended([table, other], wrong)
    swapped = ScoreTable.of_arrays(
        table.scores, table.truth, branches=["x"], labels=LABELS, ids=table.ids[::-1],
        groups=table.groups, splits=table.splits,
    )  # fmt: skip
    with pytest.raises(RecipeError, match="same folds"):
        blended([table, swapped])


def test_the_command_prints_figures_and_keeps_scores(two_corpora, tmp_path, capsys):
    recipes = []
    for name in ("v", "w"):
        recipes.append(tmp_path / f"{name}.toml")
        recipes[-1].write_text(
            f'name = "{name}"\nbranch = "spectrogram_net"\nnet = "spectrogram_resnet"\n'
            "width = 4\nepochs = 1\n"
            "[spectrogram]\nscale = 'mel'\nheight = 32\nwidth = 64\ntime = 'window'\n"
        )
    folders = [word for store in two_corpora.stores for word in ("--data", str(store.folder))]
    options = [*folders, "--folds", "2", "--among", "two=calm,joy", "-o", str(tmp_path / "out")]
    assert main(["folds", str(recipes[0]), *options]) == 0
    said = capsys.readouterr()
    assert f"one: {COUNT} clips of 6 groups" in said.out
    assert f"two: {COUNT // 2} clips of 6 groups" in said.out
    assert "ECE" in said.out
    assert "fold 2 of 2: without s3, s4, s5" in said.err
    assert len(read_score_table(tmp_path / "out" / "held_out.npz")) == 2 * COUNT
    weights = ["--weights", "0.7,0.3"]
    assert main(["folds", *map(str, recipes), *options, *weights, "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert set(found) == {"one", "two"}
    assert set(found["one"]) == {"v", "w", BLENDED}
    assert "asks for a temperature" in said.err
    leave = ["--leave", "corpus", "--corpora"]
    assert main(["folds", str(recipes[0]), *options[:-1], str(tmp_path / "x"), *leave, "four"]) == 1
    assert "no corpus four" in capsys.readouterr().err
    assert main(["folds", str(recipes[0]), *options, "--corpora", "two"]) == 1
    assert "--corpora belongs to --leave corpus" in capsys.readouterr().err
    fresh = [*options[:-1], str(tmp_path / "fresh")]
    assert main(["folds", *map(str, recipes), *fresh, "--weights", "1"]) == 1
    said = capsys.readouterr().err
    assert "2 recipes need as many weights" in said
    assert "fold" not in said  # told before anything is trained
    with pytest.raises(SystemExit):
        main(["folds", *map(str, recipes), *options, "--weights", "a,b"])
    assert "'a,b' is not numbers between commas" in capsys.readouterr().err
    assert main(["folds", str(recipes[0]), str(recipes[0]), *options]) == 1
    assert "names of their own" in capsys.readouterr().err
    assert main(["folds", str(recipes[0]), *options[:-2], "--among", "two"]) == 1
    assert "--among takes CORPUS=LABEL,LABEL" in capsys.readouterr().err


def test_the_command_leaves_corpora_out(two_corpora, tmp_path, capsys):
    recipe = tmp_path / "v.toml"
    recipe.write_text(
        'name = "v"\nbranch = "spectrogram_net"\nnet = "spectrogram_resnet"\nwidth = 4\n'
        "epochs = 1\n[spectrogram]\nscale = 'mel'\nheight = 32\nwidth = 64\ntime = 'window'\n"
    )
    folders = []
    for number, store in enumerate(two_corpora.stores):
        folder = tmp_path / f"part{number}"
        shutil.copytree(store.folder, folder)
        lines = (
            (folder / "samples.csv").read_text().replace("train,s", f"train,{number}s").splitlines()
        )
        kept = [line.replace("joy", "pain") if number else line for line in lines]
        (folder / "samples.csv").write_text("\n".join(kept) + "\n")
        folders += ["--data", str(folder)]
    options = ["folds", str(recipe), *folders, "-o", str(tmp_path / "out"), "--leave", "corpus"]
    assert main(options) == 0
    said = capsys.readouterr()
    assert "fold 2 of 2: without two" in said.err
    assert f"two: {COUNT} clips of 6 groups" in said.out
    assert "among its own 3 classes: UAR" in said.out
    assert "others answered: joy" in said.out
    assert "mean of one, two: v UAR" in said.out
    toy = make_toy_bundle(tmp_path / "toy")
    assert main([*options, "--json", "--record", str(toy)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert read_card(toy)["left_out"] == {corpus: found[corpus] for corpus in ("one", "two")}
    found = found["two"]["v"]
    assert main([*options[:-2], "--record", str(toy)]) == 1
    assert "--record belongs to --leave corpus" in capsys.readouterr().err
    assert main([*options, "--record", str(tmp_path)]) == 1
    assert "no folder of that name holds a bundle.json" in capsys.readouterr().err
    assert found["own_classes"]["count"] == 3
    assert found["uar_low"] <= found["uar"] <= found["own_classes"]["uar"] + 1e-9
    assert set(found["other_classes"]) == {"joy"}
    table = read_score_table(tmp_path / "out/held_out.npz").split("two")
    share = (table.scores[:, 0].argmax(axis=1) == LABELS.index("joy")).mean()
    assert found["other_classes"]["joy"] == pytest.approx(share, abs=1e-4)


def test_views_of_speech_are_the_same_whenever_they_are_drawn(two_corpora):
    """A resumed run must see what an uninterrupted one would have seen."""
    from facevoice.train.fit.sources import SpectrogramSource

    recipe = replace(SHORT, speech_views=2)
    whole, resumed = SpectrogramSource(two_corpora, recipe), SpectrogramSource(two_corpora, recipe)
    for row in range(4):
        whole._changed(row, np.random.default_rng(row))
    rows = [np.random.default_rng(9), np.random.default_rng(9)]
    first, second = whole._changed(2, rows[0]), resumed._changed(2, rows[1])
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    drawn = {whole._changed(2, np.random.default_rng(k)).numpy().tobytes() for k in range(12)}
    assert len(drawn) == 2

"""facevoice folds: every group is held out once, and figures are of those alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

from facevoice.cli import main
from facevoice.errors import RecipeError
from facevoice.scores.table import ScoreTable, read_score_table
from facevoice.train.folds import BLENDED, blended, by_corpus, deal_groups, held_out
from facevoice.train.prepare.folder import join
from facevoice.train.recipe import recipe_from
from support.prepared_folders import COUNT, LABELS, VOICE, heard, write_prepared

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
    table = held_out(SHORT, two_corpora, 3, output, announce=lambda *fold: told.append(fold))
    return table, output, told


def test_every_group_is_held_out_once(scored, two_corpora):
    table, _, told = scored
    assert told == [(1, ("s0", "s1", "s0", "s1")), (2, ("s2", "s3", "s2", "s3")),
                    (3, ("s4", "s5", "s4", "s5"))]  # fmt: skip
    assert sorted(table.ids.tolist()) == sorted(two_corpora.ids)
    assert table.answered.all()
    for fold, groups in (("fold-1", {"s0", "s1"}), ("fold-3", {"s4", "s5"})):
        assert set(table.split(fold).groups.tolist()) == groups


def test_finished_folds_are_not_trained_again(scored, two_corpora):
    table, output, _ = scored
    lines = []
    again = held_out(SHORT, two_corpora, 3, output, report=lines.append)
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


def test_too_few_groups_are_refused(two_corpora):
    assert set(two_corpora.corpora) == {"one", "two"}
    with pytest.raises(RecipeError, match="6 groups: too few for 7 folds"):
        deal_groups(two_corpora, 7)
    with pytest.raises(RecipeError, match="2 or more"):
        deal_groups(two_corpora, 1)


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
    fresh = [*options[:-1], str(tmp_path / "fresh")]
    assert main(["folds", *map(str, recipes), *fresh, "--weights", "1"]) == 1
    said = capsys.readouterr().err
    assert "2 recipes need as many weights" in said
    assert "fold" not in said  # told before anything is trained
    with pytest.raises(SystemExit):
        main(["folds", *map(str, recipes), *options, "--weights", "a,b"])
    assert "invalid numbers value: 'a,b'" in capsys.readouterr().err
    assert main(["folds", str(recipes[0]), str(recipes[0]), *options]) == 1
    assert "names of their own" in capsys.readouterr().err
    assert main(["folds", str(recipes[0]), *options[:-2], "--among", "two"]) == 1
    assert "--among takes CORPUS=LABEL,LABEL" in capsys.readouterr().err


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

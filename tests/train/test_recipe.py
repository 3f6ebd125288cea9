import tomllib

import pytest

from facevoice.errors import RecipeError
from facevoice.train.recipe import load_recipe, recipe_from
from support.places import RECIPES

FILES = sorted(RECIPES.glob("*.toml"))
RECIPES = [path for path in FILES if "tree" not in tomllib.loads(path.read_text())]
GOOD = {"name": "a", "branch": "face_vote", "net": "small_resnet"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_loads(path):
    assert load_recipe(path).name


def test_defaults_fill_what_a_recipe_leaves_out_and_overrides_win(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('name = "a"\nbranch = "face_vote"\nnet = "small_resnet"\nepochs = 3\n')
    recipe = load_recipe(path, ["epochs=9", "pooling=mean", "mirror=true", "learning_rate=1"])
    assert (recipe.epochs, recipe.pooling, recipe.mirror) == (9, "mean", True)
    assert recipe.learning_rate == 1.0
    assert recipe_from(recipe.to_dict(), "again") == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch'; known: epochs"),
        ({"epochs": "many"}, "epochs must be int"),
        ({"epochs": True}, "epochs must be int"),
        ({"width": 0}, "at least 1"),
        ({"epochs": 0}, "nothing to train"),
        ({"patience": -1}, "not be negative"),
        ({"pooling": "max"}, "must be one of 'votes', 'mean'"),
        ({"crop": [0, 0, 10, 20]}, "square"),
        ({"crop": 3}, "must be a list"),
        ({"val_groups": ["a"], "test_groups": ["a"]}, "stand in val_groups and in test_groups"),
        ({"val_fraction": 2}, "must lie in"),
    ],
)
def test_wrong_keys_and_values_are_named(change, message):
    with pytest.raises(RecipeError, match=message):
        recipe_from(GOOD | change, "test")


def test_a_recipe_that_is_none_says_so(tmp_path):
    with pytest.raises(RecipeError, match="no recipe"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(RecipeError, match="not TOML"):
        load_recipe(tmp_path / "bad.toml")
    with pytest.raises(RecipeError, match="missing key branch, net"):
        recipe_from({"name": "a"}, "test")
    with pytest.raises(RecipeError, match="key=value"):
        load_recipe(RECIPES[0], ["epochs"])


def test_sizes_end_with_the_input_and_have_an_epoch_each():
    plain = {"name": "f", "branch": "face_vote", "net": "small_resnet", "input_size": 40}
    assert recipe_from(plain | {"sizes": [24, 40], "epochs": 2}, "test").sizes == (24, 40)
    for wrong, message in (
        ({"sizes": [24, 32]}, "end with input_size 40"),
        ({"sizes": [0, 40]}, "must be positive"),
        ({"sizes": [24, 32, 40], "epochs": 2}, "3 parts of only 2 epochs"),
    ):
        with pytest.raises(RecipeError, match=message):
            recipe_from(plain | wrong, "test")

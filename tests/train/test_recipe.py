import tomllib

import pytest

import facevoice
from facevoice.errors import RecipeError
from facevoice.train.recipe import (
    FunctionalsEnsembleRecipe,
    SvmRecipe,
    find_recipe,
    load_recipe,
    recipe_from,
    recipes_folder,
)
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
        ({"epoch": 3}, "face_vote has the unknown key 'epoch'; known: epochs, augment, .*, width$"),
        ({"blstm_width": 3}, "face_vote has the unknown key 'blstm_width'"),
        ({"branch": "face_sequence", "mirror": True}, "face_sequence has the unknown key 'mirror'"),
        ({"branch": "spectrogram_net", "crop": [0]}, "spectrogram_net has the unknown key 'crop'"),
        (
            {"branch": "functionals", "net": "svm", "epochs": 3},
            "the unknown key 'epochs'; known: balance, .*, svm_costs, svm_kernels, .*val_groups$",
        ),
        ({"branch": "face"}, "branch must be one of 'face_vote', .*'speech_encoder', got 'face'"),
        ({"branch": "functionals"}, "net must be one of 'svm', 'ensemble', got 'small_resnet'"),
        ({"branch": "functionals", "net": "svm", "svm_kernels": ["poly"]}, "one of 'linear'"),
        ({"branch": "spectrogram_net", "spectrogram": {"colour": 1}}, "spectrogram.*colour"),
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


@pytest.mark.parametrize(
    ("net", "kind"), [("svm", SvmRecipe), ("ensemble", FunctionalsEnsembleRecipe)]
)
def test_the_former_name_of_functionals_is_understood(net, kind):
    table = {"name": "a", "net": net}
    recipe = recipe_from(table | {"branch": "functionals_svm"}, "test")
    assert isinstance(recipe, kind)
    assert recipe == recipe_from(table | {"branch": "functionals"}, "test")
    assert recipe.to_dict()["branch"] == "functionals"


def test_a_recipe_is_found_by_its_short_name(tmp_path, monkeypatch):
    assert load_recipe("resnet18_blstm", ["epochs=3"]).epochs == 3
    assert load_recipe("resnet18_blstm") == load_recipe(find_recipe("resnet18_blstm"))
    assert find_recipe("system").name == "system.toml"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('name = "a"\nbranch = "face_vote"\nnet = "vgg16"\n')
    assert load_recipe("mine.toml").net == "vgg16"
    with pytest.raises(RecipeError, match="tree resnet: neither a file nor one of base_face,"):
        load_recipe("resnet")


def test_an_installed_package_finds_the_recipes_inside_it(tmp_path, monkeypatch):
    package = tmp_path / "facevoice"
    (package / "recipes").mkdir(parents=True)
    monkeypatch.setattr(facevoice, "__file__", str(package / "__init__.py"))
    assert recipes_folder() == package / "recipes"


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

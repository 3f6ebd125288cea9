"""What a server may be started with."""

import pytest

from facevoice.cli import main
from facevoice.errors import InvalidInputError
from facevoice.serve.settings import Limits, Settings

SECRET = "a-secret-of-many-letters"  # noqa: S105


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_this_machine_alone_needs_no_token(host):
    assert Settings(host=host).names == {"localhost"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "studio.example"])  # noqa: S104
def test_other_machines_need_one_unless_told_otherwise(host):
    with pytest.raises(InvalidInputError, match="--token-file"):
        Settings(host=host)
    assert Settings(host=host, token=SECRET).token == SECRET
    assert Settings(host=host, without_token=True).token is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "short"},
        {"token": "has a space in the middle"},
        {"token": SECRET, "without_token": True},
        {"port": 70_000},
        {"workers": 0},
        {"hosts": ("http://a",)},
        {"origins": ("https://a/path",)},
        {"origins": ("*",)},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InvalidInputError):
        Settings(**wrong)


@pytest.mark.parametrize("name", Limits.__dataclass_fields__)
def test_limits_are_positive(name):
    with pytest.raises(InvalidInputError, match=name):
        Limits(**{name: -1})


def test_the_token_is_not_shown():
    assert SECRET not in repr(Settings(token=SECRET))


def test_the_command_says_what_is_wrong_in_a_line(capsys, tmp_path):
    pytest.importorskip("fastapi")
    assert main(["serve", "--host", "0.0.0.0"]) == 1  # noqa: S104
    assert main(["serve", "--token-file", str(tmp_path / "none")]) == 1
    assert main(["serve", "--max-mb", "5", "--disk-mb", "4"]) == 1
    first, second, third = capsys.readouterr().err.splitlines()
    assert "--no-token" in first
    assert "No such file" in second
    assert "--disk-mb 4 cannot hold" in third

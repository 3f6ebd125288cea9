"""One tree of errors: each says what was asked, what was found and what to do.

Every class also inherits the builtin that a caller would expect (``ValueError``,
``FileNotFoundError``, ...) and carries a stable ``kind`` that prediction records show.
"""

from typing import ClassVar


class FacevoiceError(Exception):
    """Root of every error that facevoice raises on purpose."""

    kind: ClassVar[str] = "error"


class InvalidInputError(FacevoiceError, ValueError):
    """An argument or array has a wrong shape, dtype, range or name."""

    kind: ClassVar[str] = "invalid_input"


class MediaNotFoundError(FacevoiceError, FileNotFoundError):
    """A path names no file, or a folder that holds no media."""

    kind: ClassVar[str] = "not_found"


class MediaUnreadableError(FacevoiceError, ValueError):
    """A file exists but holds no video, sound or picture that can be decoded."""

    kind: ClassVar[str] = "unreadable"


class MediaPermissionError(FacevoiceError, PermissionError):
    """A file exists but this user may not read it."""

    kind: ClassVar[str] = "permission"


class BundleError(FacevoiceError, ValueError):
    """A bundle is absent, incomplete, of another format, or says contradictory things."""

    kind: ClassVar[str] = "bundle"


class HashMismatchError(BundleError):
    """A file's bytes are not those that its bundle or its source promised."""

    kind: ClassVar[str] = "hash_mismatch"


class LabelMismatchError(FacevoiceError, ValueError):
    """Scores over different label sets were about to be mixed."""

    kind: ClassVar[str] = "label_mismatch"


class MissingDependencyError(FacevoiceError, ImportError):
    """An optional package is needed and not installed."""

    kind: ClassVar[str] = "missing_dependency"

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> "MissingDependencyError":
        """Name the package, what it is for, and the command that installs it."""
        return cls(f"{purpose} needs the package {package}: {how_to_install(extra, package)}")


class OutputError(FacevoiceError, OSError):
    """A result could not be written."""

    kind: ClassVar[str] = "output"


class WorkerError(FacevoiceError, RuntimeError):
    """A process that was given work died."""

    kind: ClassVar[str] = "worker"


class DatasetError(FacevoiceError, ValueError):
    """A corpus is not laid out as its adapter expects, or a split leaks."""

    kind: ClassVar[str] = "dataset"


class RecipeError(FacevoiceError, ValueError):
    """A recipe has an unknown key, a wrong value, or does not fit its data."""

    kind: ClassVar[str] = "recipe"


def how_to_install(extra: str, package: str) -> str:
    """What a user runs to get an optional package, in a clone and elsewhere."""
    return f"uv sync --inexact --no-dev --extra {extra} (in the clone), or pip install {package}"

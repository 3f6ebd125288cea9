"""All errors of facevoice; messages state what was requested, what was found and what to do.

Every class also inherits the builtin that a caller would expect (``ValueError``,
``FileNotFoundError``, ...) and has a stable ``kind``, which prediction records contain.
"""

from typing import ClassVar


class FacevoiceError(Exception):
    """Base class of all errors that facevoice raises deliberately."""

    kind: ClassVar[str] = "error"


class InvalidInputError(FacevoiceError, ValueError):
    """An argument or array has a wrong shape, dtype, range or name."""

    kind: ClassVar[str] = "invalid_input"


class MediaNotFoundError(FacevoiceError, FileNotFoundError):
    """A path does not exist, or is a folder without media."""

    kind: ClassVar[str] = "not_found"


class MediaUnreadableError(FacevoiceError, ValueError):
    """A file exists, but holds no video, sound or picture that can be decoded."""

    kind: ClassVar[str] = "unreadable"


class MediaPermissionError(FacevoiceError, PermissionError):
    """A file exists, but this user may not read it."""

    kind: ClassVar[str] = "permission"


class BundleError(FacevoiceError, ValueError):
    """A bundle is missing, incomplete, inconsistent, or of another format."""

    kind: ClassVar[str] = "bundle"


class HashMismatchError(BundleError):
    """A file does not have the hash that its bundle or its source states."""

    kind: ClassVar[str] = "hash_mismatch"


class LabelMismatchError(FacevoiceError, ValueError):
    """Scores over different label sets cannot be combined."""

    kind: ClassVar[str] = "label_mismatch"


class MissingDependencyError(FacevoiceError, ImportError):
    """An optional package is needed but not installed."""

    kind: ClassVar[str] = "missing_dependency"

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> "MissingDependencyError":
        """An error with the package, its purpose, and the command that installs it."""
        return cls(f"{purpose} needs the package {package}: {how_to_install(extra, package)}")


class OutputError(FacevoiceError, OSError):
    """A result could not be written."""

    kind: ClassVar[str] = "output"


class WorkerError(FacevoiceError, RuntimeError):
    """A worker process died."""

    kind: ClassVar[str] = "worker"


class DatasetError(FacevoiceError, ValueError):
    """A corpus does not have the expected layout, or a split leaks."""

    kind: ClassVar[str] = "dataset"


class RecipeError(FacevoiceError, ValueError):
    """A recipe has an unknown key or a wrong value, or does not fit its data."""

    kind: ClassVar[str] = "recipe"


def how_to_install(extra: str, package: str) -> str:
    """What a user runs to get an optional package, in a clone and elsewhere."""
    return f"uv sync --inexact --no-dev --extra {extra} (in the clone), or pip install {package}"

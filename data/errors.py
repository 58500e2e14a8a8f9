"""What can be wrong with data."""

from tarvis_jax.errors import UserError


class DataError(UserError):
    """A dataset, a result or an annotation file cannot be used."""


class BadRecordError(Exception):
    """One record cannot be read. The pipeline replaces it by another one."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"

"""What can be wrong with data."""


class DataError(ValueError):
    """A dataset cannot be used; the message is one line for the user: file, expected, found, what to do."""


class BadRecordError(Exception):
    """One record cannot be read. The pipeline replaces it by another one."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"

"""Mistakes of a user: every command answers one with a single line and exit status 2."""


class UserError(ValueError):
    """The message is one line for the user: the file, key or shape, what was expected and found, what to do."""

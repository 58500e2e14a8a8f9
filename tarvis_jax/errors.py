"""Mistakes of a user: every command answers one with a single line and exit status 2."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """The message is one line for the user: the file, key or shape, what was expected and found, what to do."""


def closest(name: str, known: Iterable[str]) -> str:
    """'did you mean ...' and the list of what exists, for a name that does not."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{hint}known: {', '.join(known)}"

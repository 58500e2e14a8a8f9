"""What the commands with plain flags share: one clear line for a mistake, exit status 2."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from tarvis_jax.errors import UserError

USER_MISTAKE = 2


class ArgumentParser(argparse.ArgumentParser):
    """A parser that answers a mistake in one line; flags are never guessed from their beginnings."""

    def __init__(self, **options) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(USER_MISTAKE, f"error: {message} (see {self.prog} --help)\n")


def exit_status(command: Callable[[], int | None]) -> int:
    """Runs a command; a `UserError` becomes one line on standard error and exit status 2."""
    try:
        return command() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_MISTAKE

"""What the commands with plain flags share: one clear line for a mistake, exit status 2."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from tarvis_jax.errors import UserError, closest

USER_MISTAKE = 2
NO_READER = 128 + 13  # what a shell reports for a program that SIGPIPE ends, as it ends most of them


class ArgumentParser(argparse.ArgumentParser):
    """A parser that answers a mistake in one line; flags are never guessed from their beginnings."""

    def __init__(self, **options) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def parse_known_args(self, args=None, namespace=None):
        """As argparse's, but a flag that does not exist is an error here, where the flags that do are known."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
            self.error(f"unknown argument {unknown[0]}; {closest(unknown[0].split('=')[0], flags)}")
        return known, unknown

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """As argparse's; nobody may read the help to its end."""
        super().exit(_written(status), message)

    def error(self, message: str) -> NoReturn:
        self.exit(USER_MISTAKE, f"error: {message} (see {self.prog} --help)\n")


def check_command(parser: ArgumentParser, argv: Sequence[str], commands: Iterable[str]) -> None:
    """Leaves with the closest of a program's commands if the first argument is none of them."""
    if argv and not argv[0].startswith("-") and argv[0] not in commands:
        parser.error(f"unknown command {argv[0]}; {closest(argv[0], commands)}")


def exit_status(command: Callable[[], int | None]) -> int:
    """Runs a command and returns its exit status.

    A `UserError` becomes one line on standard error and `USER_MISTAKE`. Where nobody reads the output any more (`| head -1`),
    the command ends silently with `NO_READER`.
    """
    try:
        status = command() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = USER_MISTAKE
    except BrokenPipeError:
        status = NO_READER
    return _written(status)


def _written(status: int) -> int:
    """The exit status when everything is printed; what nobody reads is dropped, or Python complains of it when it ends."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    return status

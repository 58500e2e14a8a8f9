"""What every benchmark's evaluation looks like, so that one runner can split, join and report all of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

State = dict[str, Any]  # of one video: nothing but what JSON holds exactly (dicts, lists, str, int, float, NaN)

PERFECT = "every score is perfect: is --pred the ground truth itself?"  # a warning


@dataclasses.dataclass(frozen=True)
class Table:
    """A CSV file of the official tool: `name`.csv with `columns`, and rows of as many values."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]


@dataclasses.dataclass(frozen=True)
class Curve:
    """Lines of one picture for `--plot`: `lines` maps a legend to y values over `x`; `name` is the file's stem."""

    name: str
    x_label: str
    y_label: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float]]


@dataclasses.dataclass(frozen=True)
class Result:
    """What an evaluation found.

    Attributes:
        summary: the content of `results.json`, as the interface defines it for the benchmark.
        headline: the columns and the one row (or several, a result file each) of the table that is printed.
        per_sequence: a row a sequence or object, first the name, then numbers; `--worst` sorts by the first number, ascending.
        tables: CSV files in the official tool's columns.
        curves: what `--plot` draws.
        warnings: lines about results that are broken although they get a number.
    """

    summary: dict[str, Any]
    headline: Table
    per_sequence: Table
    tables: Sequence[Table] = ()
    curves: Sequence[Curve] = ()
    warnings: Sequence[str] = ()


class Benchmark(Protocol):
    """The evaluation of one set of predictions against one ground truth.

    Making one reads lists and checks layouts; the masks of a video are read by `evaluate_video` alone. It can be pickled, so
    that worker processes can have it.
    """

    @property
    def videos(self) -> Sequence[str]:
        """Names of the ground truth's videos, in the order of the official tables."""

    def evaluate_video(self, name: str) -> State:
        """Everything that the scores need of one video. Pure; raises `DataError` for a broken input."""

    def summarise(self, states: Mapping[str, State]) -> Result:
        """The scores of all videos from their states."""

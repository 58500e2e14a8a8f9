"""What an evaluation shows and leaves: a table to read, `results.json`, CSV files, pictures."""

import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.writing import require_new, write_bytes, write_text
from tarvis_jax.evaluation.benchmark import Curve, Result, Table

Results = Mapping[str, Result]  # by the name of the result file; usually one

RESULTS_FILE = "results.json"


def require_new_results(output: Path, overwrite: bool) -> None:
    """Raises `DataError` if the folder holds results already, unless they may be overwritten."""
    require_new(output / RESULTS_FILE, overwrite)


def show(results: Results, worst: int = 0) -> None:
    """Prints the main table, the `worst` rows of each result with the lowest scores, and on standard error the warnings."""
    print(render(headline(results)))
    for name, result in results.items():
        if worst:
            title = f"of {name}" if len(results) > 1 else ""
            print(f"\nLowest scores {title}".rstrip())
            print(render(lowest(result.per_sequence, worst)))
    for name, result in results.items():
        for line in result.warnings:
            print(f"warning: {name + ': ' if len(results) > 1 else ''}{line}", file=sys.stderr)


def headline(results: Results) -> Table:
    """The main table: a result's own, or all results' with their names in front."""
    if len(results) == 1:
        return next(iter(results.values())).headline
    tables = {name: result.headline for name, result in results.items()}
    columns = ["Result", *next(iter(tables.values())).columns]
    return Table("comparison", columns, [[name, *row] for name, table in tables.items() for row in table.rows])


def lowest(table: Table, count: int) -> Table:
    """The rows with the lowest first number; those without a number (NaN) come last."""

    def rank(row: Sequence[str | float]) -> tuple[bool, float]:
        value = next(value for value in row if not isinstance(value, str))
        return math.isnan(value), value

    return Table(table.name, table.columns, sorted(table.rows, key=rank)[:count])


def render(table: Table) -> str:
    """A table of aligned columns; names to the left, numbers with three decimals to the right."""
    rows = [list(table.columns), *([_shown(value) for value in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    is_name = [all(isinstance(row[i], str) for row in table.rows) for i in range(len(table.columns))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if name else cell.rjust(width) for cell, width, name in zip(row, widths, is_name, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _shown(value: str | float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def write(results: Results, output: Path, *, plot: bool = False) -> None:
    """Writes the CSV files, with `plot` the pictures, and last `results.json`: where it is, the others are complete.

    With several results each has a folder of its own, and `comparison.csv` is the main table.
    """
    several = len(results) > 1
    if several:
        write_text(output / "comparison.csv", csv_text(headline(results)))
    for name, result in results.items():
        folder = output / name if several else output
        for table in result.tables:
            write_text(folder / f"{table.name}.csv", csv_text(table))
        for curve in result.curves if plot else ():
            write_bytes(folder / "plots" / f"{curve.name.replace('/', '_')}.png", picture(curve))
    summaries = {name: result.summary for name, result in results.items()}
    content = summaries if several else next(iter(summaries.values()))
    write_text(output / RESULTS_FILE, json.dumps(content, indent=1) + "\n")


def csv_text(table: Table) -> str:
    """A CSV file: floats in full precision, NaN as nothing, text as it is."""
    import csv  # for --output alone

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow(["" if isinstance(value, float) and math.isnan(value) else value for value in row])
    return stream.getvalue()


def picture(curve: Curve) -> bytes:
    """The lines of a curve as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel=curve.x_label, ylabel=curve.y_label)
    for legend, values in curve.lines.items():
        axes.plot(curve.x, values, label=legend)
    axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()

"""Tables of text: how numbers are written, and columns aligned."""

from __future__ import annotations

from typing import Collection, List, Optional


def human(nanos: Optional[float]) -> str:
    if nanos is None:
        return "-"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(nanos) >= size:
            return f"{nanos / size:.2f} {unit}"
    return f"{nanos:.1f} ns"


def number(value: Optional[float], form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def print_rows(table: List[List[str]], right: Collection[int]) -> None:
    """Prints rows of equally many cells; the columns in `right` are aligned to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    print()
    for row in table:
        print("  ".join(text.rjust(w) if at in right else text.ljust(w) for at, (text, w) in enumerate(zip(row, widths))).rstrip())

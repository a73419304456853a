"""Where the library may be."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator, List, NoReturn, Tuple

if sys.platform == "darwin":
    FILE_NAME = "libkeepwell.dylib"
elif sys.platform == "win32":
    FILE_NAME = "keepwell.dll"
else:
    FILE_NAME = "libkeepwell.so"

#: The environment variable that may name the library's file.
VARIABLE = "KEEPWELL_LIBRARY"


def candidates() -> Iterator[Tuple[str, str]]:
    """What to load, best first, each with the reason why it is looked at."""
    package = Path(__file__).resolve().parent
    beside = package / FILE_NAME
    if beside.exists():
        yield str(beside), "beside the package"
    named = os.environ.get(VARIABLE)
    if named:
        yield named, VARIABLE
    built = package.parents[2] / "target" / "release" / FILE_NAME
    if built.exists() and (package.parents[2] / "Cargo.toml").exists():
        yield str(built), "built in the checkout"
    yield FILE_NAME, "the system's loader"


def not_found(tried: List[str]) -> NoReturn:
    """Raises the error for a library that is nowhere."""
    package = Path(__file__).resolve().parent
    lines = "\n".join(f"  {line}" for line in tried)
    raise ImportError(
        f"keepwell: the library {FILE_NAME} was not found. Put it beside the package ({package}), name its file in the environment "
        f"variable {VARIABLE}, or build it in the checkout with `cargo build --release`. Tried:\n{lines}"
    )

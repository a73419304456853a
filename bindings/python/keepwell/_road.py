"""The choice between the two roads, made once when the package is imported.

The *native* road's classes are made by the library out of the running interpreter's own functions; the *portable* one's are Python and
exchange marshalled bytes with the library. ``python -X keepwell_road=portable`` (or ``native``, which then has to work) decides by hand,
for tests.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Dict

from . import _library, _parameters, _portable
from ._errors import make_error
from ._handles import CancelToken, Statement

_SIGNATURE = "($self, sql, params=(), *, timeout=None, read_only=False, cache=None, cancel=None)\n--\n\n"


def _native() -> Dict[str, Any]:
    """The native road's classes; empty where there is none."""
    target = _portable.Target
    namespace: Dict[str, Any] = {
        "make_error": make_error,
        "make_result": partial(tuple.__new__, _portable.Result),
        "Statement": Statement,
        "CancelToken": CancelToken,
        "doc_target": target.__doc__ or "",
        "doc_rows": _portable.Rows.__doc__ or "",
    }
    for name in ("bad_parameter", "bad_name", "bad_argument", "bad_keyword", "bad_row", "bad_text", "shape_parameters", "describe_rows"):
        namespace[name] = getattr(_parameters, name)
    for name in ("query", "query_one", "query_value", "execute"):
        namespace[f"doc_{name}"] = name + _SIGNATURE + (getattr(target, name).__doc__ or "")
    return namespace if _library.native(namespace) else {}


_wanted = getattr(sys, "_xoptions", {}).get("keepwell_road")
_made = {} if _wanted == "portable" else _native()
if _wanted == "native" and not _made:
    raise ImportError("keepwell: -X keepwell_road=native, but this interpreter cannot be served natively")

#: Which road was taken: ``"native"`` or ``"portable"``.
road: str = "native" if _made else "portable"

if TYPE_CHECKING or not _made:
    from ._portable import Rows as Rows, Target as Target, fetch_rows as fetch_rows

    def tidy() -> None:
        """Gives back the rows of results that have left their cache; this road keeps none."""

else:
    Rows, Target, fetch_rows, tidy = _made["Rows"], _made["Target"], _made["fetch_rows"], _made["tidy"]
    Sequence.register(Rows)
    atexit.register(_made["leave"])

"""Runs the benches of C, Python and Go one after another and prints one table with ratios, targets and verdicts.

    python3 benches/run.py [--quick] [c] [python] [go]
    python3 benches/run.py [--quick] writers [c] [writers=8,32] [sync=full] [readers=0] [seconds=5] [windows=9]

The figures also go to target/bench.json. A bench that fails is reported, the others still run, and the exit code is 1. A missed target is
reported too, but fails nothing: other work on the machine moves figures. The lines that benches print are described in README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from table import human, number, print_rows
from writers import FILTERS, Plan, figure_of, plan, print_writers

ROOT = Path(__file__).resolve().parents[1]
FIELDS = ("id", "language", "peer", "ours_ns", "peer_ns", "ratio", "target")
FULL_ROWS, QUICK_ROWS = 1_000_000, 200_000


class Failure(Exception):
    """A bench that could not be built or run; the text says why."""


class Setting(NamedTuple):
    """What all benches of one run share."""

    quick: bool
    rows: int
    writers: Plan
    target: Path  # cargo's target folder
    folder: Path  # for programs and databases
    library: Path
    sqlite_archive: Path
    sqlite_header: Path

    def environment(self) -> Dict[str, str]:
        loader = [str(self.folder / "lib")] + [p for p in [os.environ.get("LD_LIBRARY_PATH")] if p]
        return {
            **os.environ,
            "LD_LIBRARY_PATH": os.pathsep.join(loader),
            "KEEPWELL_LIBRARY": str(self.library),
            "TMPDIR": str(self.folder),
        }

    def patience(self) -> int:
        """Seconds until a bench counts as hanging."""
        return 300 if self.quick else 1800


# ------------------------------------------------------------------------------------------------------------ building --


def output(*command: Any, cwd: Path = ROOT) -> str:
    """What a command prints; its messages pass through."""
    try:
        return subprocess.run([str(c) for c in command], cwd=cwd, stdout=subprocess.PIPE, text=True, check=True).stdout
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        raise Failure(f"{' '.join(map(str, command[:3]))} … ended with {error.returncode}") from error


def build(quick: bool, writers: Plan) -> Setting:
    """Builds the library and finds the SQLite that is inside it, as an archive and as a header. KEEPWELL_LIBRARY names another build of
    the library to measure."""
    lines = output("cargo", "build", "--release", "--locked", "--message-format=json").splitlines()
    messages = [json.loads(line) for line in lines]
    artifacts = [m for m in messages if m["reason"] == "compiler-artifact"]
    own = [Path(name) for m in artifacts if m["target"]["name"] == "keepwell" for name in m["filenames"]]
    source = next(Path(m["manifest_path"]).parent for m in artifacts if m["target"]["name"] == "libsqlite3_sys")
    script = next(m for m in messages if m["reason"] == "build-script-executed" and "libsqlite3-sys" in m["package_id"])
    library = next(path for path in own if path.suffix in (".so", ".dylib"))
    target = library.parents[1]
    setting = Setting(
        quick=quick,
        rows=QUICK_ROWS if quick else FULL_ROWS,
        writers=writers,
        target=target,
        folder=target / "bench",
        library=Path(os.environ.get("KEEPWELL_LIBRARY", library)).resolve(),
        sqlite_archive=Path(script["out_dir"]) / "libsqlite3.a",
        sqlite_header=source / "sqlite3",
    )
    for needed in (setting.library, setting.sqlite_archive, setting.sqlite_header / "sqlite3.h"):
        if not needed.is_file():
            raise Failure(f"{needed} is not there: is SQLite still built from the bundled source?")
    link_library(setting)
    return setting


def link_library(setting: Setting) -> None:
    """Programs look for the library by the name it gives itself, which has a version."""
    (setting.folder / "lib").mkdir(parents=True, exist_ok=True)
    link = setting.folder / "lib" / "libkeepwell.so.0"
    link.unlink(missing_ok=True)
    link.symlink_to(setting.library)


@lru_cache
def c_program(setting: Setting) -> List[Any]:
    """Compiles the C bench; only the C++ point read is C++."""
    sources, objects = ROOT / "benches" / "c", setting.folder / "objects"
    objects.mkdir(exist_ok=True)
    flags = ["-O2", "-g", "-Wall", "-Wextra", f"-I{ROOT / 'include'}", f"-I{setting.sqlite_header}", "-c"]
    c, cxx = os.environ.get("CC", "cc"), os.environ.get("CXX", "c++")
    made = []
    for source in sorted(sources.glob("*.c")) + sorted(sources.glob("*.cpp")):
        made.append(objects / (source.name + ".o"))
        compiler = [c, "-std=gnu11"] if source.suffix == ".c" else [cxx, "-std=c++17"]
        output(*compiler, *flags, source, "-o", made[-1])
    program = setting.folder / "bench-c"
    output(cxx, *made, setting.sqlite_archive, setting.library, "-lpthread", "-ldl", "-lm", "-o", program)
    data = setting.folder / "data"
    data.mkdir(exist_ok=True)
    return [program, "--folder", data]


def c_command(setting: Setting) -> List[Any]:
    return c_program(setting) + ["--rows", setting.rows] + ["--quick"] * setting.quick


def c_writers(setting: Setting) -> List[Any]:
    return c_program(setting) + setting.writers.options()


def counting(setting: Setting, command: List[Any]) -> List[Any]:
    """A command that counts how often its process waits for the disk. The loader leaves out what it cannot preload."""
    library = setting.folder / "lib" / "libsyncs.so"
    output(os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", ROOT / "benches/c/syncs.c", "-o", library)
    return ["env", f"LD_PRELOAD={library}", *command]


def python_command(setting: Setting) -> List[Any]:
    return [sys.executable, ROOT / "bindings/python/bench/bench.py", "--rows", setting.rows] + ["--quick"] * setting.quick


def python_writers(setting: Setting) -> List[Any]:
    return counting(setting, [sys.executable, ROOT / "bindings/python/bench/writers.py", *setting.writers.options()])


def go_program(setting: Setting) -> Path:
    program = setting.folder / "bench-go"
    output("go", "build", "-o", program, ".", cwd=ROOT / "bindings/go/bench")
    return program


def go_command(setting: Setting) -> List[Any]:
    return [go_program(setting), "-rows", setting.rows] + ["-quick"] * setting.quick


def go_writers(setting: Setting) -> List[Any]:
    return counting(setting, [go_program(setting), *setting.writers.options()])


Command = Callable[[Setting], List[Any]]
SINGLES: Dict[str, Command] = {"c": c_command, "python": python_command, "go": go_command}
WRITERS: Dict[str, Command] = {"c": c_writers, "python": python_writers, "go": go_writers}

# ------------------------------------------------------------------------------------------------------------- running --


class Outcome(NamedTuple):
    """What one bench gave, also when it failed in the end."""

    figures: List[Dict[str, Any]]
    header: Dict[str, Any]
    failure: Optional[str]


def run(name: str, command: Command, setting: Setting) -> Outcome:
    """Builds and runs one bench."""
    started = time.monotonic()
    try:
        text, failure = finish(command(setting), setting)
    except Failure as error:
        text, failure = "", str(error)
    figures: List[Dict[str, Any]] = []
    header: Dict[str, Any] = {}
    for line in text.splitlines():
        try:
            take(json.loads(line), figures, header)
        except (ValueError, Failure) as error:
            failure = failure or f"a line is not as agreed ({error}): {line[:100]}"
    if not figures:
        failure = failure or "it printed no figures"
    print(f"{name}: {len(figures)} figures in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return Outcome(figures, header, failure)


def finish(command: List[Any], setting: Setting) -> tuple[str, Optional[str]]:
    """Runs a bench to its end, or ends it with all that it started. Its output so far counts in any case."""
    process = subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.PIPE, text=True, env=setting.environment(), cwd=ROOT, start_new_session=True
    )
    try:
        text, _ = process.communicate(timeout=setting.patience())
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0], f"it was ended after {setting.patience()} s"
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return text, f"it ended with {process.returncode}" if process.returncode else None


def take(line: Dict[str, Any], figures: List[Dict[str, Any]], header: Dict[str, Any]) -> None:
    if "header" in line:
        header.update(line["header"])
        return
    if "our_windows" in line:
        line = figure_of(line)
    missing = [field for field in FIELDS if field not in line]
    if missing:
        raise Failure(f"without {', '.join(missing)}")
    figures.append(line)


# ------------------------------------------------------------------------------------------------------------ printing --


def first_line(*command: str, cwd: Path = ROOT) -> str:
    try:
        return output(*command, cwd=cwd).splitlines()[0].strip()
    except (Failure, IndexError):
        return "none"


def field_of(path: str, pattern: str) -> str:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        found = None
    return found.group(1).strip() if found else "unknown"


def peers_of_go() -> str:
    names = {"github.com/mattn/go-sqlite3": "mattn", "modernc.org/sqlite": "modernc"}
    try:
        lines = output("go", "list", "-m", "-f", "{{.Path}} {{.Version}}", *names, cwd=ROOT / "bindings/go/bench").split("\n")
    except Failure:
        return "no peers"
    return ", ".join(f"{names[path]} {version}" for path, version in (line.split() for line in lines if line))


def peers_of_python() -> str:
    import sqlite3

    try:
        import apsw
    except ImportError:
        return f"sqlite3 with SQLite {sqlite3.sqlite_version}, apsw not installed"
    return f"sqlite3 with SQLite {sqlite3.sqlite_version}, apsw {apsw.apsw_version()}"


def print_header(setting: Setting, header: Dict[str, Any]) -> None:
    memory = int(field_of("/proc/meminfo", r"MemTotal:\s*(\d+)")) // 1024 if Path("/proc/meminfo").exists() else "unknown"
    cpu = field_of("/proc/cpuinfo", r"model name\s*:\s*(.*)")
    size = "a quick run: a smaller table and fewer rounds" if setting.quick else "a full run"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"keepwell {header.get('keepwell', '?')} with SQLite {header.get('sqlite', '?')}; {size}")
    print(f"  rows      {setting.rows:,} of 6 columns (integer key, integer, real, about 20 and 60 characters of text, nullable integer)")
    print(f"  settings  {header.get('pragmas', 'unknown')}")
    print(f"  c         {first_line(os.environ.get('CC', 'cc'), '--version')}; {first_line('rustc', '--version')}")
    print(f"  python    {platform.python_implementation()} {platform.python_version()}; {peers_of_python()}")
    print(f"  go        {first_line('go', 'version')}; {peers_of_go()}")
    print(f"  machine   {os.cpu_count()} × {cpu}, {memory} MiB, {platform.system()} {platform.release()}, load {load}")
    print("  figures   medians of interleaved rounds; [quartiles] of ours ÷ peer where the bench gives them")
    print(f"  writers   windows of {setting.writers.seconds:g} s, {setting.writers.windows} on either side; synchronous as the ids say")


def verdict(figure: Dict[str, Any]) -> str:
    if figure["target"] is None or figure["ratio"] is None:
        return ""
    return "met" if figure["ratio"] <= figure["target"] else "MISSED"


def cells(figure: Dict[str, Any]) -> List[str]:
    quartiles = [figure.get("ratio_q1"), figure.get("ratio_q3")]
    spread = "" if None in quartiles else "[" + " ".join(number(q) for q in quartiles) + "]"
    target = number(figure["target"], ".2f")
    ours, peer = human(figure["ours_ns"]), human(figure["peer_ns"])
    return [figure["id"], figure["peer"], ours, peer, number(figure["ratio"]), spread, target, verdict(figure)]


def print_table(figures: List[Dict[str, Any]]) -> None:
    table = [["id", "peer", "ours", "peer's", "ratio", "quartiles", "target", ""]]
    table += [cells(found) for found in figures if "bytes" not in found and "verdicts" not in found]
    if len(table) > 1:
        print_rows(table, right={2, 3, 4, 6})


def print_memory(figures: List[Dict[str, Any]]) -> None:
    for figure in figures:
        if "bytes" not in figure:
            continue
        fits = "met" if figure["bytes"] <= figure["limit_bytes"] else "MISSED"
        print(
            f"\n{figure['id']}: {figure['what']}: heap {figure['bytes']:,} bytes, resident set {figure['resident_bytes']:,}; "
            f"limit, two batches: {figure['limit_bytes']:,}: {fits}"
        )


def arguments() -> Tuple[bool, Dict[str, Command], Plan]:
    """Whether the run is quick, which benches by name, and what of the writers' matrix."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200,000 rows, fewer rounds and shorter windows")
    parser.add_argument("words", nargs="*", metavar="bench", help=f"{', '.join(SINGLES)}; writers; {'=, '.join(FILTERS)}=; all unless given")
    given = parser.parse_args()
    filters = dict(word.split("=", 1) for word in given.words if "=" in word)
    words = {word for word in given.words if "=" not in word}
    only_writers = "writers" in words or bool(filters)
    languages = words - {"writers"} or set(SINGLES)
    if languages - set(SINGLES) or set(filters) - set(FILTERS):
        parser.error(f"there are: {', '.join(SINGLES)}, writers, and for writers {'=, '.join(FILTERS)}=")
    chosen = {} if only_writers else {name: SINGLES[name] for name in SINGLES if name in languages}
    chosen.update({f"{name}.writers": WRITERS[name] for name in WRITERS if name in languages})
    try:
        return given.quick, chosen, plan(filters, given.quick)
    except ValueError as error:
        parser.error(str(error))


def main() -> int:
    quick, chosen, writers = arguments()
    try:
        setting = build(quick, writers)
    except Failure as error:
        print(f"the library: {error}", file=sys.stderr)
        return 1
    outcomes = {name: run(name, command, setting) for name, command in chosen.items()}
    shutil.rmtree(setting.folder / "data", ignore_errors=True)
    figures = [figure for outcome in outcomes.values() for figure in outcome.figures]
    print_header(setting, {key: value for outcome in reversed(outcomes.values()) for key, value in outcome.header.items()})
    print_table(figures)
    print_memory(figures)
    print_writers(figures)
    (setting.target / "bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    failures = {name: outcome.failure for name, outcome in outcomes.items() if outcome.failure}
    for name, failure in failures.items():
        print(f"\nFAILED: the bench in {name}: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

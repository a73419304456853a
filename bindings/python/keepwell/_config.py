"""What a user may give as configuration, as the keys and texts that the library takes."""

from __future__ import annotations

import os
from typing import Any, Iterator, Mapping, Tuple, Union

from ._errors import ConfigError, own_error

#: A data source (path, ``file:`` URI or ``":memory:"``), the path of a YAML file, or keys and values.
Config = Union[str, "os.PathLike[str]", Mapping[str, Any]]

#: One step of filling a configuration: ``("set", key, value)``, ``("uri", text, "")`` or ``("file", path, "")``.
Step = Tuple[str, str, str]


def steps(config: Config) -> Iterator[Step]:
    """The steps that turn ``config`` into a configuration of the library."""
    if isinstance(config, Mapping):
        yield from _settings(_unwrapped(config), "")
    elif isinstance(config, str):
        yield _source(config, from_path=False)
    elif isinstance(config, os.PathLike):
        yield _source(os.fsdecode(config), from_path=True)
    else:
        raise _wrong(f"a configuration is a path, a URI or a mapping, not {type(config).__name__}")


def _source(text: str, *, from_path: bool) -> Step:
    if text.lower().endswith((".yaml", ".yml")) and not text.startswith("file:"):
        return ("file", text, "")
    if from_path and text.startswith(("file:", ":")):
        text = os.path.join(os.curdir, text)
    if from_path and "?" in text:
        text = "file:" + text.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    return ("uri", text, "")


def _unwrapped(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings themselves, also when they stand under ``database`` as in a YAML file."""
    inner = config.get("database")
    return inner if len(config) == 1 and isinstance(inner, Mapping) else config


def _settings(config: Mapping[str, Any], prefix: str) -> Iterator[Step]:
    for key, value in config.items():
        if not isinstance(key, str):
            raise _wrong(f"configuration keys are str, not {type(key).__name__} ({key!r})")
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{key}.")
        else:
            yield ("set", prefix + key, _text(prefix + key, value))


def _text(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise _wrong(f"{key}: a value is a str, int, float, bool or path, not {type(value).__name__}; leave the key out for its default")


def _wrong(message: str) -> ConfigError:
    error = own_error(ConfigError, 6, f"configuration: {message}")
    assert isinstance(error, ConfigError)
    return error

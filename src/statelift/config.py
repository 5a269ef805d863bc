"""Folders -> Settings: what `[tool.statelift]` or statelift.toml asks for, each value with its origin.

The file comes from a repository that nobody has read yet. So it may only narrow what is looked at: no key
names a command, a place to write to, or a file outside of the folder that the configuration lies in.
"""

import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import TypeAlias

from statelift.config_metrics import UNITS, dimensions_flaw, namespace_flaw
from statelift.config_stores import name_flaw, stores_flaw, stores_of, variable_flaw
from statelift.judge.rules import nearest, rule_flaw
from statelift.model import CellOptions

Value: TypeAlias = bool | str | tuple[str, ...] | tuple[CellOptions, ...] | None

NAME = "statelift.toml"
PROJECT = "pyproject.toml"
DEFAULT = "default"
_LARGEST = 1_000_000  # bytes; no configuration that a person wrote is longer
_TABLE = "tool.statelift"


class ConfigError(ValueError):
    """The configuration cannot be used. The message says where, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file: its value without any file, what is wrong with a value ("" if nothing), its meaning."""

    default: Value
    flaw: Callable[[object], str]
    meaning: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of one configuration by key, the line of each, and the folder that its paths start from."""

    file: Path | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path | None:
        """Where the file lies, None without one."""
        return None if self.file is None else self.file.parent

    def origin(self, key: str) -> str:
        """`pyproject.toml:12`, the path as seen from the working folder, or "default"."""
        return _place(self.file, self.lines.get(key, 0)) if self.file and key in self.values else DEFAULT


# ---------------------------------------------------------------- keys


def _list_flaw(value: object) -> str:
    if isinstance(value, str):
        return f"must be a list of strings: [{_quoted(value)}]"
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return f"must be a list of strings, not {_kind(value)}"
    return ""


def _rules_flaw(value: object) -> str:
    if flaw := _list_flaw(value):
        return flaw
    assert isinstance(value, list)
    return next((f"is wrong: {flaw}" for word in value if (flaw := rule_flaw(word))), "")


def _flag_flaw(value: object) -> str:
    return "" if isinstance(value, bool) else f"must be true or false, not {_kind(value)}"


def _choice(*words: str) -> Callable[[object], str]:
    def flaw(value: object) -> str:
        if isinstance(value, str) and value in words:
            return ""
        close = nearest(value, words) if isinstance(value, str) else None
        given = _quoted(value) if isinstance(value, str) else _kind(value)
        return f"must be one of {', '.join(words)}, not {given}.{f' Did you mean {close}?' if close else ''}"

    return flaw


def _inside_flaw(value: object) -> str:
    """Only the spelling; links are followed, and checked, once the folder is known."""
    if not isinstance(value, str):
        return f"must be a path, not {_kind(value)}"
    parts = PurePosixPath(value).parts
    if not parts or "\0" in value or "\\" in value:
        return "must be the path of a file, with / between folders"
    if value.startswith(("/", "~")) or PureWindowsPath(value).anchor or ".." in parts:
        return "must stay below the folder of the configuration; name files elsewhere on the command line"
    return ""


def _kind(value: object) -> str:
    words = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list"}
    return words.get(type(value), "a table" if isinstance(value, dict) else "a date")


def _quoted(text: str) -> str:
    return f'"{text:.60}"'


KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "select": Key((), _rules_flaw, "only these rules; empty means all"),
        "extend-select": Key((), _rules_flaw, "these rules, too, where `select` names some"),
        "ignore": Key((), _rules_flaw, "leave out these rules"),
        "exclude": Key((), _list_flaw, "leave out these files"),
        "handler": Key((), _list_flaw, "only what these entry points reach"),
        "strict-handlers": Key(False, _flag_flaw, "public functions are no entry points"),
        "fail-on": Key("safe", _choice("safe", "review", "manual", "never"), "exit 1 from this tier on"),
        "style": Key("store", _choice("store", "inline", "transaction"), "the form of code that keeps state"),
        "stores": Key((), stores_flaw, "what is asked for single cells"),
        "bucket": Key("", name_flaw, "a bucket that exists, for files of /tmp"),
        "bucket-env": Key("", variable_flaw, "the variable that holds its name"),
        "fix-original": Key(False, _flag_flaw, "repair what raises in every call, then migrate it"),
        "metrics": Key("emf", _choice("emf", "api"), "how metrics are sent: a line on stdout, or a call"),
        "metric-namespace": Key("", namespace_flaw, "the namespace of new metrics"),
        "metric-unit": Key("Count", _choice(*UNITS), "their unit"),
        "metric-dimensions": Key((), dimensions_flaw, "their dimensions, each name=value"),
        "cache": Key(True, _flag_flaw, "keep what files say for later runs"),
        "counter-metric": Key(False, _flag_flaw, "a counter that code reads is sent as a metric, too"),
        "baseline": Key(None, _inside_flaw, "findings that are known already"),
    }
)
"""All that a repository may set. What is not here can only be given on the command line."""

_COMMAND_LINE_ONLY = frozenset(
    """codemod output format tier only-accepted allow-dirty root repos target config isolated formatter command
    cluster jobs ephemeral""".split()
)


# ---------------------------------------------------------------- finding and reading the file


def find_configuration(start: Path) -> Path | None:
    """The configuration that holds for a folder: the nearest one upwards.

    The search ends at the first pyproject.toml, at the top of the git repository, and in front of a folder that
    everybody may write to (such as /tmp). Raises ConfigError where one folder has two configurations.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        if folder != here and _is_everybodys(folder):
            return None
        project = folder / PROJECT
        if found := _configuration_in(folder):
            return _not_from_elsewhere(found)
        if project.is_file() or (folder / ".git").exists():
            return None
    return None


def _configuration_in(folder: Path) -> Path | None:
    own, project = folder / NAME, folder / PROJECT
    has_table = project.is_file() and _has_table(project)
    if not own.is_file():
        return project if has_table else None
    if has_table:
        raise ConfigError(f"{_place(own)} and [{_TABLE}] in {_place(project)}: keep one of them.")
    return own


def _not_from_elsewhere(file: Path) -> Path:
    top = next((folder for folder in file.parents if (folder / ".git").exists()), file.parent)
    if not file.resolve().is_relative_to(top):
        raise ConfigError(
            f"{_place(file)} is a link out of the project. Name its target with --config, or pass --isolated."
        )
    return file


def _is_everybodys(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True


def _has_table(project: Path) -> bool:
    """A pyproject.toml that never says `statelift` is somebody else's, even where it cannot be parsed."""
    if b"statelift" not in _bytes(project):
        return False
    data = _parsed(project)
    tool = data.get("tool")
    return isinstance(tool, dict) and "statelift" in tool


def read_configuration(file: Path) -> Settings:
    """The settings in a file. Raises ConfigError for what it cannot hold; nothing is passed over."""
    table: object = _parsed(file)
    if file.name == PROJECT:
        tool = table.get("tool", {}) if isinstance(table, dict) else {}
        table = tool.get("statelift", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"{_place(file)}: [{_TABLE}] must be a table of keys, not {_kind(table)}.")
    lines = _lines_of_keys(_bytes(file).decode("utf-8", "replace"), _TABLE if file.name == PROJECT else "")
    for key, value in table.items():
        _check(file, lines.get(key, 0), key, value)
    values: dict[str, Value] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items() if key != "stores"
    }
    values |= {"stores": stores_of(table["stores"])} if "stores" in table else {}
    settings = Settings(file.parent.resolve() / file.name, values, lines)
    baseline_of(settings)
    return settings


def _check(file: Path, line: int, key: str, value: object) -> None:
    if key in KEYS:
        if flaw := KEYS[key].flaw(value):
            raise ConfigError(f"{_place(file, line)}: {key} {flaw}{'' if flaw.endswith(('.', '?')) else '.'}")
        return
    if key.replace("_", "-") in _COMMAND_LINE_ONLY:
        raise ConfigError(
            f"{_place(file, line)}: {key} can only be given on the command line: a repository does not decide what "
            "is run or written."
        )
    close = nearest(key.replace("_", "-"), list(KEYS))
    hint = f"Did you mean {close}?" if close else f"The keys are {', '.join(KEYS)}."
    raise ConfigError(f"{_place(file, line)}: there is no key {key:.80}. {hint}")


def baseline_of(settings: Settings) -> Path | None:
    """The baseline that the file names, links resolved. ConfigError where it leaves the folder of the file."""
    name, folder = settings.values.get("baseline"), settings.folder
    if folder is None or not isinstance(name, str):
        return None
    found = (folder / name).resolve()
    if not found.is_relative_to(folder):
        raise ConfigError(
            f"{settings.origin('baseline')}: baseline {name} is a link out of the project. Name a file inside, or "
            "give it on the command line: --baseline FILE."
        )
    return found


def _parsed(file: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(_bytes(file).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{_place(file)} is not UTF-8. Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        flaw, _, where = str(error).rpartition(" (at ")
        number = re.match(r"line (\d+)", where)
        line = int(number[1]) if number else _bytes(file).rstrip().count(b"\n") + 1
        raise ConfigError(f"{_place(file, line)}: not valid TOML: {flaw}.") from error
    except RecursionError as error:
        raise ConfigError(f"{_place(file)}: nested too deeply to be a configuration.") from error


def _bytes(file: Path) -> bytes:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise ConfigError(f"{_place(file)} is not a regular file. Name a TOML file.")
        with file.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{_place(file)} cannot be read: {error.strerror}.") from error
    if len(data) > _LARGEST:
        raise ConfigError(f"{_place(file)} is larger than a megabyte, so it is no configuration.")
    return data


_HEADER = re.compile(r"\s*\[([^\[\]]+)\]")
_KEY = re.compile(r"""\s*["']?([\w-]+)["']?\s*[=.]""")


def _lines_of_keys(text: str, table: str) -> dict[str, int]:
    """The lines on which the keys of a table stand, for messages: TOML parsers give values without places."""
    found: dict[str, int] = {}
    here = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            here = re.sub(r"""[\s"']""", "", header[1])
            inner = here.removeprefix(f"{table}." if table else "")
            if here.startswith(f"{table}." if table else here):
                found.setdefault(inner.partition(".")[0], number)
        elif here == table and (key := _KEY.match(line)):
            found.setdefault(key[1], number)
    return found


def _place(file: Path, line: int = 0) -> str:
    """`path:line` as one has to write it in the working folder."""
    here = Path.cwd()
    shown = file.relative_to(here) if file.is_relative_to(here) else file
    return f"{shown}:{line}" if line else str(shown)

"""files.json -> what calls do to files: which argument is a path, and whether what is there is read or replaced.

Source: the documentation of the Python standard library and of the libraries named.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

# exists: asks what is there. create: makes it if it is not there. claim: makes it, and fails if it is there.
# list: reads the names in a folder. fill: puts files into a folder. tool: a program that may read and write.
# store: a database or shelf. enter: makes a folder the working folder. opaque: code that cannot be followed.
Effect = Literal[
    "read", "write", "append", "create", "claim", "exists", "remove", "list", "fill", "tool", "store", "enter",
    "opaque",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Role:
    """What a call does to the path in one of its arguments, by position or keyword."""

    effect: Effect
    position: int
    keyword: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """What a method does, told by its name. `owners`: only of an object that one of these makes."""

    roles: tuple[Role, ...]
    owners: frozenset[str]


ROWS: Mapping[str, Any] = json.loads(files(__package__).joinpath("files.json").read_text(encoding="utf-8"))
OPENERS = frozenset(ROWS["openers"])
ARCHIVES = frozenset(ROWS["archives"])
PROGRAMS = frozenset(ROWS["programs"])
LOGS = frozenset(ROWS["logs"])
LOCKS = frozenset(ROWS["locks"])
OUTPUTS = frozenset(ROWS["outputs"])  # keywords under which code that is not here is told where to write
NEW_NAMES = frozenset(ROWS["new_names"])  # in /tmp, unless the call says where
LOOKING = frozenset(ROWS["looking"])  # they look at the text of a path, or show it to people
LOOKING_METHODS = frozenset(ROWS["looking_methods"])
FUNCTIONS: Mapping[str, tuple[Role, ...]] = {
    name: tuple(Role(*role) for role in row["does"]) for row in ROWS["functions"] for name in row["calls"]
}
PATH_METHODS: Mapping[str, Effect] = {
    name: row["does"] for row in ROWS["paths"] if row["does"] != "by mode" for name in row["calls"]
}  # of pathlib.Path
METHODS: Mapping[str, Method] = {
    name: Method(tuple(Role(*role) for role in row["does"]), frozenset(row.get("of", ())))
    for row in ROWS["methods"]
    for name in row["calls"]
}  # of whatever object, where the argument is a path below /tmp

TEMPORARY_FOLDERS = frozenset({"tempfile.mkdtemp", "tempfile.TemporaryDirectory"})
FOLDERS = frozenset({"os.mkdir", "os.makedirs", "Path.mkdir", *TEMPORARY_FOLDERS})
STRICT_FOLDERS = frozenset({"os.mkdir", "os.makedirs", "Path.mkdir"})
PRINTABLE_LOGS = LOGS | {"logging.basicConfig"}
DICT_CONFIG = "logging.config.dictConfig"
FILE_FIELDS = frozenset("filename mode encoding delay errors maxBytes backupCount when interval utc atTime".split())
LOG_FIELDS = FILE_FIELDS | {"class", "level", "formatter", "filters"}  # of a handler in such a configuration
DICTS = frozenset({"shelve.open", "dbm.open", "dbm.dumb.open", "dbm.gnu.open", "dbm.ndbm.open"})
SHELVES = ("shelve.", "dbm.")
SUFFIXES = {"zip": ".zip", "tar": ".tar", "gztar": ".tar.gz", "bztar": ".tar.bz2", "xztar": ".tar.xz"}
# Calls that list a folder, and the method of a FileStore that each becomes.
LISTED: Mapping[str, str] = {
    "os.listdir": "listdir",
    "os.scandir": "scandir",
    "glob.glob": "glob",
    "glob.iglob": "glob",
    "Path.iterdir": "iterdir",
    "Path.glob": "match",
}
# The method of a FileStore that a call becomes, where what it does there is the same.
BECOMES: Mapping[str, str] = {
    **dict.fromkeys(("open", "io.open", "os.open", "Path.open", "Path.read_text", "Path.read_bytes"), "open"),
    **dict.fromkeys(("os.path.exists", "os.path.isfile", "Path.exists", "Path.is_file"), "exists"),
    **dict.fromkeys(("os.remove", "os.unlink", "Path.unlink"), "remove"),
    **dict.fromkeys(("os.rename", "os.replace", "shutil.move", "Path.rename", "Path.replace"), "move"),
    **dict.fromkeys(("shutil.copyfile", "shutil.copy"), "copy"),
    "Path.write_text": "write_text",
    "Path.write_bytes": "write_bytes",
    "Path.touch": "touch",
    "os.path.getsize": "getsize",
    **LISTED,
}
# Of a folder around files that are kept in S3, these become `isdir`.
FOLDER_QUESTIONS = frozenset({"os.path.isdir", "os.path.exists", "Path.is_dir", "Path.exists"})
MOVERS = frozenset(
    {name for name, row in FUNCTIONS.items() if len(row) > 1} | {"Path.rename", "Path.replace"}
)  # of two files, or of a file and a folder
# What can be done instead of an effect that a FileStore has no counterpart for.
WAYS: Mapping[Effect, str] = {
    "append": "S3 has no append: write one object per invocation, or print the lines to the log",
    "create": "write the marker with a conditional put (If-None-Match), or keep it in a table",
    "claim": "write the marker with a conditional put (If-None-Match), or keep it in a table",
    "list": "list the objects of a prefix (list_objects_v2), or use a new tempfile.TemporaryDirectory() per call",
    "fill": "use a new tempfile.TemporaryDirectory() per call, or keep the files in S3",
    "tool": "give the program a new tempfile.TemporaryDirectory() per call, and keep its result in S3",
    "opaque": "keep the file in S3, and download it before the call",
    "store": "use DynamoDB, RDS or EFS",
    "read": "download the object first, or open it from S3",
    "write": "write to S3 once the file is complete: a put replaces the object at once",
    "exists": "ask S3 (head_object)",
    "remove": "delete the object in S3",
    "enter": "write paths in full",
}

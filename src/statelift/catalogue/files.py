"""What calls do to files: which argument is a path, and whether what is there is read, replaced or extended.

Source: the documentation of the Python standard library and of the libraries named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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


OPENERS = frozenset({"open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open"})
ARCHIVES = frozenset({"zipfile.ZipFile", "tarfile.open", "zipfile.PyZipFile", "tarfile.TarFile"})
PROGRAMS = frozenset(
    """subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen os.system
    os.popen subprocess.getoutput asyncio.create_subprocess_exec asyncio.create_subprocess_shell""".split()
)
TEMPORARY_FOLDERS = frozenset({"tempfile.mkdtemp", "tempfile.TemporaryDirectory"})
FOLDERS = frozenset({"os.mkdir", "os.makedirs", "Path.mkdir", *TEMPORARY_FOLDERS})
SUFFIXES = {"zip": ".zip", "tar": ".tar", "gztar": ".tar.gz", "bztar": ".tar.bz2", "xztar": ".tar.xz"}
# Which of the calls above and below a FileStore has a method for.
SAME_ON_S3 = frozenset({"os.path.exists", "os.path.isfile", "os.remove", "os.unlink"})

_ONE: Mapping[tuple[Effect, int], str] = {
    ("exists", 0): """os.path.exists os.path.isfile os.path.isdir os.path.lexists os.path.getsize os.path.getmtime
        os.path.getctime os.stat os.lstat os.access os.path.islink os.path.ismount""",
    ("remove", 0): "os.remove os.unlink os.rmdir os.removedirs shutil.rmtree",
    ("list", 0): "os.listdir os.scandir os.walk glob.glob glob.iglob",
    ("enter", 0): "os.chdir contextlib.chdir",
    ("read", 0): """numpy.load numpy.loadtxt numpy.genfromtxt numpy.fromfile joblib.load torch.load PIL.Image.open
        cv2.imread imageio.imread soundfile.read pandas.read_csv pandas.read_json pandas.read_parquet
        pandas.read_pickle pandas.read_excel pandas.read_feather pandas.read_hdf linecache.getlines
        openpyxl.load_workbook pyarrow.parquet.read_table""",
    ("write", 0): "numpy.save numpy.savez numpy.savetxt cv2.imwrite imageio.imwrite soundfile.write",
    ("write", 1): "joblib.dump torch.save urllib.request.urlretrieve",
    ("claim", 0): "os.mkdir os.mkfifo os.symlink",
    ("store", 0): """sqlite3.connect sqlite3.dbapi2.connect shelve.open dbm.open dbm.dumb.open dbm.gnu.open
        dbm.ndbm.open lmdb.open diskcache.Cache diskcache.Index tinydb.TinyDB duckdb.connect h5py.File
        pandas.HDFStore numpy.memmap sqlitedict.SqliteDict requests_cache.CachedSession""",
}  # fmt: skip
_KEYWORDS: Mapping[Effect, str] = {"read": "path", "write": "path", "remove": "path", "store": "filename"}
_MOVES = "os.rename os.replace os.renames shutil.move"
_COPIES = "shutil.copy shutil.copy2 shutil.copyfile"


def _functions() -> Mapping[str, tuple[Role, ...]]:
    found: dict[str, tuple[Role, ...]] = {}
    for (effect, position), names in _ONE.items():
        role = Role(effect, position, _KEYWORDS.get(effect, "path"))
        found |= dict.fromkeys(names.split(), (role,))
    taken, put = Role("read", 0, "src"), Role("write", 1, "dst")
    found |= dict.fromkeys(_MOVES.split(), (taken, put, Role("remove", 0, "src")))
    found |= dict.fromkeys(_COPIES.split(), (taken, put))
    found["shutil.copytree"] = (Role("list", 0, "src"), Role("fill", 1, "dst"))
    found["shutil.unpack_archive"] = (Role("read", 0, "filename"), Role("fill", 1, "extract_dir"))
    return found


FUNCTIONS = _functions()
LOGS = {
    "logging.FileHandler": "filename",
    "logging.handlers.RotatingFileHandler": "filename",
    "logging.handlers.TimedRotatingFileHandler": "filename",
    "logging.handlers.WatchedFileHandler": "filename",
}

# Methods of pathlib.Path.
PATH_METHODS: Mapping[str, Effect] = {
    "read_text": "read", "read_bytes": "read", "write_text": "write", "write_bytes": "write", "exists": "exists",
    "is_file": "exists", "is_dir": "exists", "stat": "exists", "unlink": "remove", "rmdir": "remove",
    "touch": "create", "mkdir": "claim", "iterdir": "list", "glob": "list", "rglob": "list", "rename": "read",
    "replace": "read",
}  # fmt: skip
# Methods of whatever object, told by a path below /tmp in one of these arguments.
METHODS: Mapping[str, tuple[Role, ...]] = {
    "download_file": (Role("write", 2, "Filename"), Role("write", 1, "Filename")),
    "upload_file": (Role("read", 0, "Filename"),),
    "extractall": (Role("fill", 0, "path"),),
    "extract": (Role("fill", 1, "path"),),
    "read": (Role("read", 0, "filenames"),),
    "savefig": (Role("write", 0, "fname"),),
    "save": (Role("write", 0, "fp"),),
    "save_pretrained": (Role("fill", 0, "save_directory"),),
    **dict.fromkeys(
        """to_csv to_json to_parquet to_pickle to_excel to_feather to_html to_file tofile write_image
        write_videofile screenshot save_screenshot""".split(),
        (Role("write", 0, "path"),),
    ),
}
# What only looks at the text of a path, or shows it to people.
HARMLESS = frozenset(
    """print str len repr bool isinstance format list tuple set dict sorted hash any all type getattr hasattr
    os.path.join os.path.basename os.path.dirname os.path.splitext os.path.abspath os.path.normpath os.fspath
    os.path.relpath os.path.split os.getenv os.environ.get pathlib.Path pathlib.PurePath
    tempfile.mkdtemp tempfile.mkstemp tempfile.TemporaryDirectory tempfile.NamedTemporaryFile os.chmod os.utime
    json.dumps json.loads mimetypes.guess_type shutil.disk_usage os.statvfs sys.path.append sys.path.insert
    os.environ.setdefault os.putenv""".split()
)
HARMLESS_METHODS = frozenset(
    """debug info warning warn error exception critical log format append extend insert startswith endswith split
    replace join strip lstrip rstrip rsplit removeprefix removesuffix partition rpartition joinpath relative_to
    encode lower upper add get setdefault with_suffix with_name add_argument put_metric is_relative_to
    strftime""".split()
)
LOCKS = frozenset(
    """fcntl.flock fcntl.lockf msvcrt.locking mmap.mmap filelock.FileLock filelock.SoftFileLock portalocker.Lock
    portalocker.lock fasteners.InterProcessLock""".split()
)
SHELVES = ("shelve.", "dbm.")
# What can be done instead of an effect that S3 has no counterpart for.
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
}

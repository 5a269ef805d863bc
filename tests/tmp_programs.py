"""Programs that touch /tmp, in idioms of many kinds, and what has to be said of each.

`program(name, findings, text)`: findings are `{path: (verdict, tiers)}`, empty where nothing is to be reported.
Tiers are those that are right: a rewrite may come to exist. Further files of a program are keyword arguments.
"""

PROGRAMS = {}


def program(name, findings, text, **files):
    assert name not in PROGRAMS
    PROGRAMS[name] = (findings, {"app.py": text, **files})


# ---- paths: class attribute, f-string, format, %, joins
program(
    "class_attr_fstring",
    {"/tmp/cfg/{}.json": ("state", "review")},
    """
import json, os
class Prefs:
    BASE = "/tmp/cfg"
    def __init__(self, user):
        self.file = f"{self.BASE}/{user}.json"
    def save(self, value):
        with open(self.file, "w") as fh:
            json.dump(value, fh)
    def load(self):
        if not os.path.exists(self.file):
            return {}
        with open(self.file) as fh:
            return json.load(fh)
def lambda_handler(event, context):
    prefs = Prefs(event["user"])
    if "set" in event:
        prefs.save(event["set"])
        return {}
    return prefs.load()
""",
)
program(
    "env_subscript_default",
    {"/tmp/last.txt": ("state", "review")},
    """
import os
WORK = os.environ.get("WORK_DIR") or "/tmp"
def lambda_handler(event, context):
    target = os.path.join(WORK, "last.txt")
    before = open(target).read() if os.path.exists(target) else ""
    with open(target, "w") as f:
        f.write(event["x"])
    return before
""",
)
program(
    "percent_path",
    {"/tmp/{}.txt": ("state", "review")},
    """
import os
def path_for(key):
    return "/tmp/%s.txt" % key
def lambda_handler(event, context):
    p = path_for(event["k"])
    if event["op"] == "put":
        with open(p, "w") as f:
            f.write(event["v"])
        return None
    with open(p) as f:
        return f.read()
""",
)
program(
    "dict_constant_path",
    {"/tmp/q.json": ("state", "manual|review")},
    """
import json, os
PATHS = {"queue": "/tmp/q.json"}
def lambda_handler(event, context):
    items = []
    if os.path.isfile(PATHS["queue"]):
        with open(PATHS["queue"]) as f:
            items = json.load(f)
    items.append(event["item"])
    with open(PATHS["queue"], "w") as f:
        json.dump(items, f)
    return len(items)
""",
)
program(
    "namedtuple_config",
    {"/tmp/state.bin": ("state", "manual|review")},
    """
import os
from types import SimpleNamespace
cfg = SimpleNamespace(path="/tmp/state.bin")
def lambda_handler(event, context):
    old = b""
    if os.path.exists(cfg.path):
        with open(cfg.path, "rb") as f:
            old = f.read()
    with open(cfg.path, "wb") as f:
        f.write(event["d"].encode())
    return len(old)
""",
)
program(
    "dataclass_default",
    {"/tmp/ledger.json": ("state", "manual|review")},
    """
import json, os
from dataclasses import dataclass
@dataclass
class Ledger:
    path: str = "/tmp/ledger.json"
    def all(self):
        try:
            with open(self.path) as f:
                return json.load(f)
        except FileNotFoundError:
            return []
    def add(self, row):
        rows = self.all() + [row]
        with open(self.path, "w") as f:
            json.dump(rows, f)
        return rows
def lambda_handler(event, context):
    return Ledger().add(event["row"])
""",
)
program(
    "pathlib_chain",
    {"/tmp/out/summary.txt": ("state", "review|manual")},
    """
from pathlib import Path
ROOT = Path("/tmp").joinpath("out")
def lambda_handler(event, context):
    ROOT.mkdir(parents=True, exist_ok=True)
    target = (ROOT / "summary").with_suffix(".txt")
    previous = target.read_text() if target.is_file() else None
    target.write_text(str(event["n"]))
    return previous
""",
)
program(
    "environ_tmpdir",
    {"/tmp/seen.txt": ("state", "manual|review")},
    """
import os
TMP = os.environ.get("TMPDIR", "/tmp")
SEEN = f"{TMP}/seen.txt"
def lambda_handler(event, context):
    seen = set()
    try:
        with open(SEEN) as f:
            seen = set(f.read().split())
    except OSError:
        pass
    is_new = event["id"] not in seen
    with open(SEEN, "a") as f:
        f.write(event["id"] + "\\n")
    return is_new
""",
)
program(
    "param_two_levels",
    {"/tmp/acc.json": ("state", "review")},
    """
import json, os
def read(path, default):
    if os.path.exists(path):
        with open(path) as f:
            return json.load(f)
    return default
def write(path, value):
    with open(path, "w") as f:
        json.dump(value, f)
def bump(path, key):
    data = read(path, {})
    data[key] = data.get(key, 0) + 1
    write(path, data)
    return data[key]
def lambda_handler(event, context):
    return bump("/tmp/acc.json", event["k"])
""",
)
# ---- scratch
program(
    "scratch_download_process_upload",
    {},
    """
import boto3, os, uuid
s3 = boto3.client("s3")
def lambda_handler(event, context):
    for r in event["Records"]:
        b, k = r["s3"]["bucket"]["name"], r["s3"]["object"]["key"]
        src = "/tmp/{}{}".format(uuid.uuid4(), k.replace("/", ""))
        out = "/tmp/resized-{}".format(k.replace("/", ""))
        s3.download_file(b, k, src)
        with open(src, "rb") as i, open(out, "wb") as o:
            o.write(i.read()[::2])
        s3.upload_file(out, b + "-resized", k)
""",
)
program(
    "scratch_fixed_overwrite",
    {},
    """
import boto3, csv
s3 = boto3.resource("s3")
def lambda_handler(event, context):
    s3.meta.client.download_file(event["b"], event["k"], "/tmp/in.csv")
    with open("/tmp/in.csv") as f:
        rows = list(csv.reader(f))
    with open("/tmp/out.csv", "w") as f:
        csv.writer(f).writerows(rows)
    s3.meta.client.upload_file("/tmp/out.csv", event["b"], "out.csv")
    return len(rows)
""",
)
program(
    "scratch_branches",
    {},
    """
import json
def lambda_handler(event, context):
    p = "/tmp/work.json"
    if event["kind"] == "a":
        with open(p, "w") as f:
            f.write("1")
    else:
        with open(p, "w") as f:
            f.write("2")
    with open(p) as f:
        return json.load(f)
""",
)
program(
    "scratch_subprocess",
    {},
    """
import subprocess
def lambda_handler(event, context):
    with open("/tmp/doc.html", "w") as f:
        f.write(event["html"])
    subprocess.run(["wkhtmltopdf", "/tmp/doc.html", "/tmp/doc.pdf"], check=True)
    with open("/tmp/doc.pdf", "rb") as f:
        return f.read().hex()
""",
)
program(
    "scratch_zip_extract_read",
    {},
    """
import io, zipfile, boto3, tempfile, os
s3 = boto3.client("s3")
def lambda_handler(event, context):
    with tempfile.TemporaryDirectory() as d:
        s3.download_file(event["b"], event["k"], os.path.join(d, "a.zip"))
        with zipfile.ZipFile(os.path.join(d, "a.zip")) as z:
            z.extractall(d)
        return sorted(os.listdir(d))
""",
)
program(
    "scratch_remove_first",
    {},
    """
import os, shutil
OUT = "/tmp/site"
def lambda_handler(event, context):
    if os.path.exists(OUT):
        shutil.rmtree(OUT)
    os.makedirs(OUT)
    for n in event["names"]:
        with open(f"{OUT}/{n}", "w") as f:
            f.write(n)
    return sorted(os.listdir(OUT))
""",
)
program(
    "scratch_rmtree_ignore",
    {},
    """
import os, shutil
def lambda_handler(event, context):
    shutil.rmtree("/tmp/x", ignore_errors=True)
    os.mkdir("/tmp/x")
    open("/tmp/x/a", "w").write(event["v"])
    return os.listdir("/tmp/x")
""",
)
program(
    "scratch_git_clone",
    {},
    """
import subprocess, shutil, os
def lambda_handler(event, context):
    repo = "/tmp/repo"
    if os.path.isdir(repo):
        shutil.rmtree(repo)
    subprocess.check_call(["git", "clone", event["url"], repo])
    return open(os.path.join(repo, "VERSION")).read()
""",
)
program(
    "scratch_disk_listing_log",
    {},
    """
import os, logging
def lambda_handler(event, context):
    with open("/tmp/a.txt", "w") as f:
        f.write(event["v"])
    logging.info("files %s", os.listdir("/tmp"))
    with open("/tmp/a.txt") as f:
        return f.read()
""",
)
program(
    "scratch_append_after_write",
    {},
    """
def lambda_handler(event, context):
    with open("/tmp/r.csv", "w") as f:
        f.write("a,b\\n")
    for row in event["rows"]:
        with open("/tmp/r.csv", "a") as f:
            f.write(row)
    with open("/tmp/r.csv") as f:
        return f.read()
""",
)
program(
    "append_without_write",
    {"/tmp/r.csv": ("state", "manual|review")},
    """
def lambda_handler(event, context):
    for row in event["rows"]:
        with open("/tmp/r.csv", "a") as f:
            f.write(row)
    with open("/tmp/r.csv") as f:
        return f.read()
""",
)
program(
    "append_upload",
    {"/tmp/r.csv": ("state", "manual|review")},
    """
import boto3
def lambda_handler(event, context):
    with open("/tmp/r.csv", "a") as f:
        for row in event["rows"]:
            f.write(row)
    boto3.client("s3").upload_file("/tmp/r.csv", "b", "r.csv")
""",
)
program(
    "download_then_append",
    {},
    """
import boto3
s3 = boto3.client("s3")
def lambda_handler(event, context):
    s3.download_file("bucket", "log.csv", "/tmp/log.csv")
    with open("/tmp/log.csv", "a") as f:
        f.write(event["row"])
    s3.upload_file("/tmp/log.csv", "bucket", "log.csv")
""",
)
program(
    "cond_write",
    {"/tmp/token": ("state", "review|manual")},
    """
def lambda_handler(event, context):
    if event.get("token"):
        with open("/tmp/token", "w") as f:
            f.write(event["token"])
    with open("/tmp/token") as f:
        return f.read()
""",
)
program(
    "write_in_loop_maybe_zero",
    {"/tmp/last": ("state", "review|manual")},
    """
def lambda_handler(event, context):
    for r in event["Records"]:
        with open("/tmp/last", "w") as f:
            f.write(r)
    with open("/tmp/last") as f:
        return f.read()
""",
)
# ---- caches
program(
    "cache_model_download",
    {},
    """
import os, boto3
MODEL = "/tmp/model.bin"
def load():
    if not os.path.exists(MODEL):
        boto3.client("s3").download_file(os.environ["BUCKET"], "model.bin", MODEL)
    with open(MODEL, "rb") as f:
        return f.read()
def lambda_handler(event, context):
    return len(load()) + event["n"]
""",
)
program(
    "cache_keyed_download",
    {},
    """
import os, boto3
s3 = boto3.client("s3")
def fetch(key):
    local = "/tmp/" + key.replace("/", "_")
    if not os.path.isfile(local):
        s3.download_file("assets", key, local)
    return open(local, "rb").read()
def lambda_handler(event, context):
    return len(fetch(event["key"]))
""",
)
program(
    "cache_wrong_key",
    {"/tmp/data.bin": ("state", "review|manual")},
    """
import os, boto3
s3 = boto3.client("s3")
def lambda_handler(event, context):
    if not os.path.exists("/tmp/data.bin"):
        s3.download_file("assets", event["key"], "/tmp/data.bin")
    return len(open("/tmp/data.bin", "rb").read())
""",
)
program(
    "fake_cache_event",
    {"/tmp/first": ("state", "review|manual")},
    """
import os
def lambda_handler(event, context):
    if not os.path.exists("/tmp/first"):
        with open("/tmp/first", "w") as f:
            f.write(event["v"])
    with open("/tmp/first") as f:
        return f.read()
""",
)
program(
    "cache_bin_copied",
    {},
    """
import os, shutil, stat, subprocess
BIN = "/tmp/ffmpeg"
def ensure():
    if not os.path.isfile(BIN):
        shutil.copyfile("/opt/bin/ffmpeg", BIN)
        os.chmod(BIN, os.stat(BIN).st_mode | stat.S_IEXEC)
def lambda_handler(event, context):
    ensure()
    return subprocess.check_output([BIN, "-version"]).decode()
""",
)
program(
    "cache_ttl_pathlib",
    {},
    """
import json, time, urllib.request
from pathlib import Path
KEYS = Path("/tmp/jwks.json")
URL = "https://issuer.example/jwks"
def keys():
    if KEYS.exists() and time.time() - KEYS.stat().st_mtime < 3600:
        return json.loads(KEYS.read_text())
    with urllib.request.urlopen(URL) as r:
        body = r.read().decode()
    KEYS.write_text(body)
    return json.loads(body)
def lambda_handler(event, context):
    return event["kid"] in [k["kid"] for k in keys()["keys"]]
""",
)
program(
    "cache_guard_return",
    {},
    """
import os, urllib.request
def ensure_db():
    if os.path.exists("/tmp/geo.mmdb"):
        return
    urllib.request.urlretrieve("https://x.example/geo.mmdb", "/tmp/geo.mmdb")
def lambda_handler(event, context):
    ensure_db()
    with open("/tmp/geo.mmdb", "rb") as f:
        return len(f.read())
""",
)
program(
    "cache_tar_extracted",
    {},
    """
import os, tarfile, boto3
DIR = "/tmp/model"
s3 = boto3.client("s3")
def ensure():
    if os.path.isdir(DIR):
        return DIR
    s3.download_file("models", "m.tar.gz", "/tmp/m.tar.gz")
    with tarfile.open("/tmp/m.tar.gz") as t:
        t.extractall(DIR)
    return DIR
def lambda_handler(event, context):
    with open(os.path.join(ensure(), "weights.txt")) as f:
        return f.read()
""",
)
# ---- markers, locks, dbs
program(
    "mkdir_lock",
    {"/tmp/{}.d": ("state", "review|manual")},
    """
import os
def lambda_handler(event, context):
    try:
        os.mkdir(f"/tmp/{event['job']}.d")
    except FileExistsError:
        return "duplicate"
    return "ok"
""",
)
program(
    "flock_counter",
    {"/tmp/n": ("state", "manual")},
    """
import fcntl, os
def lambda_handler(event, context):
    with open("/tmp/n.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        n = int(open("/tmp/n").read()) if os.path.exists("/tmp/n") else 0
        with open("/tmp/n", "w") as f:
            f.write(str(n + 1))
        fcntl.flock(lock, fcntl.LOCK_UN)
    return n
""",
)
program(
    "flock_from_import",
    {"/tmp/n2": ("state", "manual")},
    """
from fcntl import flock, LOCK_EX
import pathlib
P = pathlib.Path("/tmp/n2")
def lambda_handler(event, context):
    with P.open("r+") as f:
        flock(f, LOCK_EX)
        n = int(f.read() or 0) + 1
        f.seek(0); f.truncate()
        f.write(str(n))
    return n
""",
)
program(
    "sqlite_helper",
    {"/tmp/app.sqlite": ("state", "manual")},
    """
import sqlite3
from contextlib import closing
def connect(path="/tmp/app.sqlite"):
    return sqlite3.connect(path)
def lambda_handler(event, context):
    with closing(connect()) as db:
        db.execute("create table if not exists t (v)")
        db.execute("insert into t values (?)", (event["v"],))
        db.commit()
        return db.execute("select count(*) from t").fetchone()[0]
""",
)
program(
    "sqlite_scratch",
    {},
    """
import sqlite3, os, boto3
def lambda_handler(event, context):
    path = "/tmp/report.db"
    if os.path.exists(path):
        os.remove(path)
    db = sqlite3.connect(path)
    db.execute("create table t (v)")
    db.executemany("insert into t values (?)", [(v,) for v in event["vs"]])
    db.commit()
    db.close()
    boto3.client("s3").upload_file(path, "b", "report.db")
""",
)
program(
    "sqlite_downloaded",
    {},
    """
import sqlite3, boto3
def lambda_handler(event, context):
    boto3.client("s3").download_file("b", "lookup.db", "/tmp/lookup.db")
    db = sqlite3.connect("/tmp/lookup.db")
    return db.execute("select v from t where k=?", (event["k"],)).fetchone()[0]
""",
)
# ---- uniqueness
program(
    "token_from_event_not_unique",
    {"/tmp/{}.json": ("state", "review")},
    """
import json
def lambda_handler(event, context):
    token = event["token"]
    name = f"/tmp/{token}.json"
    if event["op"] == "save":
        with open(name, "w") as f:
            json.dump(event["data"], f)
        return {}
    with open(name) as f:
        return json.load(f)
""",
)
program(
    "runtime_name_not_unique",
    {"/tmp/{}.txt": ("state", "review")},
    """
def lambda_handler(event, context):
    runtime = event["runtime"]
    path = "/tmp/" + runtime + ".txt"
    if "v" in event:
        with open(path, "w") as f:
            f.write(event["v"])
    with open(path) as f:
        return f.read()
""",
)
program(
    "day_file",
    {"/tmp/{}.log": ("state", "manual|review")},
    """
import datetime
def lambda_handler(event, context):
    day = datetime.date.today().isoformat()
    with open(f"/tmp/{day}.log", "a") as f:
        f.write(event["v"] + "\\n")
    with open(f"/tmp/{day}.log") as f:
        return len(f.readlines())
""",
)
program(
    "day_file_strftime",
    {"/tmp/{}.log": ("state", "manual|review")},
    """
import time
def lambda_handler(event, context):
    name = time.strftime("/tmp/%Y%m%d.log")
    name = "/tmp/" + time.strftime("%Y%m%d") + ".log"
    with open(name, "a") as f:
        f.write(event["v"] + "\\n")
    with open(name) as f:
        return len(f.readlines())
""",
)
program(
    "uuid_append",
    {},
    """
import uuid
def lambda_handler(event, context):
    name = f"/tmp/{uuid.uuid4().hex}.log"
    for v in event["vs"]:
        with open(name, "a") as f:
            f.write(v)
    with open(name) as f:
        return f.read()
""",
)
program(
    "request_id_append",
    {},
    """
def lambda_handler(event, context):
    name = f"/tmp/{context.aws_request_id}.log"
    for v in event["vs"]:
        with open(name, "a") as f:
            f.write(v)
    with open(name) as f:
        return f.read()
""",
)
program(
    "uuid_at_import",
    {"NAME": ("frozen", "review|manual"), "/tmp/{}.log": ("state", "manual|review")},
    """
import uuid
NAME = f"/tmp/{uuid.uuid4().hex}.log"
def lambda_handler(event, context):
    with open(NAME, "a") as f:
        f.write(event["v"])
    with open(NAME) as f:
        return f.read()
""",
)
program(
    "mkdtemp_at_import",
    {"/tmp/{}/log": ("state", "manual|review")},
    """
import tempfile, os
DIR = tempfile.mkdtemp()
def lambda_handler(event, context):
    with open(os.path.join(DIR, "log"), "a") as f:
        f.write(event["v"])
    with open(os.path.join(DIR, "log")) as f:
        return f.read()
""",
)
program(
    "mkdtemp_scratch",
    {},
    """
import tempfile, os
def lambda_handler(event, context):
    d = tempfile.mkdtemp(dir="/tmp")
    with open(os.path.join(d, "log"), "a") as f:
        f.write(event["v"])
    with open(os.path.join(d, "log")) as f:
        return f.read()
""",
)
# ---- global handle, remembered temp
program(
    "handle_global",
    {"LOG": ("state", "manual")},
    """
LOG = open("/tmp/run.log", "a+")
def lambda_handler(event, context):
    LOG.write(event["v"] + "\\n")
    LOG.seek(0)
    return LOG.read()
""",
)
program(
    "handle_lazy",
    {"/tmp/rows.txt": ("state", "manual")},
    """
_out = None
def get():
    global _out
    if _out is None:
        _out = open("/tmp/rows.txt", "w+")
    return _out
def lambda_handler(event, context):
    f = get()
    f.write(event["v"])
    f.seek(0)
    return f.read()
""",
)
program(
    "remembered_mkstemp",
    {"/tmp/{}": ("state", "manual"), "_name": ("state", "manual|review")},
    """
import os, tempfile
_name = None
def lambda_handler(event, context):
    global _name
    if _name is None:
        fd, _name = tempfile.mkstemp()
        os.write(fd, event["v"].encode())
        os.close(fd)
    with open(_name) as f:
        return f.read()
""",
)
program(
    "remembered_dir",
    {"/tmp/{}/{}": ("state", "manual|review")},
    """
import os, tempfile
WORK = tempfile.TemporaryDirectory()
def lambda_handler(event, context):
    with open(os.path.join(WORK.name, event["n"]), "w") as f:
        f.write("x")
    return sorted(os.listdir(WORK.name))
""",
)
# ---- chdir, listdir, archives
program(
    "chdir_ctx",
    {"/tmp/n.txt": ("state", "manual")},
    """
import contextlib, os
def lambda_handler(event, context):
    with contextlib.chdir("/tmp"):
        old = open("n.txt").read() if os.path.exists("n.txt") else ""
        with open("n.txt", "w") as f:
            f.write(event["v"])
    return old
""",
)
program(
    "chdir_scratch",
    {},
    """
import os, subprocess
def lambda_handler(event, context):
    os.chdir("/tmp")
    with open("in.txt", "w") as f:
        f.write(event["v"])
    with open("in.txt") as f:
        return f.read()
""",
)
program(
    "walk_leftovers",
    {"/tmp/up/{}": ("state", "manual|review")},
    """
import os
def lambda_handler(event, context):
    os.makedirs("/tmp/up", exist_ok=True)
    for n, t in event["files"].items():
        with open(os.path.join("/tmp/up", n), "w") as f:
            f.write(t)
    return sorted(n for _, _, names in os.walk("/tmp/up") for n in names)
""",
)
program(
    "archive_accumulated",
    {"/tmp/inv/{}.txt": ("state", "manual")},
    """
import os, shutil
def lambda_handler(event, context):
    os.makedirs("/tmp/inv", exist_ok=True)
    with open(f"/tmp/inv/{event['id']}.txt", "w") as f:
        f.write(event["t"])
    if event.get("pack"):
        return os.path.getsize(shutil.make_archive("/tmp/all", "zip", "/tmp/inv"))
""",
)
program(
    "glob_cleanup_first",
    {},
    """
import glob, os
def lambda_handler(event, context):
    for f in glob.glob("/tmp/part-*"):
        os.remove(f)
    for i, t in enumerate(event["ts"]):
        with open(f"/tmp/part-{i}", "w") as f:
            f.write(t)
    return sorted(glob.glob("/tmp/part-*"))
""",
)
# ---- write-only
program(
    "write_only_append",
    {"/tmp/audit.log": ("write-only", "review|manual")},
    """
import json
def lambda_handler(event, context):
    with open("/tmp/audit.log", mode="a", encoding="utf-8") as f:
        f.write(json.dumps(event))
    return {"ok": True}
""",
)
program(
    "debug_dump_w",
    {},
    """
import json
def lambda_handler(event, context):
    with open("/tmp/debug.json", "w") as f:
        json.dump(event, f)
    return {"ok": True}
""",
)
# ---- efs, package, other
program(
    "efs",
    {},
    """
import os
def lambda_handler(event, context):
    p = os.path.join("/mnt/efs", "x")
    old = open(p).read() if os.path.exists(p) else ""
    with open(p, "w") as f:
        f.write(event["v"])
    return old
""",
)
program(
    "package_file",
    {},
    """
import json, os
HERE = os.path.dirname(__file__)
def lambda_handler(event, context):
    with open(os.path.join(HERE, "data.json")) as f:
        return json.load(f)[event["k"]]
""",
)
program(
    "tmp_string",
    {},
    """
def lambda_handler(event, context):
    return {"hint": "put it in /tmp/x.json", "k": event["k"]}
""",
)
program(
    "template_env_no_default",
    {},
    """
import os
OUT = os.environ["OUT"]
def lambda_handler(event, context):
    with open(OUT, "w") as f:
        f.write(event["v"])
    with open(OUT) as f:
        return f.read()
""",
)
program(
    "shelve_global",
    {"db": ("state", "manual")},
    """
import shelve
db = shelve.open("/tmp/s")
def lambda_handler(event, context):
    db[event["k"]] = event["v"]
    return len(db)
""",
)
program(
    "pandas_roundtrip_state",
    {"/tmp/hist.csv": ("state", "manual|review")},
    """
import os
import pandas as pd
def lambda_handler(event, context):
    df = pd.read_csv("/tmp/hist.csv") if os.path.exists("/tmp/hist.csv") else pd.DataFrame()
    df = pd.concat([df, pd.DataFrame([event["row"]])])
    df.to_csv("/tmp/hist.csv", index=False)
    return len(df)
""",
)
program(
    "mmap_state",
    {"/tmp/c.bin": ("state", "manual")},
    """
import mmap, os
def lambda_handler(event, context):
    if not os.path.exists("/tmp/c.bin"):
        with open("/tmp/c.bin", "wb") as f:
            f.write(bytes(8))
    with open("/tmp/c.bin", "r+b") as f:
        m = mmap.mmap(f.fileno(), 0)
        m[0] = (m[0] + 1) % 256
        return m[0]
""",
)
program(
    "finally_cleanup_exposed",
    {},
    """
import os
P = "/tmp/stage.txt"
def lambda_handler(event, context):
    try:
        if event.get("a"):
            with open(P, "w") as f:
                f.write(event["a"])
        if os.path.exists(P):
            with open(P) as f:
                return f.read()
        return None
    finally:
        if os.path.exists(P):
            os.remove(P)
""",
)
program(
    "cleanup_at_end_only",
    {"/tmp/stage.txt": ("state", "manual|review")},
    """
import os
P = "/tmp/stage.txt"
def lambda_handler(event, context):
    if event.get("a"):
        with open(P, "w") as f:
            f.write(event["a"])
    text = ""
    if os.path.exists(P):
        with open(P) as f:
            text = f.read()
    n = int(event["n"])
    if os.path.exists(P):
        os.remove(P)
    return [text, n]
""",
)
program(
    "copy_publish",
    {"/tmp/live.json": ("state", "manual|review")},
    """
import shutil, json
def lambda_handler(event, context):
    if "new" in event:
        with open("/tmp/new.json", "w") as f:
            json.dump(event["new"], f)
        shutil.copy("/tmp/new.json", "/tmp/live.json")
    with open("/tmp/live.json") as f:
        return json.load(f)
""",
)
program(
    "path_rename_method",
    {"/tmp/live.txt": ("state", "manual|review")},
    """
from pathlib import Path
LIVE = Path("/tmp/live.txt")
def lambda_handler(event, context):
    if "new" in event:
        part = LIVE.with_suffix(".part")
        part.write_text(event["new"])
        part.rename(LIVE)
    return LIVE.read_text()
""",
)
program(
    "gzip_state",
    {"/tmp/b.gz": ("state", "manual|review")},
    """
import gzip, os
def lambda_handler(event, context):
    old = gzip.open("/tmp/b.gz", "rt").read() if os.path.exists("/tmp/b.gz") else ""
    with gzip.open("/tmp/b.gz", "wt") as f:
        f.write(old + event["v"])
    return old
""",
)
program(
    "two_handlers",
    {"/tmp/shared.json": ("state", "review")},
    """
import json
def save_handler(event, context):
    with open("/tmp/shared.json", "w") as f:
        json.dump(event, f)
def load_handler(event, context):
    with open("/tmp/shared.json") as f:
        return json.load(f)
""",
)
program(
    "helper_module",
    {"/tmp/{}": ("state", "review|manual")},
    """
from storage import Disk
disk = Disk("/tmp")
def lambda_handler(event, context):
    if event["op"] == "put":
        disk.save("cart-" + event["u"] + ".json", event["items"])
        return {}
    return disk.load("cart-" + event["u"] + ".json")
""",
    **{
        "storage.py": """
import json, os
class Disk:
    def __init__(self, root):
        self.root = root
    def _p(self, name):
        return os.path.join(self.root, name)
    def save(self, name, value):
        with open(self._p(name), "w") as f:
            json.dump(value, f)
    def load(self, name):
        try:
            with open(self._p(name)) as f:
                return json.load(f)
        except FileNotFoundError:
            return []
"""
    },
)
program(
    "encoded_local_first",
    {"/tmp/first.bin": ("state", "review|manual")},
    """
import os
def lambda_handler(event, context):
    text = event["text"]
    if not os.path.exists("/tmp/first.bin"):
        with open("/tmp/first.bin", "wb") as f:
            f.write(text.encode())
    with open("/tmp/first.bin", "rb") as f:
        return len(f.read())
""",
)
program(
    "processed_local_cached",
    {"/tmp/out.txt": ("state", "review|manual")},
    """
import os, json
def lambda_handler(event, context):
    body = json.loads(event["body"])
    rows = body.copy()
    rows.update(x=1)
    out = rows.values()
    if not os.path.isfile("/tmp/out.txt"):
        with open("/tmp/out.txt", "w") as f:
            f.write(str(list(out)))
    return open("/tmp/out.txt").read()
""",
)
program(
    "load_or_none_helper",
    {},
    """
import json, urllib.request
def read():
    try:
        with open("/tmp/rates.json") as f:
            return json.load(f)
    except FileNotFoundError:
        return None
def lambda_handler(event, context):
    rates = read()
    if rates is None:
        rates = json.load(urllib.request.urlopen("https://r.example"))
        with open("/tmp/rates.json", "w") as f:
            json.dump(rates, f)
    return rates[event["c"]]
""",
)
program(
    "load_or_none_helper_event",
    {"/tmp/rates.json": ("state", "review")},
    """
import json
def read():
    try:
        with open("/tmp/rates.json") as f:
            return json.load(f)
    except FileNotFoundError:
        return None
def lambda_handler(event, context):
    rates = read()
    if rates is None:
        rates = event["rates"]
        with open("/tmp/rates.json", "w") as f:
            json.dump(rates, f)
    return rates
""",
)
program(
    "data_none_inline",
    {},
    """
import json, boto3
s3 = boto3.client("s3")
def lambda_handler(event, context):
    data = None
    try:
        with open("/tmp/t.json") as f:
            data = json.load(f)
    except OSError:
        pass
    if not data:
        data = json.loads(s3.get_object(Bucket="b", Key="k")["Body"].read())
        with open("/tmp/t.json", "w") as f:
            json.dump(data, f)
    return data[event["k"]]
""",
)
program(
    "content_marker",
    {"/tmp/mode": ("state", "review|manual")},
    """
def lambda_handler(event, context):
    try:
        with open("/tmp/mode") as f:
            mode = f.read()
    except FileNotFoundError:
        mode = ""
    if mode != "done":
        with open("/tmp/mode", "w") as f:
            f.write("done")
        return "first"
    return "again"
""",
)
program(
    "content_marker_unconditional",
    {"/tmp/mode2": ("state", "review|manual")},
    """
import os
def lambda_handler(event, context):
    seen = open("/tmp/mode2").read() if os.path.exists("/tmp/mode2") else "no"
    with open("/tmp/mode2", "w") as f:
        f.write("yes")
    return seen
""",
)
program(
    "cached_flag",
    {"/tmp/c.json": ("state", "review|manual")},
    """
import json, os, urllib.request
def lambda_handler(event, context):
    if os.path.exists("/tmp/c.json"):
        with open("/tmp/c.json") as f:
            return {"cached": True, "v": json.load(f)}
    v = json.load(urllib.request.urlopen("https://x.example"))
    with open("/tmp/c.json", "w") as f:
        json.dump(v, f)
    return {"cached": False, "v": v}
""",
)
program(
    "notify_once",
    {"/tmp/.told": ("state", "review|manual")},
    """
import os, boto3
sns = boto3.client("sns")
def lambda_handler(event, context):
    if not os.path.exists("/tmp/.told"):
        sns.publish(TopicArn="t", Message="first")
        open("/tmp/.told", "w").close()
    return 1
""",
)
program(
    "setup_tools_once",
    {},
    """
import os, subprocess, tarfile, boto3
s3 = boto3.client("s3")
def install():
    s3.download_file("tools", "t.tgz", "/tmp/t.tgz")
    with tarfile.open("/tmp/t.tgz") as t:
        t.extractall("/tmp/tools")
def lambda_handler(event, context):
    if not os.path.exists("/tmp/.ready"):
        install()
        open("/tmp/.ready", "w").close()
    return subprocess.check_output(["/tmp/tools/run", event["x"]]).decode()
""",
)
program(
    "isdir_then_mkdir_visible",
    {"/tmp/warm": ("state", "review|manual")},
    """
import os
def lambda_handler(event, context):
    if os.path.isdir("/tmp/warm"):
        return "warm"
    os.mkdir("/tmp/warm")
    return "cold"
""",
)
program(
    "isdir_then_mkdir_plain",
    {},
    """
import os
def lambda_handler(event, context):
    if not os.path.isdir("/tmp/w"):
        os.mkdir("/tmp/w")
    with open("/tmp/w/a", "w") as f:
        f.write(event["x"])
    with open("/tmp/w/a") as f:
        return f.read()
""",
)
program(
    "ifexp_root",
    {"/tmp/last.json": ("state", "manual")},
    """
import json, os
ROOT = "/tmp" if os.environ.get("AWS_LAMBDA_FUNCTION_NAME") else "."
LAST = os.path.join(ROOT, "last.json")
def lambda_handler(event, context):
    old = None
    if os.path.exists(LAST):
        with open(LAST) as f:
            old = json.load(f)
    with open(LAST, "w") as f:
        json.dump(event, f)
    return old
""",
)
program(
    "ifexp_root_scratch",
    {},
    """
import json, os
ROOT = "/tmp" if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else "."
def lambda_handler(event, context):
    path = ROOT + "/x.json"
    with open(path, "w") as f:
        json.dump(event, f)
    with open(path) as f:
        return len(f.read())
""",
)
program(
    "branch_root_attr",
    {"/tmp/{}/{}": ("write-only", "manual|review")},
    """
import json, os
from pathlib import Path
class Storage:
    def __init__(self, folder="data"):
        if os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
            self.folder = Path("/tmp") / folder
        else:
            self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
    def save(self, rows, filename="all.jsonl"):
        path = self.folder / filename
        with path.open("a", encoding="utf-8") as f:
            for r in rows:
                f.write(json.dumps(r))
        return str(path)
def lambda_handler(event, context):
    Storage().save(event["rows"])
    return 1
""",
)
program(
    "nested_functions",
    {},
    """
import boto3
def lambda_handler(event, context):
    def fetch():
        f = open("/tmp/key.pem", "w")
        f.write(boto3.client("s3").get_object(Bucket="b", Key="k")["Body"].read().decode())
        f.close()
    def use():
        with open("/tmp/key.pem") as f:
            return len(f.read())
    def main():
        fetch()
        return use()
    return main()
""",
)
program(
    "helper_many_files",
    {},
    """
import boto3
class S3:
    def __init__(self):
        self.c = boto3.client("s3")
    def down(self, key, path):
        try:
            self.c.download_file("b", key, path)
        except Exception:
            print("no")
            raise
    def up(self, path, key):
        self.c.upload_file(path, "b", key)
def lambda_handler(event, context):
    s = S3()
    a, b = "/tmp/a-" + event["k"], "/tmp/b-" + event["k"]
    s.down(event["k"], a)
    with open(a) as i, open(b, "w") as o:
        o.write(i.read().upper())
    s.up(b, event["k"])
""",
)
program(
    "helper_called_twice_other_key",
    {"/tmp/{}.txt": ("state", "review|manual")},
    """
def put(name, text):
    with open(f"/tmp/{name}.txt", "w") as f:
        f.write(text)
def get(name):
    with open(f"/tmp/{name}.txt") as f:
        return f.read()
def lambda_handler(event, context):
    put(event["a"], event["t"])
    return get(event["b"])
""",
)
program(
    "helper_called_twice_same_key",
    {},
    """
def put(name, text):
    with open(f"/tmp/{name}.txt", "w") as f:
        f.write(text)
def get(name):
    with open(f"/tmp/{name}.txt") as f:
        return f.read()
def lambda_handler(event, context):
    key = event["a"]
    put(key, event["t"])
    return get(key)
""",
)
program(
    "helper_same_key_literal",
    {},
    """
import os
def path_for(name):
    safe = name.replace("/", "_")
    return os.path.join("/tmp", safe)
def put(name, text):
    with open(path_for(name), "w") as f:
        f.write(text)
def get(name):
    with open(path_for(name)) as f:
        return f.read()
def lambda_handler(event, context):
    put("one.txt", event["t"])
    return get("one.txt")
""",
)
program(
    "helper_other_literal",
    {"/tmp/{}": ("state", "review|manual")},
    """
import os
def path_for(name):
    safe = name.replace("/", "_")
    return os.path.join("/tmp", safe)
def put(name, text):
    with open(path_for(name), "w") as f:
        f.write(text)
def get(name):
    with open(path_for(name)) as f:
        return f.read()
def lambda_handler(event, context):
    put("one.txt", event["t"])
    return get(event["which"])
""",
)
program(
    "early_return_in_writer",
    {"/tmp/d.txt": ("state", "review|manual")},
    """
def fetch(event):
    if "d" not in event:
        return
    with open("/tmp/d.txt", "w") as f:
        f.write(event["d"])
def lambda_handler(event, context):
    fetch(event)
    with open("/tmp/d.txt") as f:
        return f.read()
""",
)
program(
    "raise_in_writer",
    {},
    """
def fetch(event):
    if "d" not in event:
        raise KeyError("d")
    with open("/tmp/d.txt", "w") as f:
        f.write(event["d"])
def lambda_handler(event, context):
    fetch(event)
    with open("/tmp/d.txt") as f:
        return f.read()
""",
)
program(
    "swallowed_writer",
    {"/tmp/d.txt": ("state", "review|manual")},
    """
import boto3
def fetch(event):
    try:
        boto3.client("s3").download_file("b", event["d"], "/tmp/d.txt")
    except Exception as e:
        print(e)
def lambda_handler(event, context):
    fetch(event)
    with open("/tmp/d.txt") as f:
        return f.read()
""",
)
program(
    "with_try_raise",
    {},
    """
import boto3, contextlib
def lambda_handler(event, context):
    with contextlib.ExitStack() as s:
        try:
            boto3.client("s3").download_file("b", event["d"], "/tmp/d.txt")
        except Exception:
            raise RuntimeError("x")
    with open("/tmp/d.txt") as f:
        return f.read()
""",
)
program(
    "context_manager_cleanup",
    {},
    """
import contextlib, os
@contextlib.contextmanager
def scratch(path):
    try:
        yield path
    finally:
        if os.path.exists(path):
            os.remove(path)
def lambda_handler(event, context):
    with scratch("/tmp/s.txt") as p:
        if event.get("x"):
            with open(p, "w") as f:
                f.write(event["x"])
        if os.path.exists(p):
            with open(p) as f:
                return f.read()
    return None
""",
)
program(
    "atexit_cleanup_start",
    {},
    """
import os, glob
def clean():
    for f in glob.glob("/tmp/*"):
        try:
            os.remove(f)
        except OSError:
            pass
def lambda_handler(event, context):
    clean()
    if event.get("x"):
        with open("/tmp/s.txt", "w") as f:
            f.write(event["x"])
    if os.path.exists("/tmp/s.txt"):
        with open("/tmp/s.txt") as f:
            return f.read()
""",
)
program(
    "sqlite_maybe_download",
    {"/tmp/db.sqlite": ("state", "manual")},
    """
import sqlite3, boto3
s3 = boto3.client("s3")
def lambda_handler(event, context):
    try:
        s3.download_file("b", "db.sqlite", "/tmp/db.sqlite")
    except s3.exceptions.ClientError:
        print("new")
    db = sqlite3.connect("/tmp/db.sqlite")
    db.execute("create table if not exists t (v)")
    db.execute("insert into t values (?)", (event["v"],))
    db.commit()
    return db.execute("select count(*) from t").fetchone()[0]
""",
)
program(
    "tool_into_tmp_and_list",
    {"/tmp/image-%3d.jpeg": ("state", "manual"), "/tmp/{}": ("state", "manual")},
    """
import os, boto3
s3 = boto3.client("s3")
def lambda_handler(event, context):
    path = "/tmp/" + event["key"]
    s3.download_file("b", event["key"], path)
    os.system("ffmpeg -i " + path + " -r 1 /tmp/image-%3d.jpeg")
    return len(os.listdir("/tmp"))
""",
)
program(
    "imagemagick_scratch",
    {},
    """
import subprocess, boto3, os
s3 = boto3.client("s3")
def lambda_handler(event, context):
    src, dst = "/tmp/in.png", "/tmp/out.png"
    s3.download_file("b", event["k"], src)
    subprocess.call(f"convert {src} -resize 50% {dst}", shell=True)
    s3.upload_file(dst, "b", "small")
""",
)
program(
    "env_template_efs",
    {},
    """
import os
DIR = os.environ.get("STORE", "/tmp")
def lambda_handler(event, context):
    p = os.path.join(DIR, "x.txt")
    old = open(p).read() if os.path.exists(p) else ""
    with open(p, "w") as f:
        f.write(event["v"])
    return old
""",
    **{
        "template.yaml": """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.lambda_handler
      Runtime: python3.12
      CodeUri: .
      Environment:
        Variables:
          STORE: /mnt/efs
"""
    },
)
program(
    "env_template_tmp",
    {"/tmp/state/x.txt": ("state", "review")},
    """
import os
DIR = os.environ["STORE"]
def lambda_handler(event, context):
    p = os.path.join(DIR, "x.txt")
    old = open(p).read() if os.path.exists(p) else ""
    with open(p, "w") as f:
        f.write(event["v"])
    return old
""",
    **{
        "template.yaml": """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.lambda_handler
      Runtime: python3.12
      CodeUri: .
      Environment:
        Variables:
          STORE: /tmp/state
"""
    },
)
program(
    "opaque_maker",
    {"/tmp/v.mp4": ("state", "manual")},
    """
import os
from pytube import YouTube
def lambda_handler(event, context):
    if event.get("link"):
        YouTube(event["link"]).download(filename="/tmp/v.mp4")
    if not os.path.isfile("/tmp/v.mp4"):
        YouTube("https://x.example").download(filename="/tmp/v.mp4")
    return os.path.getsize("/tmp/v.mp4")
""",
)
program(
    "opaque_maker_cache",
    {},
    """
import os
from hub import pull, load
def lambda_handler(event, context):
    if not os.path.isfile("/tmp/m.onnx"):
        pull("resnet", "/tmp/m.onnx")
    return load("/tmp/m.onnx").run(event["x"])
""",
)
program(
    "zip_to_memory_scratch",
    {},
    """
import zipfile, boto3, os
s3 = boto3.client("s3")
def lambda_handler(event, context):
    with zipfile.ZipFile("/tmp/out.zip", "w") as z:
        for n in event["names"]:
            s3.download_file("b", n, "/tmp/part")
            z.write("/tmp/part", n)
    s3.upload_file("/tmp/out.zip", "b", "out.zip")
""",
)
program(
    "zip_append",
    {"/tmp/all.zip": ("state", "manual|review")},
    """
import zipfile, boto3
s3 = boto3.client("s3")
def lambda_handler(event, context):
    with zipfile.ZipFile("/tmp/all.zip", "a") as z:
        z.writestr(event["n"], event["t"])
    with zipfile.ZipFile("/tmp/all.zip") as z:
        return z.namelist()
""",
)
program(
    "csv_dictwriter_append_header",
    {"/tmp/r.csv": ("state", "manual|review")},
    """
import csv, os
def lambda_handler(event, context):
    is_new = not os.path.exists("/tmp/r.csv")
    with open("/tmp/r.csv", "a", newline="") as f:
        w = csv.DictWriter(f, ["a"])
        if is_new:
            w.writeheader()
        w.writerow({"a": event["a"]})
    return 1
""",
)
program(
    "pil_save_scratch",
    {},
    """
from PIL import Image
import boto3
def lambda_handler(event, context):
    im = Image.open("/opt/x.png")
    im.save("/tmp/y.png")
    boto3.client("s3").upload_file("/tmp/y.png", "b", "y")
""",
)
program(
    "torch_ckpt_state",
    {"/tmp/ck.pt": ("state", "manual|review")},
    """
import os, torch
def lambda_handler(event, context):
    m = torch.load("/tmp/ck.pt") if os.path.exists("/tmp/ck.pt") else {}
    m[event["k"]] = event["v"]
    torch.save(m, "/tmp/ck.pt")
    return len(m)
""",
)
program(
    "np_save_state",
    {"/tmp/v.npy": ("state", "review|manual")},
    """
import os
import numpy as np
def lambda_handler(event, context):
    v = np.load("/tmp/v.npy") if os.path.exists("/tmp/v.npy") else np.zeros(3)
    v = v + np.array(event["v"])
    np.save("/tmp/v.npy", v)
    return v.tolist()
""",
)
program(
    "request_dir",
    {},
    """
import os, shutil
def lambda_handler(event, context):
    work = f"/tmp/{context.aws_request_id}"
    os.makedirs(work)
    try:
        for n in event["ns"]:
            with open(f"{work}/{n}", "w") as f:
                f.write(n)
        return sorted(os.listdir(work))
    finally:
        shutil.rmtree(work)
""",
)
program(
    "uuid_param",
    {},
    """
import uuid, os
def work(job):
    d = os.path.join("/tmp", job)
    os.mkdir(d)
    with open(d + "/x", "a") as f:
        f.write("1")
    return os.listdir(d)
def lambda_handler(event, context):
    return work(str(uuid.uuid4()))
""",
)
program(
    "timestamp_seconds",
    {},
    """
from datetime import datetime
def lambda_handler(event, context):
    name = datetime.now().strftime("/tmp/%Y.csv")
    stamp = datetime.utcnow().isoformat()
    with open(f"/tmp/{stamp}.csv", "a") as f:
        f.write("x")
    with open(f"/tmp/{stamp}.csv") as f:
        return f.read()
""",
)
program(
    "hour_bucket",
    {"/tmp/{}.csv": ("state", "manual|review")},
    """
from datetime import datetime
def lambda_handler(event, context):
    hour = datetime.now().hour
    with open(f"/tmp/{hour}.csv", "a") as f:
        f.write("x")
    with open(f"/tmp/{hour}.csv") as f:
        return f.read()
""",
)
program(
    "fspec_day",
    {"/tmp/{}.csv": ("state", "manual|review")},
    """
from datetime import datetime
def lambda_handler(event, context):
    now = datetime.now()
    with open(f"/tmp/{now:%Y%m%d}.csv", "a") as f:
        f.write("x")
    with open(f"/tmp/{now:%Y%m%d}.csv") as f:
        return f.read()
""",
)
program(
    "lasting_object_dir",
    {"/tmp/{}/{}": ("state", "manual")},
    """
import tempfile, os
class Box:
    def __init__(self):
        self.dir = tempfile.mkdtemp()
    def put(self, n):
        with open(os.path.join(self.dir, n), "w") as f:
            f.write(n)
    def all(self):
        return sorted(os.listdir(self.dir))
BOX = Box()
def lambda_handler(event, context):
    BOX.put(event["n"])
    return BOX.all()
""",
)
program(
    "request_object_dir",
    {},
    """
import tempfile, os
class Box:
    def __init__(self):
        self.dir = tempfile.mkdtemp()
    def put(self, n):
        with open(os.path.join(self.dir, n), "w") as f:
            f.write(n)
    def all(self):
        return sorted(os.listdir(self.dir))
def lambda_handler(event, context):
    box = Box()
    for n in event["ns"]:
        box.put(n)
    return box.all()
""",
)
program(
    "cached_workdir",
    {"/tmp/{}/{}": ("state", "manual")},
    """
import functools, tempfile, os
@functools.lru_cache(maxsize=None)
def workdir():
    return tempfile.mkdtemp()
def lambda_handler(event, context):
    with open(os.path.join(workdir(), event["n"]), "w") as f:
        f.write("x")
    return os.listdir(workdir())
""",
)
program(
    "json_log_print_read",
    {"/tmp/events.jsonl": ("state", "manual|review")},
    """
import json
from pathlib import Path
LOG = Path("/tmp/events.jsonl")
def record(event):
    with LOG.open("a") as f:
        f.write(json.dumps(event) + "\\n")
def report():
    return [json.loads(l) for l in LOG.read_text().splitlines()]
def lambda_handler(event, context):
    record(event)
    return len(report())
""",
)
program(
    "read_only_reader",
    {},
    """
def lambda_handler(event, context):
    try:
        with open("/tmp/override.json") as f:
            return f.read()
    except FileNotFoundError:
        return "default"
""",
)
program(
    "size_after_append",
    {"/tmp/rows.jsonl": ("state", "manual|review")},
    """
import json, os
ROWS = "/tmp/rows.jsonl"
def handler(event, context):
    with open(ROWS, "a") as f:
        f.write(json.dumps(event["row"]) + "\\n")
    return {"bytes": os.path.getsize(ROWS)}
""",
)
program(
    "size_after_write",
    {},
    """
import json, os
ROWS = "/tmp/rows.jsonl"
def handler(event, context):
    with open(ROWS, "w") as f:
        f.write(json.dumps(event["row"]) + "\\n")
    return {"bytes": os.path.getsize(ROWS)}
""",
)
program(
    "named_by_the_request_and_removed",
    {},
    """
import os, boto3, requests
def fetch(number, target):
    answer = requests.get("https://example.org/" + number)
    if answer.status_code == 200:
        with open(target, "wb") as f:
            f.write(answer.content)
def handler(event, context):
    for message in event["messages"]:
        fetch(message["id"], "/tmp/" + message["id"])
        boto3.client("s3").upload_file("/tmp/" + message["id"], "bucket", message["id"])
        os.remove("/tmp/" + message["id"])
""",
)
program(
    "one_name_and_removed_at_the_end",
    {"/tmp/picture": ("state", "manual|review")},
    """
import os, boto3, requests
def fetch(number, target):
    answer = requests.get("https://example.org/" + number)
    if answer.status_code == 200:
        with open(target, "wb") as f:
            f.write(answer.content)
def handler(event, context):
    for message in event["messages"]:
        fetch(message["id"], "/tmp/picture")
        boto3.client("s3").upload_file("/tmp/picture", "bucket", message["id"])
        os.remove("/tmp/picture")
""",
)
program(
    "spooled_by_name_and_removed_by_the_reader",
    {"/tmp/{}.job": ("state", "manual|review")},
    """
import os
def handler(event, context):
    path = f"/tmp/{event['id']}.job"
    if event["op"] == "put":
        with open(path, "w") as f:
            f.write(event["job"])
        return None
    with open(path) as f:
        job = f.read()
    os.remove(path)
    return job
""",
)
program(
    "written_by_other_code_under_a_keyword",
    {},
    """
import thumbnails
from PIL import Image
def handler(event, context):
    thumbnails.render(event["url"], out="/tmp/thumb.jpg")
    if event["shrink"]:
        Image.open("/tmp/thumb.jpg").resize((64, 64)).save("/tmp/thumb.jpg")
    return publish("/tmp/thumb.jpg")
def publish(path):
    with open(path, "rb") as f:
        return len(f.read())
""",
)
program(
    "asked_for_by_its_folder",
    {"/tmp/notes/{}.txt": ("state", "review")},
    """
import os
from pathlib import Path
NOTES = Path("/tmp/notes")
def handler(event, context):
    if "put" in event:
        NOTES.mkdir(exist_ok=True)
        (NOTES / f"{event['name']}.txt").write_text(event["put"])
        return None
    if not NOTES.is_dir():
        return "no notes"
    return (NOTES / f"{event['name']}.txt").read_text()
""",
)
program(
    "kept_by_a_library",
    {"/tmp/model.bin": ("state", "review")},
    """
import joblib
MODEL = "/tmp/model.bin"
def handler(event, context):
    if "train" in event:
        joblib.dump(sorted(event["train"]), MODEL)
        return None
    return joblib.load(MODEL)
""",
)
program(
    "marked_once",
    {"/tmp/{}.done": ("state", "review")},
    """
def handler(event, context):
    try:
        with open(f"/tmp/{event['id']}.done", "x") as mark:
            mark.write(event["id"])
    except FileExistsError:
        return "again"
    return "first"
""",
)
program(
    "archive_in_the_folder_it_is_extracted_to",
    {"/tmp/work": ("state", "manual")},
    """
import os, zipfile, boto3
def handler(event, context):
    os.makedirs("/tmp/work", exist_ok=True)
    boto3.client("s3").download_file(event["bucket"], event["key"], "/tmp/work/in.zip")
    with zipfile.ZipFile("/tmp/work/in.zip") as z:
        z.extractall("/tmp/work")
    return sorted(os.listdir("/tmp/work"))
""",
)
program(
    "several_archives_in_one_folder",
    {"/tmp/work": ("state", "manual")},
    """
import os, zipfile
def handler(event, context):
    for name in event["archives"]:
        with zipfile.ZipFile(name) as z:
            z.extractall("/tmp/work")
    return sorted(os.listdir("/tmp/work"))
""",
)
program(
    "one_archive_per_call",
    {"/tmp/work": ("state", "review")},
    """
import os, zipfile
def handler(event, context):
    with zipfile.ZipFile(event["archive"]) as z:
        z.extractall("/tmp/work")
    return sorted(os.listdir("/tmp/work"))
""",
)
program(
    "a_function_called_like_a_module",
    {"/tmp/queue.json": ("state", "review")},
    """
import json
def queue(path, jobs):
    with open(path, "w") as f:
        json.dump(jobs, f)
def copy(path):
    with open(path) as f:
        return json.load(f)
def handler(event, context):
    if "jobs" in event:
        queue("/tmp/queue.json", event["jobs"])
    return copy("/tmp/queue.json")
""",
)
program(
    "a_read_that_may_miss_the_cache",
    {"/tmp/page": ("state", "review")},
    """
import os, urllib.request
def handler(event, context):
    if event.get("last"):
        return open("/tmp/page").read()
    if not os.path.exists("/tmp/page"):
        with open("/tmp/page", "w") as f:
            f.write(urllib.request.urlopen("https://example.com").read().decode())
    return open("/tmp/page").read()
""",
)
program(
    "a_cache_whose_miss_a_caller_catches",
    {},
    """
import urllib.request
def load():
    with open("/tmp/page") as f:
        return f.read()
def handler(event, context):
    try:
        return load()
    except OSError:
        text = urllib.request.urlopen("https://example.com").read().decode()
        with open("/tmp/page", "w") as f:
            f.write(text)
        return text
""",
)

"""template -> Deployed: what every tool says of a function, in one shape. The readers of the tools make these."""

import posixpath
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from statelift.model import Settings, Tool

SKIPPED = frozenset({".aws-sam", "cdk.out", ".serverless", "node_modules", "build", "dist", ".terraform"})


@dataclass(frozen=True, slots=True)
class Files:
    """The project's files: POSIX paths below its root, and how to read one (OSError)."""

    names: Collection[str]
    read: Callable[[str], bytes] = field(repr=False)

    def own(self, *endings: str) -> list[str]:
        """Files with one of these endings that no tool made, sorted."""
        return sorted(name for name in self.names if name.lower().endswith(endings) and is_own(name))

    def below(self, folder: str) -> Iterator[str]:
        """The files in a folder and its folders."""
        prefix = f"{folder}/" if folder else ""
        return (name for name in self.names if name.startswith(prefix))


def is_own(path: str) -> bool:
    """Whether people wrote this file: build outputs and dependencies repeat what is known."""
    return SKIPPED.isdisjoint(path.split("/"))


@dataclass(frozen=True, slots=True)
class Folder:
    """The code is the folder `path` of the project.

    `packaging` says why a new file may not be deployed (`is_left_out`: provably is not, unless the file
    `packager`, whose paths start in `base`, names it); `helper` is the folder below that deploys new files.
    """

    path: str
    packaging: str = ""
    helper: str = ""
    is_left_out: bool = False
    packager: str = ""
    base: str = ""


@dataclass(frozen=True, slots=True)
class Inline:
    """The code stands in the template itself."""


@dataclass(frozen=True, slots=True)
class Image:
    """A container image, built by `dockerfile` in the folder `context` where the template says so.

    `command` is the handler that the template gives in place of the image's own; `stage` the one to build;
    `packaging` says why the build may leave new files out.
    """

    context: str | None
    dockerfile: str | None = None
    command: str | None = None
    stage: str | None = None
    packaging: str = ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The code cannot be found from the template; `reason` completes "its code ..."."""

    reason: str


Code = Folder | Inline | Image | Elsewhere


@dataclass(frozen=True, slots=True)
class Deployed:
    """One function of a template. `runtime` and `handler` are None where the template has no plain text."""

    tool: Tool
    template: str
    logical_id: str
    line: int
    runtime: str | None
    handler: str | None
    code: Code
    patchable: str = ""
    sharing: str = ""
    resources: str = ""
    principal: str = ""
    rights: tuple[tuple[str, str], ...] = ()
    settings: Settings = field(default_factory=Settings)

    @property
    def is_python(self) -> bool:
        """Whether nothing speaks against Python. A handler with `::` is Java's or .NET's."""
        is_named = self.runtime is None or self.runtime.startswith("python")
        return is_named and "::" not in (self.handler or "")


def resolve(folder: str, uri: str) -> str | None:
    """`uri` as seen from a folder, relative to the project; None outside of it."""
    path = posixpath.normpath(posixpath.join(folder, uri))
    if path.startswith(("/", "../")) or path == "..":
        return None
    return "" if path == "." else path


def module_file(root: str, module: str, files: Collection[str]) -> str | None:
    """The file of a dotted module below a code root."""
    stem = posixpath.join(root, module.replace(".", "/"))
    return next((name for name in (f"{stem}.py", f"{stem}/__init__.py") if name in files), None)


def module_homes(module: str, files: Files) -> list[str]:
    """The folders that could be the code root of a dotted module, sorted."""
    stem = module.replace(".", "/")
    ends = (f"/{stem}.py", f"/{stem}/__init__.py")
    rooted = [f"/{name}" for name in files.names]
    return sorted({path[: -len(end)].lstrip("/") for path in rooted for end in ends if path.endswith(end)})


def split_handler(handler: str) -> tuple[str, str]:
    """`src/app.handler` -> ("src.app", "handler"), as the runtime reads it."""
    module, attribute = handler.rsplit(".", 1)
    return module.replace("/", "."), attribute

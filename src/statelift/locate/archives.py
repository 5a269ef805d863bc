"""A Terraform function -> where its code is: archives that Terraform zips, and zips that something else made."""

import posixpath
from collections.abc import Iterator
from dataclasses import replace

from statelift.locate.deployed import Code, Elsewhere, Files, Folder, Image, module_homes, split_handler
from statelift.locate.evaluate import UNKNOWN, Module, Scope, Symbol, Value
from statelift.locate.globs import is_match
from statelift.locate.hcl import Block, Call
from statelift.locate.hclsites import ignored_changes
from statelift.locate.paths import located, shown

_ARCHIVES = (("data", "archive_file"), ("resource", "archive_file"))
_OBJECTS = ("aws_s3_object", "aws_s3_bucket_object")
_HELPER = "statelift_state.py"
_CODE = frozenset("filename source_code_hash s3_key s3_object_version all".split())
_MOST_HOPS = 5


def code_of(function: Block, scope: Scope, files: Files) -> Code:
    """Where the code of an aws_lambda_function is."""
    body = function.body
    if body.get("image_uri") is not None or scope.value(body.get("package_type")) == "Image":
        return Image(None)
    key, name = body.get("s3_key"), body.get("filename")
    if name is None and key is None:
        return Elsewhere("is not given (neither filename nor s3_key)")
    value = scope.value(name if name is not None else key)
    code = _packed(value, scope, scope.text(body.get("handler")), files)
    if isinstance(code, Folder) and not code.packaging and ignored_changes(function) & _CODE:
        reason = "Terraform ignores changes of its code (lifecycle): something else deploys them."
        return replace(code, packaging=reason)
    return code


def code_of_module(block: Block, scope: Scope, files: Files) -> Code:
    """Where the code of a call of terraform-aws-modules/lambda is."""
    body = block.body
    if body.get("image_uri") is not None or scope.value(body.get("package_type")) == "Image":
        return Image(None)
    if body.get("local_existing_package") is not None:
        value = scope.value(body.get("local_existing_package"))
        return _packed(value, scope, scope.text(body.get("handler")), files)
    if body.get("s3_existing_package") is not None:
        return Elsewhere("is an object in S3")
    source = scope.value(body.get("source_path"))
    entries = source if isinstance(source, list) else [source]
    paths = [entry.get("path") if isinstance(entry, dict) else entry for entry in entries]
    known = [resolved(path, scope.module) for path in paths if isinstance(path, str)]
    handler = scope.text(body.get("handler"))
    for entry, path in zip(entries, known, strict=False):
        if path is not None and (len(entries) == 1 or _holds(path, handler, files)):
            return _source(path, entry, files)
    return Elsewhere("is a value that only the deployment knows")


def resolved(path: str, module: Module) -> str | None:
    """A path of a Terraform file, relative to the project; None outside of it."""
    return located(path, module.root)


def _source(path: str, entry: Value, files: Files) -> Folder:
    if path in files.names:
        return _single(path)
    if isinstance(entry, dict) and entry.get("prefix_in_zip", "") != "":
        return Folder(
            path, "Its source_path has a prefix_in_zip, so a new file gets another name.", is_left_out=True
        )
    if isinstance(entry, dict) and {"patterns", "commands"} & entry.keys():
        return Folder(path, "The patterns or commands of its source_path may leave new files out.")
    return Folder(path)


def _single(path: str) -> Folder:
    reason = f"Only the file {path} is packaged, not its folder. Package the folder to have it changed."
    return Folder(posixpath.dirname(path), reason, is_left_out=True)


def _holds(folder: str, handler: str | None, files: Files) -> bool:
    stem = posixpath.join(folder, (handler or "").rpartition(".")[0].replace(".", "/"))
    return f"{stem}.py" in files.names or f"{stem}/__init__.py" in files.names or folder in files.names


def _packed(value: Value, scope: Scope, handler: str | None, files: Files, hops: int = _MOST_HOPS) -> Code:
    """The code behind a zip's path, or behind the S3 object that holds it."""
    match value:
        case Symbol(address=("data", "archive_file", name) | ("archive_file", name), key=key):
            kind = "data" if value.address[0] == "data" else "resource"
            for _, block in scope.module.blocks(kind, "archive_file", name):
                return _archive(block, _instance(block, scope, key), handler, files)
        case Symbol(address=(kind, name), key=key) if kind in _OBJECTS and hops:
            for _, block in scope.module.blocks("resource", kind, name):
                inner = _instance(block, scope, key)
                return _packed(inner.value(block.body.get("source")), inner, handler, files, hops - 1)
        case _:
            pass
    return _made_elsewhere(value if isinstance(value, str) else None, scope, handler, files)


def _instance(block: Block, scope: Scope, key: Value) -> Scope:
    """The scope of the instance `key` of a block with for_each."""
    over = block.body.get("for_each")
    elements = Scope(scope.module).value(over) if over is not None else UNKNOWN
    match elements, key:
        case dict(), str():
            return Scope(scope.module, key, elements.get(key, UNKNOWN))
        case list(), str() if key in elements:
            return Scope(scope.module, key, key)
        case _:
            return Scope(scope.module)


def _archive(block: Block, scope: Scope, handler: str | None, files: Files) -> Code:
    body = block.body
    if body.get("source_dir") is not None:
        path = _path(scope.value(body.get("source_dir")), scope)
        excludes = scope.value(body.get("excludes")) if body.get("excludes") is not None else []
        return _where(path, *_excluded(excludes))
    if body.get("source_file") is not None:
        path = _path(scope.value(body.get("source_file")), scope)
        return _where(None) if path is None else _single(path)
    for path in _listed(block, scope):
        if path in files.names and _is_handler(path, handler):
            reason = f"Only the files that {'.'.join(block.labels)} names are packaged."
            return Folder(posixpath.dirname(path), reason, is_left_out=True)
    return Elsewhere("is a value that only the deployment knows")


def _where(path: str | None, packaging: str = "", is_left_out: bool = False) -> Code:
    if path is None:
        return Elsewhere("is a value that only the deployment knows, or outside of the analysed folder")
    return Folder(path, packaging, is_left_out=is_left_out)


def _path(value: Value, scope: Scope) -> str | None:
    return resolved(value, scope.module) if isinstance(value, str) else None


def _excluded(patterns: Value) -> tuple[str, bool]:
    """Why new files may be left out of an archive, and whether they provably are."""
    texts = [each for each in patterns if isinstance(each, str)] if isinstance(patterns, list) else []
    if any(is_match(each, _HELPER) for each in texts):
        return "The excludes of its archive leave new files out.", True
    if not isinstance(patterns, list) or len(texts) < len(patterns):
        return "The excludes of its archive may leave new files out.", False
    return "", False


def _listed(block: Block, scope: Scope) -> Iterator[str]:
    """The files of `source { content = file("app.py") }` blocks."""
    for source in block.body.blocks("source"):
        content = source.body.get("content")
        if isinstance(content, Call) and content.name in ("file", "templatefile") and content.arguments:
            path = _path(scope.value(content.arguments[0]), scope)
            if path is not None:
                yield path


def _is_handler(path: str, handler: str | None) -> bool:
    stem = (handler or "").rpartition(".")[0].replace(".", "/")
    return f"/{path}".endswith(f"/{stem}.py")


# ---------------------------------------------------------------- zips that something else made


def _made_elsewhere(value: str | None, scope: Scope, handler: str | None, files: Files) -> Code:
    """The archive with this output path; else the only folder that can have been zipped."""
    wanted = resolved(value, scope.module) if value is not None else None
    for kind, name in _ARCHIVES:
        for _, block in scope.module.blocks(kind, name):
            output = _path(Scope(scope.module).value(block.body.get("output_path")), scope)
            if wanted is not None and output == wanted:
                return _archive(block, Scope(scope.module), handler, files)
    found = _guessed(wanted, scope, handler, files)
    if found is None and value is None:
        return Elsewhere("is a value that only the deployment knows")
    if found is None:
        return Elsewhere(f"is the ready-made archive {shown(value or '')}")
    name = posixpath.basename(value) if value else "Its archive"
    return Folder(found, f"{name} is zipped by something else than Terraform, which may leave new files out.")


def _guessed(archive: str | None, scope: Scope, handler: str | None, files: Files) -> str | None:
    """The folder with the handler's module: named like the zip, beside it, beside the template, or the only one."""
    if handler is None or "." not in handler:
        return None
    roots = module_homes(split_handler(handler)[0], files)
    nearby = [scope.module.folder, scope.module.root]
    if archive is not None:
        nearby = [posixpath.splitext(archive)[0], posixpath.dirname(archive), *nearby]
    near = next((folder for folder in nearby if folder in roots), None)
    return near if near is not None else roots[0] if len(roots) == 1 else None

"""Compare the public names of two trees of the package, as a Markdown table of what was renamed.

usage: python scripts/public_names.py OLD_REVISION [--all | --write]

Compares a git revision with the work tree: modules, classes, functions, methods and their arguments. A name that is
gone is paired with the new one whose code is most alike; without one that is alike enough, it counts as removed.
Packages that are not public (docs/upgrade.md) are left out, unless ``--all`` is given. ``--write`` puts the table into
the changelog, between the two comments that name this script.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_ei"
CHANGELOG = ROOT / "CHANGELOG.md"
#: Layers below the public ones; of the emulator, only what its package exports is public.
INTERNAL = ("studio", "sync", "sources", "jobs", "plugins", "emulator", "redaction", "scalars", "check", "cli")
#: Of internal modules, what the API reference lists all the same.
REFERENCE = "docs/api.rst"
#: Below this, two pieces of code are not the same one renamed.
ALIKE = 0.6
#: The same for code that has the same name, or is in the same module.
LESS_ALIKE = 0.4

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Name:
    """A public name and the code that it stands for."""

    module: str
    qualified: str
    code: str
    arguments: tuple[str, ...] = ()

    @cached_property
    def words(self) -> Counter[str]:
        return Counter(re.findall(r"\w+|\S", self.code))

    @property
    def level(self) -> int:
        """0 for a module, 1 for a class or function, 2 for a method."""
        return self.qualified.count(".") + 1 if self.qualified else 0

    @property
    def path(self) -> str:
        return f"{self.module}.{self.qualified}" if self.qualified else self.module


def names_of(module: str, source: str) -> Iterator[Name]:
    """Yield the module, its public classes and functions, and their public methods."""
    tree = ast.parse(source)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    yield Name(module, "", "\n".join(sorted(code_of(node) for node in tree.body)))
    for node in tree.body:
        if isinstance(node, Definition):
            yield Name(module, node.name, code_of(node), arguments_of(node, classes))
            for member in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not member.name.startswith("_"):
                    qualified = f"{node.name}.{member.name}"
                    yield Name(module, qualified, code_of(member), arguments_of(member, classes))


def code_of(node: ast.AST) -> str:
    """The code without docstrings and comments, and without the name that is defined."""
    text = ast.parse(ast.unparse(node))
    for each in ast.walk(text):
        if isinstance(each, Definition | ast.Module) and ast.get_docstring(each, clean=False) is not None:
            each.body = each.body[1:] or [ast.Pass()]
    first = text.body[0]
    if isinstance(first, Definition):
        first.name = "_"
    return ast.unparse(text)


def arguments_of(node: Definition, classes: Mapping[str, ast.ClassDef]) -> tuple[str, ...]:
    """The arguments that a caller may name: of a class, those of its constructor, or its fields and inherited ones.

    :param classes: of the same module, where base classes are looked up.
    """
    if not isinstance(node, ast.ClassDef):
        arguments = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        return tuple(name for name in arguments if name not in ("self", "cls") and not name.startswith("_"))
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return arguments_of(member, classes)
    bases = [classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
    fields = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
    own = [field.id for field in fields if isinstance(field, ast.Name) and not field.id.startswith("_")]
    return tuple(name for base in bases for name in arguments_of(base, classes)) + tuple(own)


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def of_revision(revision: str) -> dict[str, Name]:
    paths = [path for path in git("ls-tree", "-r", "--name-only", revision, PACKAGE).split() if path.endswith(".py")]
    return collect({path: git("show", f"{revision}:{path}") for path in paths})


def of_work_tree() -> dict[str, Name]:
    paths = sorted((ROOT / PACKAGE).rglob("*.py"))
    return collect({path.relative_to(ROOT).as_posix(): path.read_text() for path in paths})


def collect(files: Mapping[str, str]) -> dict[str, Name]:
    """Return all public names, with the methods that classes inherit from other classes of the package."""
    found = {name.path: name for path, text in files.items() for name in names_of(module_name(path), text)}
    bases = {
        node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
        for text in files.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    }
    methods: dict[str, list[Name]] = {}
    for name in found.values():
        if name.level == 2:
            methods.setdefault(name.qualified.partition(".")[0], []).append(name)
    for name in [name for name in found.values() if name.level == 1 and name.qualified in bases]:
        for base in ancestors(name.qualified, bases):
            for method in methods.get(base, []):
                qualified = f"{name.qualified}.{method.qualified.partition('.')[2]}"
                inherited = Name(name.module, qualified, method.code, method.arguments)
                found.setdefault(inherited.path, inherited)
    return {path: name for path, name in found.items() if "._" not in path}


def ancestors(name: str, bases: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the base classes of a class, by their names, nearest first."""
    for base in bases.get(name, []):
        if base != name:
            yield base
            yield from ancestors(base, bases)


def pairs(old: Mapping[str, Name], new: Mapping[str, Name]) -> dict[str, str | None]:
    """Map each name that is gone to the new name of the same code, or to None."""
    found: dict[str, str | None] = {}
    gone = [name for path, name in old.items() if path not in new]
    # Modules first, then classes and functions, then methods, which are looked for where their class went.
    for level in (0, 1, 2):
        names = [name for name in gone if name.level == level]
        others = [other for path, other in new.items() if path not in old and other.level == level]
        scores = [(score(name, other, found), name.path, other.path) for name in names for other in others]
        found |= {name.path: None for name in names}
        taken = set()
        for likely, path, other_path in sorted(scores, reverse=True):
            if likely >= ALIKE and found[path] is None and other_path not in taken:
                found[path] = other_path
                taken.add(other_path)
    return found


def score(name: Name, other: Name, found: Mapping[str, str | None]) -> float:
    """How likely a new name is an old one renamed: the likeness of the code, and more for the same name or module."""
    owner, _, last = name.qualified.rpartition(".")
    other_owner, _, other_last = other.qualified.rpartition(".")
    if owner:
        path = f"{name.module}.{owner}"
        if f"{other.module}.{other_owner}" != (found.get(path) or path):
            return 0.0
    likely = likeness(name.words, other.words)
    same_name = bool(last) and last == other_last
    same_module = bool(last) and other.module == (found.get(name.module) or name.module)
    if likely < (LESS_ALIKE if same_name or same_module else ALIKE):
        return 0.0
    return likely + same_name + same_module / 2


def likeness(one: Counter[str], other: Counter[str]) -> float:
    """Which part of their words two pieces of code share, from 0 to 1."""
    return 2 * (one & other).total() / ((one.total() + other.total()) or 1)


def is_implied(path: str, target: str | None, moved: Mapping[str, str | None]) -> bool:
    """Whether a name only went where its module or its class went, under its own name."""
    owner, _, last = path.rpartition(".")
    return target is not None and moved.get(owner) is not None and target == f"{moved[owner]}.{last}"


def argument_changes(
    old: Mapping[str, Name], new: Mapping[str, Name], moved: Mapping[str, str | None]
) -> Iterator[tuple[str, str | None]]:
    """Yield arguments that are gone, with those that came at the same time."""
    for path, name in old.items():
        other = new.get(moved.get(path) or path)
        if other is None or not name.qualified:
            continue
        gone = [each for each in name.arguments if each not in other.arguments]
        came = [each for each in other.arguments if each not in name.arguments]
        if gone:
            yield f"{path}({', '.join(gone)})", f"{other.path}({', '.join(came)})" if came else None


def is_public(name: Name, reference: str) -> bool:
    """Whether a name is in a public package, or the API reference lists it or its class."""
    layer = name.module.split(".")[1] if "." in name.module else ""
    home = f"{PACKAGE}.emulator" if layer == "emulator" else name.module
    listed = name.qualified and f"{home}.{name.qualified.split('.')[0]}\n" in reference
    return layer not in INTERNAL or bool(listed)


def table(revision: str, *, everything: bool = False) -> str:
    """Return the table of what was renamed since a revision."""
    old, new = of_revision(revision), of_work_tree()
    reference = git("show", f"{revision}:{REFERENCE}")
    moved = pairs(old, new)
    rows = [(path, target) for path, target in moved.items() if not is_implied(path, target, moved)]
    rows += argument_changes(old, new, moved)
    lines = ["| before | now |", "|---|---|"]
    for before, now in sorted(rows):
        if everything or is_public(old[before.partition("(")[0]], reference):
            lines.append(f"| `{before}` | {f'`{now}`' if now else 'removed'} |".replace(f"{PACKAGE}.", ""))
    return "\n".join(lines) + "\n"


def write(revision: str) -> None:
    """Put the table into the changelog."""
    begin, end = f"<!-- begin: scripts/public_names.py {revision} -->\n", "<!-- end -->"
    text = CHANGELOG.read_text()
    head, _, rest = text.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        sys.exit(f"CHANGELOG.md has no {begin.strip()} with {end} after it.")
    CHANGELOG.write_text(f"{head}{begin}\n{table(revision)}\n{end}{tail}")


if __name__ == "__main__":
    if "--write" in sys.argv[2:]:
        write(sys.argv[1])
    else:
        print(table(sys.argv[1], everything="--all" in sys.argv[2:]), end="")

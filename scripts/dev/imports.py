"""Which file of a Rust crate imports which: read from the source by name, without a compiler.

An import is any path of the crate, in `use` or in the middle of the code. It leads to the file that defines the item,
however many `pub use` are on the way: a module that declares and re-exports its parts does not import them.
Comments and literals are not code. For circles, tests do not count either.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

NOT_CODE = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | b?r(\#*)".*?"\1
      | [bc]?"(?:\\.|[^"\\])*"
      | b?'(?:\\[^\n]*?|[^'\\\n])'
    """,
    re.VERBOSE | re.DOTALL,
)
TOKEN = re.compile(r"\w+|::|\S")
NAME = re.compile(r"[^\W\d]\w*|\*")


def tokens_of(text):
    """(line, token) of the code, without comments and literals."""
    blank = NOT_CODE.sub(lambda match: "\n" * match[0].count("\n") + " ", text)
    return [(line, token) for line, code in enumerate(blank.split("\n"), start=1) for token in TOKEN.findall(code)]


def without_tests(tokens):
    """The tokens without the items below `#[cfg(test)]`."""
    kept, at = [], 0
    words = [token for _, token in tokens]
    while at < len(tokens):
        if words[at : at + 7] == ["#", "[", "cfg", "(", "test", ")", "]"]:
            at = _end_of_item(words, at + 7)
        else:
            kept.append(tokens[at])
            at += 1
    return kept


def _end_of_item(words, at):
    depth = 0
    while at < len(words):
        depth += {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}.get(words[at], 0)
        at += 1
        if depth == 0 and (words[at - 1] == "}" or words[at - 1] == ";"):
            break
    return at


@dataclass
class Import:
    """A path from the root of the crate, and under what name it is known after a `use`."""

    line: int
    path: tuple
    alias: str | None = None
    is_public: bool = False


@dataclass
class Source:
    """The imports of one file, and the modules that it declares."""

    module: tuple
    imports: list = field(default_factory=list)
    children: set = field(default_factory=set)
    inline: set = field(default_factory=set)


def read(tokens, module):
    """The imports of code that is in `module`."""
    found = Source(tuple(module))
    words = [token for _, token in tokens]
    scopes = [(found.module, 0)]  # modules that are open, each with the depth of braces where it began
    known = {}
    depth, at = 0, 0
    while at < len(words):
        word, here = words[at], scopes[-1][0]
        if word == "mod" and words[at + 1 : at + 3][1:] == ["{"]:
            depth += 1
            scopes.append(((*here, words[at + 1]), depth))
            found.inline.add(scopes[-1][0])
            at += 3
        elif word == "mod" and words[at + 1 : at + 3][1:] == [";"]:
            found.children.add(words[at + 1])
            known[here, words[at + 1]] = (*here, words[at + 1])
            at += 3
        elif word == "use":
            is_public = at > 0 and words[at - 1] in ("pub", ")")
            end = words.index(";", at)
            for path, alias, place in _tree(words, at + 1, end, ()):
                whole = _absolute(path, here, known)
                if whole is not None:
                    found.imports.append(Import(tokens[place][0], whole, alias, is_public))
                    known[here, alias] = whole
            at = end + 1
        elif NAME.fullmatch(word) and words[at + 1 : at + 2] == ["::"] and (at == 0 or words[at - 1] != "::"):
            path, end = [word], at + 1
            while words[end : end + 1] == ["::"] and end + 1 < len(words) and NAME.fullmatch(words[end + 1]):
                path.append(words[end + 1])
                end += 2
            whole = _absolute(tuple(path), here, known)
            if whole is not None and not (at > 0 and words[at - 1] == "in"):
                found.imports.append(Import(tokens[at][0], whole))
            at = max(end, at + 1)
        else:
            depth += {"{": 1, "}": -1}.get(word, 0)
            if len(scopes) > 1 and depth < scopes[-1][1]:
                scopes.pop()
            at += 1
    return found


def _tree(words, at, end, prefix):
    """(path, name, place) of every leaf of a `use`."""
    path, place = list(prefix), at
    while at < end:
        word = words[at]
        if word == "{":
            depth, start = 1, at + 1
            at += 1
            while at < end and depth:
                depth += {"{": 1, "}": -1}.get(words[at], 0)
                if (words[at] == "," and depth == 1) or depth == 0:
                    if at > start:
                        yield from _tree(words, start, at, tuple(path))
                    start = at + 1
                at += 1
            return
        if word == "as":
            yield _leaf(path, words[at + 1], place)
            return
        if word != "::":
            path.append(word)
            place = at
        at += 1
    if path:
        yield _leaf(path, None, place)


def _leaf(path, alias, place):
    if path[-1] == "self" and len(path) > 1:
        path = path[:-1]
    return tuple(path), alias or path[-1], place


def _absolute(path, here, known):
    """The path from the root of the crate, or None for a path that leads out of it."""
    if path[0] == "crate":
        return path[1:]
    if path[0] == "self":
        return (*here, *path[1:])
    if path[0] == "super":
        steps = next((n for n, word in enumerate(path) if word != "super"), len(path))
        return (*here[: max(len(here) - steps, 0)], *path[steps:])
    if (here, path[0]) in known:
        return (*known[here, path[0]], *path[1:])
    return None


def module_of(path, root):
    """The module that the file `path` is, in the crate whose root file is in the folder `root`."""
    parts = path.relative_to(root).with_suffix("").parts
    return tuple(part for part in parts if part not in ("mod", "lib", "main"))


class Crate:
    """All files of one crate, {path: text}, and how they import one another."""

    def __init__(self, files, root):
        self.files = {module_of(path, root): path for path in files}
        self.sources = {
            module_of(path, root): read(without_tests(tokens_of(text)), module_of(path, root))
            for path, text in files.items()
        }

    def edges(self):
        """{file: {imported file: line}}."""
        found = {}
        for module, source in self.sources.items():
            mine = found.setdefault(self.files[module], {})
            for one in source.imports:
                # A module declares its re-exports; a user of such a name imports the file that defines it.
                if one.is_public:
                    continue
                target = self.defined_in(one.path)
                if target is not None and target != module:
                    mine.setdefault(self.files[target], one.line)
        return found

    def defined_in(self, path, seen=()):
        """The module that defines the item at the path; None for a module itself, or for an unknown name."""
        module = ()
        for at, name in enumerate(path):
            source = self.sources.get(module)
            if source is None or (module, name) in seen:
                return None
            if (*module, name) in self.sources:
                module = (*module, name)
                continue
            if (*module, name) in source.inline:
                return module
            for one in source.imports:
                if one.alias == name:
                    return self.defined_in((*one.path, *path[at + 1 :]), (*seen, (module, name)))
            return module
        return None

    def circles(self):
        """Sets of files that import themselves by way of others."""
        edges = self.edges()
        return sorted(sorted(circle) for circle in components(edges) if len(circle) > 1)


def components(edges):
    """The strongly connected components of a graph (Tarjan's algorithm, without recursion)."""
    order, low, stack, on_stack, found = {}, {}, [], set(), []
    for start in edges:
        if start in order:
            continue
        work = [(start, iter(edges[start]))]
        order[start] = low[start] = len(order)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, targets = work[-1]
            target = next(targets, None)
            if target is not None:
                if target not in order:
                    order[target] = low[target] = len(order)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(edges.get(target, ()))))
                elif target in on_stack:
                    low[node] = min(low[node], order[target])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == order[node]:
                component = set()
                while True:
                    other = stack.pop()
                    on_stack.discard(other)
                    component.add(other)
                    if other == node:
                        break
                found.append(component)
    return found


def crate_of(root, repository, without=()):
    """The crate whose root file is in the folder `root`, as it is on the disk."""
    folder = repository / root
    files = (file for file in folder.rglob("*.rs") if not any(file.is_relative_to(repository / w) for w in without))
    return Crate({file.relative_to(repository): file.read_text("utf-8") for file in files}, Path(root))

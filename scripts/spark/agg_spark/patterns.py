"""Patterns of names, as those of Hadoop, and of a shell."""

from __future__ import annotations

import re

from agg_spark.error import Usage

GLOB = re.compile(r"([\\*?\[\]{}])")


def literal(path: str) -> str:
    """A path for Spark's readers, which take every path for a pattern."""
    return GLOB.sub(r"\\\1", path)


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches a component of a pattern; a sign takes no dot at the start of a name."""
    signs = re.findall(r"\\.|\[[!^]?\]?[^]]*\]|\{[^{}]*\}|.", pattern, re.DOTALL)
    if name.startswith(".") and not signs[0].endswith("."):
        return False
    return re.fullmatch("".join(map(_sign, signs)), name, re.DOTALL) is not None


def _sign(sign: str) -> str:
    if len(sign) > 1 and sign[0] == "[":
        members = re.sub(r"([\\\[])", r"\\\1", re.sub(r"^[!^]", "", sign[1:-1]))
        return f"[{'^' if sign[1] in '!^' else ''}{members}]"
    if len(sign) > 1 and sign[0] == "{":
        return f"(?:{'|'.join(re.escape(word) for word in sign[1:-1].split(','))})"
    if sign in "[{":
        raise Usage(f"{sign!r} stands alone in a pattern; put a backslash before it")
    return {"*": ".*", "?": "."}.get(sign, re.escape(sign[-1]))

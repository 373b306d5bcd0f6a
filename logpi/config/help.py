"""Help of settings: the comments beside their fields, read from the source of the classes."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import io
import textwrap
import tokenize
import typing
from collections.abc import Callable
from typing import Any

from logpi.config.settings import Section, range_of


@functools.cache
def help_of(kind: type[Section], name: str) -> str | None:
    """Comment of the field ``name`` of ``kind``, or of the nearest class above that has one."""
    return next((found for base in kind.__mro__ if (found := _comments(base).get(name))), None)


def flag_help(kind: type[Section], name: str) -> str | None:
    """Help of the flag of a field: its comment, and the range that it has; None where neither is known."""
    about, wanted = help_of(kind, name), range_of(kind, name)
    return ". ".join(filter(None, (about, f"Range: {wanted.text}" if wanted else None))) or None


@functools.cache
def _comments(kind: type) -> dict[str, str]:
    """Comments of the fields in the body of ``kind``; {} where its source is not known."""
    if not dataclasses.is_dataclass(kind):
        return {}
    try:
        return field_comments(inspect.getsource(kind))
    except (OSError, TypeError):
        return {}


def field_comments(source: str) -> dict[str, str]:
    """Comments of the annotated fields of one class, by their names; fields without one have "".

    A field's comment is made of the comment lines directly above it and the comment that ends its last line.

    Args:
        source: text of the class statement, indented or not.
    """
    source = textwrap.dedent(source)
    own_line: dict[int, str] = {}  # line number -> comment that has the line to itself
    trailing: dict[int, str] = {}  # line number -> comment after code
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = token.line.lstrip().startswith("#")
            (own_line if alone else trailing)[token.start[0]] = token.string.lstrip("# ")
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field in body.body:
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        above, line = [trailing.get(field.end_lineno or field.lineno, "")], field.lineno - 1
        while line in own_line:
            above, line = [own_line[line], *above], line - 1
        found[field.target.id] = " ".join(filter(None, above))
    return found


def with_help(kind: type[Section], default: Section, described: Callable[[str], object]) -> type[Any]:
    """A dataclass with the fields of ``kind``, the defaults of ``default``, and the help of their flags in the types.

    Args:
        kind: of ``default``.
        default: settings.
        described: (help) -> what stands beside the type, as in ``Annotated[type, described(help)]``.
    """
    hints = typing.get_type_hints(kind)
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(kind):
        about = flag_help(kind, field.name)
        hint = typing.Annotated[hints[field.name], described(about)] if about else hints[field.name]
        fields.append((field.name, hint, dataclasses.field(default=getattr(default, field.name))))
    return dataclasses.make_dataclass(kind.__name__, fields, frozen=True, namespace={"__doc__": kind.__doc__})

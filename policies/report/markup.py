"""HTML in small pieces. What comes in as a value is escaped here or by `text`; what comes in as HTML says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


def text(value: object) -> str:
    """A value as HTML, which nothing in it can change."""
    return escape(str(value))


@dataclass(frozen=True)
class Column:
    """`is_number`: to the right, in figures of one width. `width`: of the table, as CSS says it."""

    heading: str
    is_number: bool = False
    width: str = ""


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, style: str = "") -> str:
    """Cells are HTML. On a narrow screen a row becomes a block, each cell behind its heading."""
    head = "".join(f'<th scope="col"{_class(it)}{_width(it)}>{text(it.heading)}</th>' for it in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td{_class(column)} data-head="{text(column.heading)}">{cell}</td>'
            for column, cell in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<table class="wide {style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def section(name: str, title: str, content: Iterable[str], *, lead: str = "") -> str:
    """`lead` and `content` are HTML."""
    inner = "\n".join(content)
    said = f'<p class="lead">{lead}</p>' if lead else ""
    return f'<section id="{text(name)}"><h2>{text(title)}</h2>{said}{inner}</section>'


def folded(title: str, content: str, *, is_on_paper: bool = True) -> str:
    """HTML behind a title. On paper it is open, or left out with a word on where it is."""
    style = "" if is_on_paper else ' class="screen"'
    return f"<details{style}><summary>{text(title)}</summary>{content}</details>"


def tag(word: str, tone: str) -> str:
    return f'<span class="tag {tone}">{text(word)}</span>'


def _class(column: Column) -> str:
    return ' class="number"' if column.is_number else ""


def _width(column: Column) -> str:
    return f' style="width:{column.width}"' if column.width else ""

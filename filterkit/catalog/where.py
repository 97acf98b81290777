"""The language of ``--where``: conditions over columns, turned into SQL expressions with bound parameters.

::

    condition   = conjunction {"or" conjunction}
    conjunction = negation {"and" negation}
    negation    = "not" negation | "(" condition ")" | comparison
    comparison  = value ( ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value
                        | ["not"] "between" value "and" value
                        | ["not"] "in" "(" literal {"," literal} ")"
                        | ["not"] "like" text
                        | "is" ["not"] "null" )
    value       = column | literal
    literal     = number | 'text' | [list of numbers]

A column may be qualified with its table: ``layer.position``. No part of a condition becomes SQL text: columns
are looked up, everything else is bound.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import sqlalchemy as sa

from filterkit.catalog.listings import no_column
from filterkit.catalog.sqlite.statements import to_json
from filterkit.errors import UnknownNameError, UsageError, one_line

DEEPEST = 50
"""How deeply parentheses and negations may be nested; SQLite's own limit is 1,000 levels."""

LONGEST = 10_000

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

EQUALITIES = ("=", "==", "!=", "<>")

KEYWORDS = frozenset(("and", "or", "not", "between", "in", "like", "is", "null"))

TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*')
    | (?P<list>\[[-+\d.eE,\s]*\])
    | (?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)?)
    | (?P<sign><=|>=|<>|!=|==|[=<>(),])
    )""",
    re.VERBOSE,
)


OTHERWISE = (
    (r"&", "write and: \"l1_norm > 2 and layer like 'block1%'\""),
    (r"\|", "write or: \"l1_norm > 2 or layer like 'block1%'\""),
    (r"[+-]?\d[\d.]*[^\W\d]", 'a number has no unit: "l1_norm > 2"'),
    (r"%", 'a share is a number from 0 to 1: "sparsity > 0.5"'),
    (r"!|~", "write not: \"not layer like 'block1%'\", or != for 'other than'"),
    (r'"', "put text in single quotes: \"layer like 'block1%'\""),
)
"""The syntax of other languages, and what to write instead."""

Expression = sa.ColumnElement[Any]


def parse_condition(text: str, columns: Mapping[str, Expression]) -> Expression:
    """Turn a condition into an SQL expression.

    Parameters
    ----------
    text
        E.g. ``"l1_norm > 2 and not (layer like 'block5%' or bias is null)"``.
    columns
        The columns that names in it refer to.

    Raises
    ------
    UsageError
        It cannot be parsed, names an unknown column, or compares a number with a text.
    """
    return _Parser(text, columns).parse()


@dataclass(frozen=True, slots=True)
class _Value:
    expression: Expression
    kind: str  # "number", "text", "list", or "any" if it depends on the row
    token: Token


class _Parser:
    def __init__(self, text: str, columns: Mapping[str, Expression]) -> None:
        self.text = text
        self.columns = columns
        if len(text) > LONGEST:
            raise UsageError(f"the condition is longer than {LONGEST} characters", hint="make it shorter")
        self.tokens = list(tokens(text))
        self.next = 0
        self.depth = 0

    def parse(self) -> Expression:
        condition = self._condition()
        if self._peek().kind != "end":
            self._fail(f"'{self._peek().text}' is not expected here", self._peek())
        return condition

    def _condition(self) -> Expression:
        parts = [self._conjunction()]
        while self._take("or"):
            parts.append(self._conjunction())
        return sa.or_(*parts) if len(parts) > 1 else parts[0]

    def _conjunction(self) -> Expression:
        parts = [self._negation()]
        while self._take("and"):
            parts.append(self._negation())
        return sa.and_(*parts) if len(parts) > 1 else parts[0]

    def _negation(self) -> Expression:
        self.depth += 1
        if self.depth > DEEPEST:
            self._fail(f"nested more than {DEEPEST} levels deep", self._peek())
        if self._take("not"):
            condition = sa.not_(self._negation())
        elif self._take("("):
            condition = self._condition()
            self._expect(")")
        else:
            condition = self._comparison()
        self.depth -= 1
        return condition

    def _comparison(self) -> Expression:
        left = self._value()
        sign = self._peek()
        if sign.is_(*COMPARISONS):
            self.next += 1
            if left.kind == "list" and sign.text not in EQUALITIES:
                self._fail("lists can be compared only with = and !=", sign)
            right = self._value(like=left)
            compared: Expression = COMPARISONS[sign.text](left.expression, right.expression)
            return compared
        if self._take("is"):
            negated = self._take("not")
            self._expect("null")
            return left.expression.is_not(None) if negated else left.expression.is_(None)
        negated = self._take("not")
        if left.kind == "list" and not self._peek().is_("in"):
            self._fail("lists can be compared only with =, != or in", self._peek())
        if self._take("between"):
            low = self._value(like=left)
            self._expect("and")
            condition = left.expression.between(low.expression, self._value(like=left).expression)
        elif self._take("in"):
            condition = left.expression.in_(self._listed(left))
        elif self._take("like"):
            pattern = self._value(like=left)
            if "number" in (left.kind, pattern.kind):
                self._fail("like compares only texts", pattern.token)
            condition = left.expression.like(pattern.expression)
        else:
            hint = None
            if sign.kind == "end":  # the shell took > for a redirection, or split the words
                hint = f"quote a condition as a whole: --where '{self.text.strip()} > 1'"
            self._fail("a comparison is expected here: =, !=, <, >, between, in, like or is", sign, hint)
        return sa.not_(condition) if negated else condition

    def _listed(self, left: _Value) -> list[Expression]:
        self._expect("(")
        values = [self._value(like=left).expression]
        while self._take(","):
            values.append(self._value(like=left).expression)
        self._expect(")")
        return values

    def _value(self, like: _Value | None = None) -> _Value:
        """A column or a literal; it must be of the same kind as `like`, with which it is compared."""
        token = self._peek()
        if token.kind == "number":
            value = _Value(sa.literal(_number(token.text), sa.types.NullType()), "number", token)
        elif token.kind == "text" and like is not None and like.kind == "list":
            value = _Value(sa.literal(self._list(token, token.text[1:-1]), sa.Text()), "list", token)
        elif token.kind == "text":
            value = _Value(sa.literal(token.text[1:-1].replace("''", "'"), sa.Text()), "text", token)
        elif token.kind == "list":
            value = _Value(sa.literal(self._list(token, token.text), sa.Text()), "list", token)
        elif token.kind == "word" and token.text.lower() not in KEYWORDS:
            value = self._column(token, like)
        else:
            self._fail("a column, a number or a 'text' is expected here", token)
        self.next += 1
        if like is not None and "any" not in (like.kind, value.kind) and like.kind != value.kind:
            self._fail(f"cannot compare a {like.kind} with a {value.kind}", token)
        return value

    def _column(self, token: Token, like: _Value | None) -> _Value:
        if token.text not in self.columns:
            message, hint = no_column(token.text, self.columns)
            if like is not None and like.kind == "text":
                hint = f"put text in quotes: '{token.text}'"
            elif like is not None and token.text.lower() in ("true", "false", "yes", "no"):
                hint = "write 1 for true and 0 for false"
            message = _pointed_at(self.text, token.place, message)
            raise UnknownNameError(message, name=token.text, hint=hint)
        column = self.columns[token.text]
        if isinstance(column.type, sa.JSON):
            return _Value(sa.type_coerce(column, sa.Text()), "list", token)
        kinds = {sa.Text: "text", sa.String: "text", sa.types.NullType: "any"}
        return _Value(column, kinds.get(type(column.type), "number"), token)

    def _list(self, token: Token, text: str) -> str:
        """`text` in the form in which the catalog stores lists."""
        try:
            return to_json(json.loads(text))
        except ValueError:
            self._fail("write a list as [3, 3]", token)

    def _peek(self) -> Token:
        return self.tokens[self.next]

    def _take(self, text: str) -> bool:
        taken = self._peek().is_(text)
        self.next += taken
        return taken

    def _expect(self, text: str) -> None:
        if not self._take(text):
            self._fail(f"'{text}' is expected here", self._peek())

    def _fail(self, message: str, token: Token, hint: str | None = None) -> NoReturn:
        _fail(self.text, token.place, message, hint)


def _number(text: str) -> int | float:
    whole = re.fullmatch(r"[+-]?\d{1,18}", text)  # always fits into SQLite's 64 bits
    return int(text) if whole else float(text)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a condition: its kind (a group of `TOKEN`, or ``"end"``), its text and its position."""

    kind: str
    text: str
    place: int

    def is_(self, *texts: str) -> bool:
        """Whether it is one of these keywords or operators."""
        return self.kind in ("word", "sign") and self.text.lower() in texts


def conjuncts(condition: str) -> list[str]:
    """The parts of a condition that are joined by ``and``, or the whole of one with an ``or``.

    Raises
    ------
    UsageError
        A token cannot be read.
    """
    depth, start, is_between = 0, 0, False
    parts: list[str] = []
    for token in tokens(condition):
        depth += token.is_("(") - token.is_(")")
        if depth == 0 and token.is_("or"):
            return [condition.strip()]
        if token.kind == "end" or (depth == 0 and token.is_("and") and not is_between):
            parts.append(condition[start : token.place].strip())
            start = token.place + len(token.text)
        is_between = token.is_("between") or (is_between and not token.is_("and"))
    return parts


def tokens(condition: str) -> Iterator[Token]:
    """The tokens of `condition`, then an ``"end"``; raises UsageError where none can be read."""
    place, end = 0, len(condition.rstrip())
    while place < end:
        match = TOKEN.match(condition, place)
        if match is None:
            place = end - len(condition[place:end].lstrip())
            rest = condition[place:]
            hint = next((hint for pattern, hint in OTHERWISE if re.match(pattern, rest)), None)
            _fail(condition, place, f"cannot read {rest[:12]!r}", hint)
        kind = str(match.lastgroup)
        yield Token(kind, match[kind], match.start(kind))
        place = match.end()
    yield Token("end", "", end)


def _fail(condition: str, place: int, message: str, hint: str | None = None) -> NoReturn:
    """Raise the UsageError that points at `place`, counted from 0."""
    raise UsageError(
        _pointed_at(condition, place, message),
        hint=hint or "a condition is e.g. \"l1_norm > 2 and layer like 'block1%'\"",
    )


def _pointed_at(condition: str, place: int, message: str) -> str:
    """`message` with the position that it is about, counted from 0."""
    before = one_line(condition[max(0, place - 30) : place])
    after = one_line(condition[place : place + 30])
    return f"condition, character {place + 1}: {message} ({before}▶{after})"

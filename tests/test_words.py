"""What people read is plain English: no word that says nothing, no contraction, one spelling, no endless sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INSTEAD = {
    "utili[sz]\\w+": "use",
    "leverag\\w+": "use",
    "make use of": "use",
    "facilitat\\w+": "help",
    "in order to": "to",
    "prior to": "before",
    "subsequently": "then",
    "due to": "because of",
    "via": "by",
    "a number of(?! its)": "the number, or some",
    "a couple of": "two",
    "and/or": "or",
    "e\\.g\\.": "for example",
    "i\\.e\\.": "that is",
    "functionality": "what it does",
    "seamless\\w*|powerful|performant|blazing\\w*|cutting-edge|state-of-the-art": "a figure",
    "simply|easily|obviously|basically|actually|of course|needless to say": "nothing: it is not so for everybody",
    "mend(?:s|ed|ing)?": "fix",
    "whitelist\\w*|blacklist\\w*": "list",
    "\\w+(?:n't|'ll|'ve|'re)": "both words",
    "behaviour\\w*|colour\\w*|favour\\w*|centre": "American spelling",
    "is able to|are able to": "can",
}
LONGEST = 60
"""Words of a sentence."""
TEXTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md"))
    if path.name not in ("CHANGELOG.md", "configuration.md", "patches.md")  # the last two are made of docstrings
)
_UNWANTED = [
    (re.compile(rf"(?<![\w`./-])(?:{words})(?![\w`/-])", re.IGNORECASE), use) for words, use in INSTEAD.items()
]


def found_in(text: str) -> list[str]:
    return [f"{match[0]!r}: {use}" for words, use in _UNWANTED for match in words.finditer(text)]


def prose_of(text: str) -> str:
    """Markdown without code, addresses and quotations."""
    for left_out in (
        *("```.*?```", r"(?m)^(?:    |\t)[^\n]*$", "(`+).*?\\1"),
        *(r"\]\([^)]*\)", r"\*[^*\n]+\*", '"[^"\n]*"'),
    ):
        text = re.sub(left_out, " ", text, flags=re.DOTALL)
    return text


@pytest.mark.parametrize("path", TEXTS, ids=[str(path.relative_to(ROOT)) for path in TEXTS])
def test_pages_are_in_plain_words(path: Path) -> None:
    prose = prose_of(path.read_text())
    assert found_in(prose) == []
    paragraphs = re.split(r"\n\s*\n|\n[|#>-]|\n\d+\.|\|", prose)
    sentences = [one for paragraph in paragraphs for one in re.split(r"(?<=[.:;?!])\s", paragraph)]
    assert [one for one in sentences if len(one.split()) > LONGEST] == []


def messages() -> Iterator[tuple[str, str]]:
    """Texts in code that end up before people: arguments of errors, and what is printed."""
    for path in (*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "trainer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _name(node).endswith(("print", "echo"))):
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield f"{path.relative_to(ROOT)}:{part.lineno}", part.value


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_messages_are_in_plain_words() -> None:
    found = {place: words for place, text in messages() if (words := found_in(prose_of(text)))}
    assert found == {}


def test_templates_are_in_plain_words() -> None:
    found = {}
    for path in (ROOT / "pipeline").rglob("*.j2"):
        text = re.sub(
            r"\{[{%#].*?[}%#]\}|<(?:style|script)>.*?</(?:style|script)>|<[^>]*>",
            " ",
            path.read_text(),
            flags=re.DOTALL,
        )
        if words := found_in(text):
            found[str(path.relative_to(ROOT))] = words
    assert found == {}


def test_the_words_are_found() -> None:
    assert found_in("It's e.g. used via a number of steps, which don't utilise colours.") == [
        "'utilise': use",
        "'via': by",
        "'a number of': the number, or some",
        "'e.g.': for example",
        '"don\'t": both words',
        "'colours': American spelling",
    ]
    assert found_in(prose_of('`e.g.` "via" *due to*\n\n    due to\n[a](via) viaduct')) == []
    assert found_in(prose_of("a\n\n    due to\n\nvia b")) == ["'via': by"]

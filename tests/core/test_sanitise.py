"""Content leaves as text that HTML does not read as markup."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from core.ingress import sanitise


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.markup: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.markup.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.markup.append(tag)

    def handle_comment(self, data: str) -> None:
        self.markup.append(data)

    def handle_data(self, data: str) -> None:
        self.text += data


markupish = st.text(st.sampled_from("<>&\"'/=! abscript;#39lt") | st.characters(exclude_categories=["Cs", "Cc"]))


def test_the_five_are_escaped_once() -> None:
    assert sanitise("""<a href="x">&amp;'""") == "&lt;a href=&quot;x&quot;&gt;&amp;amp;&#x27;"


@given(content=markupish)
def test_unescaping_gives_back_what_was_typed(content: str) -> None:
    assert unescape(sanitise(content)) == content


@given(content=markupish)
def test_inserted_as_html_it_is_text_and_nothing_else(content: str) -> None:
    seen = _Seen()
    seen.feed(sanitise(content))
    seen.close()
    assert seen.markup == []
    assert seen.text == content


@given(content=markupish)
def test_inserted_in_an_attribute_it_stays_there(content: str) -> None:
    assert not {'"', "'", "<", ">"} & set(sanitise(content))

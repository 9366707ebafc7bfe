"""docs/deployment.md has the settings that the boxes are told, and what the kept run found."""

from __future__ import annotations

from loadtests.evidence.middleboxes.document import PATH, reference, with_section
from loadtests.records.middleboxes import SCHEMA, Middleboxes, Row, Seen
from loadtests.run import boxes

ROW = Row(
    box="nginx", version="1.22.1", transport="websocket", seen=Seen(joined=False), verdict="refused",
    words="refused: handshake refused (400)", cure=("proxy_http_version 1.1;",), cured=True,
)  # fmt: skip


def test_the_document_is_up_to_date() -> None:
    text = PATH.read_text(encoding="utf-8")
    assert text == with_section(text, reference()), "run `make field`"


def test_every_setting_of_a_box_stands_in_the_document() -> None:
    text = with_section(PATH.read_text(encoding="utf-8"), None)
    for program in boxes.programs():
        if program.package:
            assert all(setting.text in text and setting.needs in text for setting in program.settings), program.title


def test_a_run_adds_what_each_box_does() -> None:
    found = Middleboxes(
        schema=SCHEMA, commit="abc", form="scaled", started_utc="", elapsed_s=1, heartbeat_s=1, timeout_s=4, rows=(ROW,)
    )  # fmt: skip
    text = with_section(PATH.read_text(encoding="utf-8"), found)
    assert "| as it comes | WebSocket |" in text
    assert "| nginx 1.22.1 | refused: handshake refused (400); cured |" in text

"""The parts of `--own-client` that need no server: it knows every server, and says where the clients are apart."""

from __future__ import annotations

import pytest

from tests.targets.install import ADAPTERS
from tests.targets.own_client.compare import BEGIN, PAGE, Row, table
from tests.targets.own_client.speech import SPEECH, frame


def test_every_server_is_spoken_to_and_in_the_page() -> None:
    assert set(SPEECH) == {path.stem for path in ADAPTERS.glob("*.toml")}
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition("<!-- end -->")[0]
    rows = [line.split()[1] for line in written.splitlines() if line.startswith("| ")][1:]
    assert rows == list(SPEECH)


@pytest.mark.parametrize(
    ("bytes_by", "cpu_by", "said"),
    [
        (1.0, 1.0, ""),
        (1.029, 1.09, ""),
        (1.031, 1.0, "mine: bytes +3.1 % off, more than 3 %"),
        (0.96, 1.2, "mine: bytes -4.0 % off, more than 3 %, CPU +20.0 % off, more than 10 %"),
    ],
)
def test_median_bytes_and_the_least_cpu_are_held_to_the_bars(bytes_by: float, cpu_by: float, said: str) -> None:
    own = [(200.0, 20.0), (200.0, 22.0), (200.0, 30.0)]
    lab = [(400.0, 90.0), *((size * bytes_by, cpu * cpu_by) for size, cpu in own[:2])]
    row = Row("mine", own, lab)
    assert row.beyond == said
    assert row.line.startswith("| mine | 200.0 B | ")
    assert table([row]).endswith(f"Beyond the bars: {said or 'none'}.")


def test_a_frame_says_its_length() -> None:
    assert frame(b"a") == b"\x81\x81\0\0\0\0a"
    assert frame(b"a" * 126)[:4] == b"\x81\xfe\0\x7e"

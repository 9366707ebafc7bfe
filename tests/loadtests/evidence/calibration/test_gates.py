"""The study of the gates: its pieces, going on with one that was stopped, and a real piece of each disturbance."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from loadtests import cli
from loadtests.evidence.calibration import gates, moves
from loadtests.evidence.calibration.gates import Design
from loadtests.records import calibration
from loadtests.records.errors import UsageError
from loadtests.records.gates import GATES

DESIGN = Design(transports=("websocket", "longpoll"), seed=3, commit="abc")


def test_every_turn_has_each_disturbance_and_level_once() -> None:
    planned = gates.pieces(3)
    counted = Counter((piece.disturbance, piece.level_ms) for piece in planned)
    assert set(counted.values()) == {gates.TURNS}
    assert len(counted) == len(GATES) * len(gates.LEVELS_MS)
    assert [piece.turn for piece in planned] == sorted(piece.turn for piece in planned)
    assert planned != gates.pieces(4)


def test_the_study_takes_at_most_a_quarter_of_an_hour() -> None:
    assert len(gates.pieces(1)) * (gates.PIECE_S + 2) < 15 * 60


def test_a_study_goes_on_with_its_own_design(tmp_path: Path) -> None:
    assert gates.begun(tmp_path / "study", DESIGN) == DESIGN
    other = Design(transports=("sse",), seed=9, commit="abc")
    assert gates.begun(tmp_path / "study", other) == DESIGN
    with pytest.raises(UsageError, match="begun at commit abc, this is def; begin anew"):
        gates.begun(tmp_path / "study", Design(transports=("sse",), seed=9, commit="def"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="holds no study of the gates"):
        gates.begun(tmp_path, DESIGN)


def test_a_stopped_study_says_how_to_go_on_and_repeats_no_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def measure(piece: gates.Piece, chosen: object, folder: Path, seed: int) -> None:
        if len(done) == 3:
            done.append("stopped")
            raise KeyboardInterrupt
        folder.mkdir(parents=True)
        done.append(piece.folder)

    monkeypatch.setattr(gates, "_measure", measure)
    monkeypatch.setattr(gates, "analysed", lambda *_: ())
    folder = tmp_path / "study"
    folder.mkdir()
    assert cli.main(["calibrate", "--gates", str(folder), "--seed", "5", "--out", str(tmp_path)]) == 130
    assert f"go on with: rtlab calibrate --gates {folder}" in capsys.readouterr().out
    assert cli.main(["calibrate", "--gates", str(folder), "--out", str(tmp_path)]) == 0
    assert sorted(set(done) - {"stopped"}) == sorted(piece.folder for piece in gates.pieces(5))
    assert len(done) == len(gates.pieces(5)) + 1
    (written,) = tmp_path.glob("*-calibration-*.json")
    assert calibration.load(written).form == "gates"


def test_a_transport_that_nothing_can_be_planted_for_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["calibrate", "--gates", "--transports", "sse,h2push"]) == 2
    assert "nothing can be planted for h2push" in capsys.readouterr().err


@pytest.mark.alone
def test_each_disturbance_shows_in_the_figure_of_its_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "TURNS", 1)
    monkeypatch.setattr(gates, "LEVELS_MS", (5.0,))
    monkeypatch.setattr(gates, "PIECE_S", 1.6)
    gates.measure(tmp_path, DESIGN, lambda _: None)
    assert {each.name for each in tmp_path.iterdir()} == {piece.folder for piece in gates.pieces(DESIGN.seed)}
    unseen = [disturbance for disturbance in GATES if disturbance != "hog" and not shown(tmp_path, disturbance)]
    assert not unseen
    found = {(move.disturbance, move.transport) for move in gates.analysed(tmp_path, DESIGN)}
    wanted = {(disturbance, name) for disturbance in GATES for name in DESIGN.transports}
    assert found <= wanted
    if found != wanted:
        pytest.skip(f"this machine is too busy for a pair of undisturbed windows: {sorted(wanted - found)}")


def shown(folder: Path, disturbance: str) -> bool:
    """Whether what was planted is in the gate's own figure, over all disturbed windows.

    No pair is left out, as a study would do: a busy machine makes nothing earlier.
    """
    piece = gates._read(folder / gates.Piece(disturbance, 5.0, 0).folder)
    figures = [moves._gate(disturbance, [piece], room) for room in range(len(DESIGN.transports))]
    return any(each is not None and each.percentile(99, on=True) > 2.5 for each in figures)

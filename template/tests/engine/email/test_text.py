"""The words that the writer of a mail added."""

import pytest

from agent.engine.email.html import convert_html
from agent.engine.email.text import extract_message, remove_signature

ADDRESS = "agent@example.org"

GMAIL = "On Mon, 5 Jan 2026 at 10:00, Agent <agent@example.org> wrote:"


WRAPPED = "On Mon, 5 Jan 2026 at 10:00, Deploy agent of the platform\n<agent@example.org> wrote:"


GERMAN = "Am 05.01.2026 um 10:00 schrieb Agent:"


OUTLOOK = "From: Agent <agent@example.org>\nSent: Monday, 5 January 2026\nTo: Ana\nSubject: Hi"


AUSBLICK = "Von: Agent\nGesendet: Montag, 5. Januar 2026\nAn: Ana\nBetreff: Hi"


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("yes", "yes"),
        (f"yes\n\n{GMAIL}\n\n> May I?\n>> what", "yes"),
        (f"yes\n\n{WRAPPED}\n\n> May I?", "yes"),
        (f"ja\n\n{GERMAN}\n\n> Darf ich?", "ja"),
        ("oui\n\nLe lun. 5 janv. 2026 à 10:00, Agent <a@x.org> a écrit :\n> Puis-je ?", "oui"),
        ("sí\n\nEl lun, 5 ene 2026 a las 10:00, Agent (<a@x.org>) escribió:\n\n> ¿Puedo?", "sí"),
        ("yes\n\n> On 5 Jan 2026, at 10:00, Agent wrote:\n> \n> May I?\n", "yes"),
        ("yes\n\n2026-01-05 10:00 GMT+01:00 Agent <a@x.org>:\n\n> May I?", "yes"),
        (f"yes\n\n________________________________\n{OUTLOOK}\n\nMay I?", "yes"),
        (f"yes\n\n*{OUTLOOK}\n\nMay I?".replace("\nS", "\n*S"), "yes"),
        (f"ja\n\n{AUSBLICK}\n\nDarf ich?", "ja"),
        ("yes\n\n-----Original Message-----\nFrom: Agent\nMay I?", "yes"),
        ("ja\n\n-----Ursprüngliche Nachricht-----\nDarf ich?", "ja"),
        (f"{GMAIL}\n> May I?\n\nyes, at the end", "yes, at the end"),
        (f"{GMAIL}\n> Which?\nstaging\n> When?\nnow", "staging\nnow"),
        ("yes\n\n-- \nAna Smith\nExample Ltd", "yes"),
        ("yes\n\nSent from my iPhone", "yes"),
        (f"ja\n\nVon meinem iPhone gesendet\n\n{GERMAN}\n> Darf ich?", "ja"),
        (
            "yes:\n- one\n- two\nThanks,\nand then this",
            "yes:\n- one\n- two\nThanks,\nand then this",
        ),
        (
            "move it\nFrom: Berlin\nTo: Paris\nDate: today",
            "move it\nFrom: Berlin\nTo: Paris\nDate: today",
        ),
        ("Am I right?\nOn it.\nSent from my view this is fine, so\ngo", None),
        (f"{GMAIL}\n> May I?", ""),
    ],
)
def test_a_reply_keeps_only_what_its_writer_added(text: str, own: str | None) -> None:
    for given in (text, text.replace("\n", "  \n")):
        assert extract_message(given, ADDRESS) == (text if own is None else own)


def test_a_new_mail_loses_only_its_signature() -> None:
    assert remove_signature("> 5 of them\nare down\n--\nAna") == "> 5 of them\nare down"


@pytest.mark.parametrize(
    "piece", ["<!--", "<a ", "<", "&#", "<style>", "<p", "</", "<a href='", "<a href= ", "> "]
)
def test_hostile_html_and_text_take_linear_time(piece: str) -> None:
    """With a million characters, anything quadratic would run for hours."""
    hostile = piece * (1_000_000 // len(piece))
    assert convert_html(hostile) is not None
    assert extract_message(hostile, ADDRESS) is not None


def test_long_lines_and_many_lines_are_read_in_linear_time() -> None:
    for text in (
        "On wrote " * 100_000,
        "On a\n" * 200_000,
        "\n" * 900_000 + "x",
        "From: a\n" * 100_000,
    ):
        assert extract_message(text, ADDRESS).split() == text.split()

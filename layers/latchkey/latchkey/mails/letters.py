"""Letters made with Jinja2: the words of each language are in `latchkey.mails`, the layout is one for all."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from latchkey.core.mail.store import Letter
from latchkey.core.model import MailKind
from latchkey.mails import en, ru

_LANGUAGES = {"en": en.WORDS, "ru": ru.WORDS}
_CLOSINGS = {"en": en.CLOSING, "ru": ru.CLOSING}


class JinjaWriter:
    """Implements `LetterWriter`. Every value is escaped in the HTML of a letter. An undefined value is an error."""

    def __init__(self) -> None:
        layout = files("latchkey.mails")
        plain, html = (
            Environment(autoescape=escape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - the text form is no HTML
            for escape in (False, True)
        )
        self._phrase = plain
        self._text = plain.from_string(layout.joinpath("layout.txt").read_text("utf-8"))
        self._html = html.from_string(layout.joinpath("layout.html").read_text("utf-8"))

    def write(self, about: MailKind, locale: str, values: Mapping[str, str]) -> Letter:
        """Return the letter in the language of `locale` (RFC 5646), or in English."""
        language = locale.partition("-")[0].lower()
        language = language if language in _LANGUAGES else "en"
        words = _LANGUAGES[language][about]
        # One line: a subject with a line break would be a header of its own.
        subject = " ".join(self._filled(words.subject, values).split())
        parts = {
            "language": language,
            "subject": subject,
            "before": [self._filled(line, values) for line in words.before],
            "code": values.get("code", ""),
            "between": [self._filled(line, values) for line in words.between],
            "link": values.get("link", ""),
            "after": [self._filled(line, values) for line in words.after],
            "closing": self._filled(_CLOSINGS[language], values),
        }
        return Letter(subject, self._text.render(parts), self._html.render(parts))

    def _filled(self, text: str, values: Mapping[str, str]) -> str:
        return self._phrase.from_string(text).render(values)

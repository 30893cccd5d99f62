"""The mailer: how it works through a batch of the stream, and the letters that it writes."""

from __future__ import annotations

from typing import Any

import pytest

from functions.mailer import app
from functions.mailer.app import deliver
from latchkey.adapters.dynamodb import items
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.codes import CODES, CONFIRM_PATH
from latchkey.core.model import MailKind
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.edge.http import Request
from latchkey.edge.routing import PUBLIC
from latchkey.mails.letters import JinjaWriter
from tests.routes import declared, routes_of
from tests.world import ADDRESS, NOW, World, small_policy

VALUES = {
    "service": "Shop & Co",
    "code": "lkc_code",
    "link": "https://app.example/x?a=1&b=2",
    "email": "new@example.com",
    "partner": "Acme Login",
}


@pytest.fixture
def world() -> World:
    """A service in which three people wait for a mail."""
    world = World(small_policy())
    for name in ("ann", "bob", "eve"):
        world.register(f"{name}@example.com")
        world.mail_requests(MailKind.RESET, f"{name}@example.com", address=ADDRESS, now=NOW)
    return world


def stream_event(world: World) -> dict[str, Any]:
    return {
        "Records": [
            {"dynamodb": {"NewImage": items.encode(items.mail(mail.mail_id), mail), "SequenceNumber": str(number)}}
            for number, mail in enumerate(world.waiting(), start=100)
        ]
    }


def test_every_mail_of_a_batch_is_sent(world: World) -> None:
    """They go out in order, and nothing is retried."""
    answer = deliver(stream_event(world), world.mailroom, now=NOW)
    assert answer == {"batchItemFailures": []}
    assert [letter.to for letter in world.postman.sent] == ["ann@example.com", "bob@example.com", "eve@example.com"]


@pytest.mark.parametrize("failure", [ServiceError(Errors.UNAVAILABLE), RuntimeError("a bug")])
def test_a_batch_comes_again_from_the_mail_that_failed(world: World, failure: Exception) -> None:
    """Lambda is told where to continue, and each reader gets exactly one mail."""
    event = stream_event(world)
    deliver({"Records": event["Records"][:1]}, world.mailroom, now=NOW)
    world.postman.refusals.append(failure)
    answer = deliver(event, world.mailroom, now=NOW)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "101"}]}
    deliver({"Records": event["Records"][1:]}, world.mailroom, now=NOW)
    assert [letter.to for letter in world.postman.sent] == ["ann@example.com", "bob@example.com", "eve@example.com"]


@pytest.mark.parametrize("locale", ["en", "ru", "ru-RU", "RU", "de", ""])
@pytest.mark.parametrize("about", MailKind)
def test_every_letter_exists_in_every_language(about: MailKind, locale: str) -> None:
    """No placeholder is left, and an unknown language gets English."""
    letter = JinjaWriter().write(about, locale, VALUES)
    is_russian = locale.lower().startswith("ru")
    assert letter.subject.isascii() != is_russian
    assert "{{" not in letter.subject + letter.text + letter.html
    assert "Shop & Co" in letter.text


def test_what_stands_in_a_letter_is_escaped_in_its_html() -> None:
    """A name cannot become markup, and the plain text is not escaped."""
    letter = JinjaWriter().write(MailKind.RESET, "en", VALUES | {"service": "<b>Shop</b>"})
    assert "<b>" not in letter.html
    assert "&lt;b&gt;Shop" in letter.html
    assert "<b>Shop</b>" in letter.text


def test_what_a_person_typed_is_no_template() -> None:
    """Braces are plain text."""
    letter = JinjaWriter().write(MailKind.EMAIL_CHANGED, "en", VALUES | {"email": "{{ service }}@example.com"})
    assert "{{ service }}@example.com" in letter.text


def test_a_letter_without_a_code_shows_none() -> None:
    """A notice has nothing to click."""
    letter = JinjaWriter().write(MailKind.PASSWORD_CHANGED, "en", {"service": "Shop"})
    assert "<a " not in letter.html
    assert "<code" not in letter.html


class _Published:
    """A table that holds what is published, or nothing yet."""

    def __init__(self, published: PublishedKeys | None) -> None:
        self._published = published

    def published_keys(self) -> PublishedKeys | None:
        """Return it."""
        return self._published


def test_links_follow_the_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a base of its own, a link begins with the issuer that tokens name at that moment."""
    moving = PublishedKeys(2, "https://old.example", "EdDSA", "", next_issuer="https://new.example", next_issuer_at=NOW)
    monkeypatch.setattr(app, "_table", lambda: _Published(moving))
    monkeypatch.setenv("LATCHKEY_MAIL_LINK_BASE", "")
    assert [app.link_base(now) for now in (NOW - 1, NOW)] == ["https://old.example", "https://new.example"]


def test_base_of_the_stack_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends without a slash, and the table is not asked."""
    monkeypatch.setattr(app, "_table", lambda: _Published(None))
    monkeypatch.setenv("LATCHKEY_MAIL_LINK_BASE", "https://app.example/")
    assert app.link_base(NOW) == "https://app.example"


def test_no_mail_goes_out_before_there_is_an_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda brings the batch again."""
    monkeypatch.setattr(app, "_table", lambda: _Published(None))
    monkeypatch.setenv("LATCHKEY_MAIL_LINK_BASE", "")
    with pytest.raises(ServiceError):
        app.handler({"Records": []}, None)


LINKED = {MailKind.CONFIRM: CONFIRM_PATH} | {about: rule.path for about, rule in CODES.items()}
"""The path of the link in each kind of mail that has one."""


@pytest.mark.parametrize("about", LINKED)
@pytest.mark.parametrize("locale", ["en", "ru"])
def test_mail_with_a_link_says_what_to_do_with_its_code(about: MailKind, locale: str) -> None:
    """Without a page of one's own the link leads to JSON, so the code and the app must be enough."""
    values = {"service": "Shop", "email": "new@example.com", "code": "the-code", "link": "https://the.link"}
    text = JinjaWriter().write(about, locale, values).text
    before, code, rest = text.partition("    the-code\n")
    between, link, _ = rest.partition("https://the.link\n")
    assert code
    assert link
    assert {"en": "app", "ru": "приложении"}[locale] in before
    assert {"en": "this link", "ru": "эту ссылку"}[locale] in between


@pytest.mark.parametrize("path", LINKED.values(), ids=LINKED)
def test_link_that_leads_to_the_api_answers(path: str) -> None:
    """`GET` of each link in a mail is a public route: a browser, or a scanner of mails, gets an answer and no 404."""
    route = path.partition("#")[0] if "#" in path else f"{path}{{code}}"
    _, found = declared()[f"GET {route}"]
    assert found.needs is PUBLIC
    if "#" in path:  # no server sees the code
        request = Request("GET", route, {}, b"", {}, "192.0.2.7", {}, "r-1", 0)
        answer = routes_of(declared()[f"GET {route}"][0]).answer(request)
        assert (answer.status, "code" in str(answer.body)) == (200, True)

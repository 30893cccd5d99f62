"""What routes take, and what they reject by name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.me import app as me
from functions.users import app as users
from latchkey.core.errors import Errors, ServiceError
from latchkey.edge import forms, oauth, sign_out
from latchkey.edge.forms import Members
from latchkey.edge.http import MAX_NAME, Request
from latchkey.edge.registration import registration_form
from latchkey.edge.sign_in import sign_in_form


def request(body: Any, content_type: str = "application/json", **headers: str) -> Request:
    """Return a request with this body: a text as it is, anything else as JSON."""
    raw = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/x", headers, raw.encode(), {}, "192.0.2.7", {}, "r-1", 1_800_000_000)


def form(body: str, **headers: str) -> Request:
    """Return a request with a form."""
    return request(body, "application/x-www-form-urlencoded", **headers)


def fault(call: Any, *args: Any) -> tuple[str, str]:
    """Return the field and code that the call complains of."""
    with pytest.raises(ServiceError) as caught:
        call(*args)
    assert caught.value.error is Errors.INVALID_REQUEST
    return caught.value.fields[0].field, caught.value.fields[0].code


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (lambda body: Members.of_form(form(body)), f"{'a' * 7_000}=1&{'a' * 7_000}=2"),
        (lambda body: Members.of_json(request(body)).nothing_else(), {"a" * 7_000: 1}),
    ],
    ids=["repeated", "unknown"],
)
def test_a_long_name_is_repeated_in_part(call: Any, body: Any) -> None:
    """A response and a log line stay small, even if the client sends a long name."""
    assert fault(call, body)[0] == "a" * MAX_NAME


@pytest.mark.parametrize("text", ["x" * 1_100, "x" * 16_000, "a\nb", "é"])
def test_a_secret_of_any_length_and_alphabet_reaches_its_verifier(text: str) -> None:
    """Only the verifier says that a secret is wrong, so that apps get the one error on which they act."""
    assert Members.of_json(request({"token": text})).secret("refresh_token", "token") == text
    assert forms.token(request({"token": text})) == text


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "refresh_token", "required"),
        ({"token": ""}, "refresh_token", "required"),
        ({"token": 1}, "token", "not_a_text"),
        ({"refresh_token": "a", "token": "b"}, "refresh_token", "ambiguous"),
    ],
)
def test_a_secret_that_is_not_there_is_named(body: Any, field: str, code: str) -> None:
    """Absent, empty, no text, or two that differ."""
    assert fault(Members.of_json(request(body)).secret, "refresh_token", "token") == (field, code)


@pytest.mark.parametrize("name", ["login", "username", "email"])
def test_a_login_goes_by_three_names(name: str) -> None:
    """Each source system has its own name for it."""
    assert sign_in_form(request({name: "ann", "password": "p"})).login == "ann"


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"password": "p"}, "login", "required"),
        ({"login": "", "password": "p"}, "login", "required"),
        ({"login": "ann", "username": "bob", "password": "p"}, "login", "ambiguous"),
        ({"login": "ann"}, "password", "required"),
        ({"login": "ann", "password": 1}, "password", "not_a_text"),
        ({"login": "ann", "password": None}, "password", "required"),
        ({"login": " \u200b", "password": "p"}, "login", "required"),
        ({"login": "ann", "password": ["p"]}, "password", "not_a_text"),
        ({"login": "ann", "password": {"p": 1}}, "password", "not_a_text"),
        ({"login": True, "password": "p"}, "login", "not_a_text"),
        ({"login": "a\x00b", "password": "p"}, "login", "bad_characters"),
        ({"login": "ann", "password": "a\x00b"}, "password", "bad_characters"),
        ({"login": "a" * 321, "password": "p"}, "login", "too_long"),
        ({"login": "ann", "password": "p", "roles": ["admin"]}, "roles", "unknown_member"),
    ],
)
def test_a_bad_sign_in_names_its_member(body: Any, field: str, code: str) -> None:
    """Wrong types, unknown members, contradictions."""
    assert fault(sign_in_form, request(body)) == (field, code)


@pytest.mark.parametrize(
    "name", ["role", "roles", "is_admin", "status", "sub", "tenant_id", "created_at", "pk", "epoch"]
)
def test_a_registration_cannot_set_more_than_its_members(name: str) -> None:
    """Mass assignment is rejected by name (CVE-2026-27946)."""
    body = {"login": "ann", "password": "p", name: "admin"}
    assert fault(registration_form, request(body), ()) == (name, "unknown_member")


def test_an_unknown_source_is_refused_where_the_stack_lists_them() -> None:
    """A stack without a list accepts any source."""
    body = {"login": "ann", "password": "p", "source": "voting"}
    assert registration_form(request(body), ()).source == "voting"
    assert fault(registration_form, request(body), ("license",)) == ("source", "unknown_source")


@pytest.mark.parametrize(
    ("locale", "kept"),
    [
        ("en-US-u-mu-celsius", "en-US"),
        ("en_US", "en-US"),
        ("zh_CN_#Hans", "zh-CN"),
        ("ru_RU.UTF-8", "ru-RU"),
        ("en-x-private", "en"),
        ("english!", ""),
        ("e", ""),
        ("x" * 40, ""),
        ("", ""),
        (None, ""),
        (7, ""),
        (["en"], ""),
    ],
)
def test_a_locale_never_stops_a_sign_up(locale: Any, kept: str) -> None:
    """What says nothing about the language is ignored (RFC 5646 section 2.2.6), and so is what is no language tag."""
    assert registration_form(request({"login": "ann", "password": "p", "locale": locale}), ()).locale == kept


@pytest.mark.parametrize("locale", ["english!", "e", "x" * 40, "u-mu-celsius", "a\x00b", 7])
def test_a_change_of_the_locale_names_what_is_wrong(locale: Any) -> None:
    """A person who changes the profile can correct the value."""
    assert fault(me._changes, request({"locale": locale}))[0] == "locale"
    assert me._changes(request({"locale": "en_US.UTF-8"})) == {"locale": "en-US"}


def test_a_name_and_a_device_never_stop_a_sign_in() -> None:
    """They are cut, and characters that turn text around, end lines or hide are left out."""
    odd = " A\u202eb\u200bc\x85\x00\u2028d\ufeff "
    asked = registration_form(request({"login": "ann", "password": "p", "name": odd, "source": "a b"}), ())
    assert (asked.name, asked.source) == ("Abcd", "")
    devices: list[Any] = ["x" * 172, odd, None, 7, {"model": "x"}, "من\u200cوتو", "👩\u200d💻"]
    kept = [sign_in_form(request({"login": "ann", "password": "p", "device": device})).device for device in devices]
    assert kept == ["x" * 128, "Abcd", "", "", "", "من\u200cوتو", "👩\u200d💻"]


@pytest.mark.parametrize("name", ["a\u202eb", "a\u200bb", "a\x9fb", "a\u2028b", "a\u200db", "a" * 129])
def test_a_change_of_the_name_names_what_is_wrong(name: str) -> None:
    """Control and format characters, and more than 128 characters."""
    assert fault(me._changes, request({"name": name}))[0] == "name"


@pytest.mark.parametrize("around", [" ", "\t", "\r\n", "\u00a0", "\u200b", "\ufeff", "\u3000", "\u202a"])
def test_white_space_around_a_login_or_a_code_is_cut(around: str) -> None:
    """A keyboard or a paste adds it. A password stays as it is."""
    pasted = request({"login": f"{around}ann{around}", "username": "ann", "password": " p "})
    asked = sign_in_form(pasted)
    assert (asked.login, asked.password) == ("ann", " p ")
    assert forms.code(request({"code": f"{around}code{around}"})) == "code"
    assert forms.token(request({"token": f"{around}token"})) == f"{around}token"  # no person pastes it


def test_a_login_is_measured_after_its_white_space() -> None:
    """Blanks count for nothing."""
    assert len(sign_in_form(request({"login": " " * 500 + "a" * 320, "password": "p"})).login) == 320


def test_null_is_absence() -> None:
    """Our own answers have `null` for what is not there, so a request may have it too."""
    body = {"name": None, "roles": None, "n": None, "f": None, "o": None, "p": None, "r": None, "b": None, "x": None}
    members = Members.of_json(request(body))
    assert (members.optional("name"), members.texts("roles", most=2), members.number("n")) == (None, None, None)
    assert (members.flag("f"), members.record("o"), members.pairs("p", most=2)) == (False, None, None)
    assert (members.records("r", most=2), members.block("b", longest=9)) == ([], None)
    members.nothing_else()


def test_null_clears_in_a_patch() -> None:
    """As in RFC 7396: the member becomes what an absent one is."""
    patch = replace(request({"name": None, "roles": None, "p": None, "n": None, "locale": None}), method="PATCH")
    members = Members.of_json(patch)
    assert (members.optional("name"), members.texts("roles", most=2), members.pairs("p", most=2)) == ("", (), {})
    assert (members.number("n", cleared=0), members.language("locale")) == (0, "")
    assert me._changes(replace(request({"name": None, "locale": None}), method="PATCH")) == {"name": "", "locale": ""}


@pytest.mark.parametrize(("body", "code"), [({"status": None}, "bad_value"), ({"n": None}, "not_a_number")])
def test_null_cannot_clear_what_is_never_empty(body: Any, code: str) -> None:
    """A status and a lifetime always have a value."""
    members = Members.of_json(replace(request(body), method="PATCH"))
    assert fault(lambda: (members.choice("status", ("active",)), members.number("n")))[1] == code


def test_a_profile_change_changes_something() -> None:
    """An empty object is no change."""
    assert fault(me._changes, request({})) == ("name", "required")


@pytest.mark.parametrize(("body", "everywhere"), [("", False), ("{}", False), ('{"sessions": "all"}', True)])
def test_logout_ends_the_present_session_unless_told_otherwise(body: str, everywhere: bool) -> None:
    """A phone that sends no body means its own session."""
    assert sign_out.sign_out_request(request(body)).everywhere is everywhere


@pytest.mark.parametrize("twice", ["grant_type=x&grant_type=x", "scope=a&grant_type=refresh_token&scope=b"])
def test_a_form_parameter_must_not_stand_twice(twice: str) -> None:
    """RFC 6749 section 3.2."""
    assert fault(oauth.token_request, form(twice))[1] == "duplicate_member"


def test_a_form_ignores_what_it_does_not_know() -> None:
    """RFC 6749 section 3.2: clients send extensions."""
    asked = oauth.token_request(form("grant_type=client_credentials&resource=x&scope="))
    assert (asked.grant_type, asked.scope) == ("client_credentials", None)


def test_a_client_proves_itself_in_one_way() -> None:
    """RFC 6749 section 2.3: by the header or by the form, not by both."""
    basic = "Basic Y2xpX2E6czolMkI="
    asked = oauth.token_request(form("grant_type=client_credentials", authorization=basic))
    assert (asked.client_id, asked.client_secret) == ("cli_a", "s:+")
    with pytest.raises(ServiceError) as caught:
        oauth.token_request(form("grant_type=client_credentials&client_secret=s", authorization=basic))
    assert caught.value.error is Errors.INVALID_REQUEST


def test_a_client_has_one_name() -> None:
    """RFC 6749 section 2.3: the `client_id` of the form is the header's, or there is none."""
    basic = "Basic Y2xpX2E6czolMkI="
    asked = oauth.token_request(form("grant_type=client_credentials&client_id=cli_a", authorization=basic))
    assert asked.client_id == "cli_a"
    with pytest.raises(ServiceError) as caught:
        oauth.token_request(form("grant_type=client_credentials&client_id=cli_b", authorization=basic))
    assert caught.value.error is Errors.INVALID_REQUEST


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic Y2xpX2E=", "Bearer Y2xpX2E6cw==", "Basic /w=="])
def test_a_broken_client_header_is_an_invalid_client(header: str) -> None:
    """RFC 6749 section 5.2."""
    with pytest.raises(ServiceError) as caught:
        oauth.token_request(form("grant_type=client_credentials", authorization=header))
    assert caught.value.error is Errors.INVALID_CLIENT


@pytest.mark.parametrize("grant_type", ["password", "implicit", "REFRESH_TOKEN"])
def test_an_unknown_grant_is_refused(grant_type: str) -> None:
    """The password grant must not be used (RFC 9700 section 2.4)."""
    with pytest.raises(ServiceError) as caught:
        oauth.token_request(form(f"grant_type={grant_type}&username=a&password=b"))
    assert caught.value.error is Errors.UNSUPPORTED_GRANT_TYPE


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic a"}, {"authorization": "Bearer a", "x_api_key": "b"}])
def test_a_service_token_comes_in_one_header(headers: dict[str, str]) -> None:
    """No header, another scheme and both headers are rejected."""
    with pytest.raises(ServiceError) as caught:
        oauth.service_token(request("", **headers))
    assert caught.value.error is Errors.INVALID_API_KEY


@pytest.mark.parametrize("value", ["a", {"a": 1}, [1], [["a"]], [None]])
def test_a_list_of_texts_is_nothing_else(value: Any) -> None:
    """A single string is no list, and `null` is no entry of one."""
    assert fault(lambda: forms.Members({"roles": value}).texts("roles", most=2)) == ("roles", "not_a_list")


@pytest.mark.parametrize("value", [[""], ["x" * 6]])
def test_no_text_of_a_list_is_empty_or_too_long(value: list[str]) -> None:
    """Each route sets its own limit."""
    assert fault(lambda: forms.Members({"roles": value}).texts("roles", most=2, longest=5)) == ("roles", "bad_length")


def test_a_list_is_short_and_says_nothing_twice() -> None:
    """A repeated string counts once, and each route sets its own limit."""
    members = forms.Members({"roles": ["a", "a"], "scopes": ["a", "b", "c"]})
    assert members.texts("roles", most=2) == ("a",)
    assert fault(lambda: members.texts("scopes", most=2)) == ("scopes", "too_long")


def test_a_list_may_be_empty_or_absent() -> None:
    """An empty list removes all roles, and an absent one leaves them."""
    members = forms.Members({"roles": []})
    assert (members.texts("roles", most=2), members.texts("scopes", most=2)) == ((), None)


def test_an_empty_password_is_not_the_wish_for_none() -> None:
    """For an account without a password, an operator leaves the member out."""
    assert fault(users.new_account, request({"login": "ann", "password": ""})) == ("password", "required")
    assert users.new_account(request({"login": "ann"}))[0].password is None

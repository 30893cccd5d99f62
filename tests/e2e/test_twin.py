"""The twin as a program: its start, its options, its end, and what it keeps."""

from __future__ import annotations

import json
import signal
import socket
import stat
import time
from base64 import urlsafe_b64decode
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.local.aws import backend
from infra.local.aws.mirror import Mirror, touched_keys
from infra.local.gateway.messages import Request
from infra.local.mail import MailCatcher, every_sender_verified
from infra.local.options import BadIssuer, Options
from infra.local.screen import show
from infra.packaging import template
from tests.e2e.client import Response, RunningTwin, launch, start_twin
from tests.e2e.tokens import claims, header

TABLE = template.load()["Resources"]["Table"]["Properties"]
PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def log_in(twin: RunningTwin, login: str, password: str) -> Response:
    """Sign in with a password."""
    return twin.call("POST", "/v1/auth/login", json={"login": login, "password": password})


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def connected(address: str) -> socket.socket:
    """Return an open connection on which nothing is sent."""
    host, _, port = address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)))


def run(folder: Path, **environment: str) -> tuple[int, str]:
    """Run a twin that is expected not to start. Return its exit code and its output."""
    code = launch(folder, **environment).wait(timeout=30)
    return code, (folder / "output.txt").read_text()


# ---- start and end ---------------------------------------------------------------------------------------------------


def test_seeded_admin_can_sign_in_and_call_a_protected_route(twin: RunningTwin) -> None:
    """The content of dev.json works: the admin signs in, and the authorizer accepts the token."""
    token = log_in(twin, **twin.dev["admin"]).json["access_token"]
    assert twin.call("GET", "/v1/hello", headers=bearer(token)).status == 200
    assert claims(token)["iss"] == twin.dev["issuer"] == twin.address
    assert claims(token)["aud"] == twin.dev["audience"]


def test_seeded_api_key_and_client_get_tokens(twin: RunningTwin) -> None:
    """The seeded service and the seeded worker get tokens."""
    service = twin.call("POST", "/v1/auth/token", headers={"X-API-Key": twin.dev["api_key"]})
    worker = twin.dev["clients"][2]
    form = {
        "grant_type": "client_credentials",
        "client_id": worker["client_id"],
        "client_secret": worker["client_secret"],
    }
    assert (service.status, twin.call("POST", "/oauth2/token", form=form).status) == (200, 200)


def test_seed_has_an_app_and_two_confidential_clients(twin: RunningTwin) -> None:
    """Three clients: the first-party app without a secret, two with one."""
    kinds = [(client["kind"], client["client_secret"] is None) for client in twin.dev["clients"]]
    assert kinds == [("public", True), ("confidential", False), ("confidential", False)]


def test_dev_file_is_for_its_owner_alone(twin: RunningTwin) -> None:
    """The file holds secrets."""
    assert stat.S_IMODE((twin.folder / ".latchkey" / "dev.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_cleanly_and_soon(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM: exit 0 within three seconds, with a client still connected, and no traceback."""
    with start_twin(tmp_path) as running, connected(running.address):
        began = time.monotonic()
        code = running.stop(number)
        seconds = time.monotonic() - began
    assert code == 0
    assert seconds < 30  # far more than it takes, for a busy machine
    assert "Traceback" not in running.output()


def test_port_in_use_is_said_and_exits_1(twin: RunningTwin, tmp_path: Path) -> None:
    """A port in use is reported in one clear line."""
    code, output = run(tmp_path, PORT=twin.address.rpartition(":")[2])
    assert code == 1
    assert "cannot listen on 127.0.0.1 port" in output
    assert "Traceback" not in output


# ---- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "issuer",
    [
        "https://auth.example.com",
        "http://localhost",
        "http://localhost:8080/",
        "http://localhost:0",
        "http://localhost:70000",
        "https://127.0.0.1:8080",
        "http://localhost.example.com:8080",
        "http://user@localhost:8080",
    ],
)
def test_issuer_that_is_not_this_machine_is_refused(issuer: str) -> None:
    """A twin never issues tokens that name a real stack as their issuer."""
    with pytest.raises(BadIssuer):
        Options(issuer=issuer)


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:1", "http://localhost:8080", "https://localhost:443", "http://[::1]:65535"]
)
def test_issuer_on_this_machine_is_taken(issuer: str) -> None:
    """The four spellings of this machine are fine."""
    assert Options(issuer=issuer).issuer == issuer


def test_refused_issuer_exits_2(tmp_path: Path) -> None:
    """The program says which option is wrong."""
    code, output = run(tmp_path, ISSUER="https://auth.example.com")
    assert code == 2
    assert "ISSUER" in output


def test_tokens_name_the_issuer_asked_for_and_are_taken(tmp_path: Path) -> None:
    """With ISSUER, the tokens and the discovery document carry it, and the authorizer still finds the keys."""
    issuer = "https://localhost:8443"
    with start_twin(tmp_path, ISSUER=issuer) as running:
        token = log_in(running, **running.dev["admin"]).json["access_token"]
        answer = running.call("GET", "/v1/hello", headers=bearer(token))
        metadata = running.call("GET", "/.well-known/openid-configuration").json
    assert (answer.status, claims(token)["iss"], metadata["issuer"]) == (200, issuer, issuer)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", rsa.generate_private_key(65_537, 2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
)
def test_known_key_signs(tmp_path: Path, algorithm: str, key: Any) -> None:
    """With KEY, that key signs the tokens, the JWKS contains it, and the tokens are accepted."""
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*PEM))
    with start_twin(tmp_path, KEY="key.pem") as running:
        token = log_in(running, **running.dev["admin"]).json["access_token"]
        answer = running.call("GET", "/v1/hello", headers=bearer(token))
        jwks = {each["kid"]: each for each in running.call("GET", "/.well-known/jwks.json").json["keys"]}
    signed_by = header(token)
    assert (answer.status, signed_by["alg"], jwks[signed_by["kid"]]["alg"]) == (200, algorithm, algorithm)
    assert public_number(jwks[signed_by["kid"]]) == public_number_of(key)


def public_number(jwk: dict[str, str]) -> bytes:
    """Return the unique number of a JWK."""
    text = jwk.get("n") or jwk["x"]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def public_number_of(key: Any) -> bytes:
    """Return the unique number of a private key."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.public_key().public_numbers().n.to_bytes(256, "big")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.public_key().public_numbers().x.to_bytes(32, "big")
    raw: bytes = key.public_key().public_bytes_raw()
    return raw


def test_weak_key_is_refused(tmp_path: Path) -> None:
    """An RSA key of 1024 bits stops the start with one clear line."""
    key = rsa.generate_private_key(65_537, 1024)  # noqa: S505 - too weak on purpose
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*PEM))
    code, output = run(tmp_path, KEY="key.pem")
    assert code == 1
    assert "2048" in output
    assert "Traceback" not in output


def test_template_parameter_can_be_set(tmp_path: Path) -> None:
    """A parameter of the template reaches the functions, as in a deployed stack."""
    account = {"login": "ann@example.com", "password": "a-long-Passw0rd-here"}
    with start_twin(tmp_path, PARAMETERS="Registration=closed Audience=shop") as running:
        answer = running.call("POST", "/v1/user", json=account)
    assert (answer.status, answer.json["code"], running.dev["audience"]) == (403, "registration_closed", "shop")


def test_other_address_than_loopback_warns(capsys: pytest.CaptureFixture[str]) -> None:
    """The screen warns you when you open the twin to the network."""
    dev = {"issuer": "http://127.0.0.1:1", "admin": {"login": "a", "password": "b"}, "clients": [], "api_key": "k"}
    show("http://127.0.0.1:1", dev, Options(host="0.0.0.0"))  # noqa: S104 - nothing listens in this test
    assert "Warning" in capsys.readouterr().out


def test_screen_shows_all_that_is_seeded(twin: RunningTwin) -> None:
    """The screen shows the admin's password, each client's id and secret, and the API key."""
    seeded = [twin.dev["admin"]["password"], twin.dev["api_key"]]
    for client in twin.dev["clients"]:
        seeded += [client["client_id"], client["client_secret"] or "public"]
    screen = [line for line in twin.output().splitlines() if not line.startswith("{")]
    assert [text for text in seeded if not any(text in line for line in screen)] == []


# ---- data ------------------------------------------------------------------------------------------------------------


def test_data_survive_kill_9(tmp_path: Path) -> None:
    """With DATA a killed twin comes back with its users, sessions, keys, names and seeded secrets.

    A parameter that moves the audience changes nothing before the next rotation, and the file says so.
    """
    options = {"DATA": "state.db", "ISSUER": "http://localhost:8080"}
    account = {"login": "ann@example.com", "password": "a-long-Passw0rd-here"}
    with start_twin(tmp_path, **options) as first:
        assert first.call("POST", "/v1/user", json=account).status == 201
        tokens = log_in(first, **account).json
        first.stop(signal.SIGKILL)
    with start_twin(tmp_path, **options, PARAMETERS="Audience=shop") as second:
        hello = second.call("GET", "/v1/hello", headers=bearer(tokens["access_token"]))
        refreshed = second.call("POST", "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        again = log_in(second, **account)
        admin = log_in(second, **second.dev["admin"])
    assert [hello.status, refreshed.status, again.status, admin.status] == [200, 200, 200, 200]
    assert claims(again.json["access_token"])["aud"] == second.dev["audience"]
    assert second.dev == first.dev | {"address": second.address}
    assert stat.S_IMODE((tmp_path / "state.db").stat().st_mode) == 0o600


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file that is not a database is left unchanged."""
    (tmp_path / "state.db").write_text("my notes, which are not a database at all" * 50)
    code, output = run(tmp_path, DATA="state.db")
    assert code == 1
    assert "Traceback" not in output
    assert (tmp_path / "state.db").read_text().startswith("my notes")


def test_file_of_a_running_twin_is_refused(tmp_path: Path) -> None:
    """Two twins on one file would each open an account for the same login, and overwrite each other."""
    with start_twin(tmp_path, DATA="state.db"):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        code, output = run(elsewhere, DATA=str(tmp_path / "state.db"))
    assert code == 1
    assert "database is locked" in output
    assert "Traceback" not in output


def test_mirror_follows_every_kind_of_write(tmp_path: Path) -> None:
    """Puts, updates, deletes, transactions and the labels of a secret come back as they were."""
    first = Mirror(tmp_path / "state.db")
    with backend.running(first.observe):
        written = _write_everything()
    first.close()
    second = Mirror(tmp_path / "state.db")
    with backend.running():
        _forget_everything()
        dynamodb, secrets = boto3.client("dynamodb"), boto3.client("secretsmanager")
        backend.create_table(dynamodb, "Table", TABLE)
        second.restore(dynamodb, secrets)
        restored = _read_everything()
        _forget_everything()
    second.close()
    assert restored == written
    assert [item["pk"]["S"] for item in restored["items"]] == ["put", "transacted", "updated"]
    assert (restored["current"], restored["previous"]) == ("two", "one")


def _write_everything() -> dict[str, Any]:
    dynamodb, secrets = boto3.client("dynamodb"), boto3.client("secretsmanager")
    backend.create_table(dynamodb, "Table", TABLE)
    for name in ("put", "updated", "deleted", "transacted-away"):
        dynamodb.put_item(TableName="Table", Item={"pk": {"S": name}, "sk": {"S": "s"}, "raw": {"B": b"\x00\xff"}})
    key = {"pk": {"S": "updated"}, "sk": {"S": "s"}}
    counted = {":one": {"N": "1"}}
    dynamodb.update_item(TableName="Table", Key=key, UpdateExpression="ADD n :one", ExpressionAttributeValues=counted)
    dynamodb.delete_item(TableName="Table", Key={"pk": {"S": "deleted"}, "sk": {"S": "s"}})
    dynamodb.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "Table", "Item": {"pk": {"S": "transacted"}, "sk": {"S": "s"}}}},
            {"Delete": {"TableName": "Table", "Key": {"pk": {"S": "transacted-away"}, "sk": {"S": "s"}}}},
        ]
    )
    secrets.create_secret(Name="Secret", SecretString="one")
    secrets.put_secret_value(SecretId="Secret", SecretString="two")
    return _read_everything()


def _forget_everything() -> None:
    """Delete what is still there: a process has only one moto, and other tests can keep it running."""
    dynamodb, secrets = boto3.client("dynamodb"), boto3.client("secretsmanager")
    with suppress(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.delete_table(TableName="Table")
    with suppress(secrets.exceptions.ResourceNotFoundException):
        secrets.delete_secret(SecretId="Secret", ForceDeleteWithoutRecovery=True)


def _read_everything() -> dict[str, Any]:
    items = boto3.client("dynamodb").scan(TableName="Table")["Items"]
    secrets = boto3.client("secretsmanager")
    return {
        "items": sorted(items, key=lambda item: item["pk"]["S"]),
        "current": secrets.get_secret_value(SecretId="Secret", VersionStage="AWSCURRENT")["SecretString"],
        "previous": secrets.get_secret_value(SecretId="Secret", VersionStage="AWSPREVIOUS")["SecretString"],
    }


def test_condition_check_of_a_transaction_writes_nothing() -> None:
    """Only what a transaction writes is copied."""
    key = {"pk": {"S": "a"}, "sk": {"S": "s"}}
    check = {"ConditionCheck": {"TableName": "Table", "Key": key, "ConditionExpression": "attribute_exists(pk)"}}
    assert touched_keys("TransactWriteItems", {"TransactItems": [check]}) == []
    assert touched_keys("GetItem", {"TableName": "Table", "Key": key}) == []


# ---- mail ------------------------------------------------------------------------------------------------------------


def mail_request(method: str, accept: str) -> Request:
    """Return a request to the mail catcher."""
    return Request(method, "/_local/mail", "", (("Accept", accept),), b"", "127.0.0.1")


def caught(catcher: MailCatcher) -> Any:
    """Return what the catcher answers to a program."""
    return json.loads(catcher.answer(mail_request("GET", "application/json")).body)


def send_mail(subject: str, html: str) -> None:
    """Send one mail with the second version of SES."""
    boto3.client("sesv2").send_email(
        FromEmailAddress="no-reply@example.com",
        Destination={"ToAddresses": ["ann@example.com"]},
        Content={"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": "plain"}, "Html": {"Data": html}}}},
    )


def test_mail_is_caught_with_both_its_bodies() -> None:
    """Mail sent through SES can be read as JSON, even though no sender is verified."""
    catcher = MailCatcher()
    with backend.running(catcher.observe), every_sender_verified():
        send_mail("Confirm", "<b>rich</b>")
    (letter,) = caught(catcher)
    assert abs(letter.pop("received_at") - time.time()) < 60
    assert letter == {"to": ["ann@example.com"], "subject": "Confirm", "text": "plain", "html": "<b>rich</b>"}


def test_raw_and_first_version_mail_is_caught() -> None:
    """The older calls are caught too."""
    catcher = MailCatcher()
    raw = b"To: ann@example.com\nSubject: Raw\nContent-Type: text/plain\n\nhello\n"
    with backend.running(catcher.observe), every_sender_verified():
        ses = boto3.client("ses")
        ses.send_raw_email(Source="a@example.com", Destinations=["ann@example.com"], RawMessage={"Data": raw})
        ses.send_email(
            Source="a@example.com",
            Destination={"ToAddresses": ["ann@example.com"]},
            Message={"Subject": {"Data": "Old"}, "Body": {"Text": {"Data": "hi"}}},
        )
    assert [(letter["subject"], letter["text"].strip()) for letter in caught(catcher)] == [
        ("Raw", "hello"),
        ("Old", "hi"),
    ]


def test_page_shows_mail_without_running_it() -> None:
    """A browser gets a page, in which a stranger's HTML is text or in a sandbox."""
    catcher = MailCatcher()
    with backend.running(catcher.observe), every_sender_verified():
        send_mail("<script>alert(1)</script>", '"><script>alert(2)</script>')
    page = catcher.answer(mail_request("GET", "text/html")).body.decode()
    assert "<script>" not in page
    assert "<iframe sandbox srcdoc=" in page


def test_mail_can_be_emptied() -> None:
    """DELETE deletes all mail."""
    catcher = MailCatcher()
    with backend.running(catcher.observe), every_sender_verified():
        send_mail("Confirm", "")
    assert catcher.answer(mail_request("DELETE", "")).status == 204
    assert caught(catcher) == []


def test_mail_is_served_by_the_twin(twin: RunningTwin) -> None:
    """The twin serves the mail catcher beside the API, at a path that the template does not have."""
    answer = twin.call("GET", "/_local/mail", headers={"Accept": "application/json"})
    assert (answer.status, type(answer.json)) == (200, list)

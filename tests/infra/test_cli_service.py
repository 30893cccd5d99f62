"""How the command signs in, finds its target and speaks HTTP, against a small API on loopback."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import Result

from infra.cli.errors import BadAnswer, Unreachable
from infra.cli.service import api
from infra.cli.service.api import Api
from tests.infra.fake_api import (
    LOGIN,
    LOGOUT,
    PASSWORD,
    SIGNING,
    TOKEN,
    FakeApi,
    FakeServer,
    Handler,
    a_policy,
    aws_error,
    described,
    latchkey,
    problem,
    write_dev_file,
)

GIVEN = "eyJhbGciOiJSUzI1NiJ9.e30.Z2l2ZW4"
ROTATE = f"{SIGNING}/rotate"


@pytest.fixture(autouse=True)
def policy(fake: FakeApi) -> None:
    """The policy that the API shows by default."""
    fake.will("GET", SIGNING, (200, a_policy()))


def local(*arguments: str, typed: str = "") -> Result:
    return latchkey("--local", "signing", *arguments, typed=typed)


# ---- Signing in ----


def test_twin_is_signed_in_to_with_its_admin_and_out_of_again(fake: FakeApi) -> None:
    """The session lasts as long as the command."""
    local("show")
    assert [(call.method, call.path, call.token) for call in fake.calls] == [
        ("POST", LOGIN, ""),
        ("GET", SIGNING, TOKEN),
        ("POST", LOGOUT, TOKEN),
    ]
    assert fake.calls[0].body == {"login": "admin@example.com", "password": PASSWORD, "device": "latchkey command"}


def test_session_ends_after_a_refusal_too(fake: FakeApi) -> None:
    """A failed command ends its session."""
    fake.will("POST", ROTATE, problem(409, "conflict", "Not now."))
    local("rotate")
    assert fake.calls[-1].path == LOGOUT


def test_session_that_cannot_be_ended_fails_nothing(fake: FakeApi) -> None:
    """After a reset the token is invalid, and the command has still succeeded."""
    fake.will("POST", LOGOUT, problem(401, "invalid_token", "Revoked."))
    result = local("show")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(401, "invalid_credentials", 3), (403, "account_disabled", 3), (429, "rate_limited", 1), (503, "internal", 1)],
)
def test_refused_login_ends_the_command(fake: FakeApi, status: int, code: str, exit_code: int) -> None:
    """Without a token the command calls nothing else."""
    fake.will("POST", LOGIN, problem(status, code, "No."))
    result = local("show")
    assert result.exit_code == exit_code
    assert [call.path for call in fake.calls] == [LOGIN]
    assert PASSWORD not in result.output


def test_stack_asks_for_login_and_password(stack: FakeApi) -> None:
    """The questions go to stderr, so the result can be piped, and only the server gets the password."""
    result = latchkey("--stack", "auth", "signing", "show", "--json", typed=f"ann@example.com\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert stack.bodies(LOGIN)[0]["login"] == "ann@example.com"
    assert stack.bodies(LOGIN)[0]["password"] == PASSWORD
    assert "Login at auth: " in result.stderr
    assert PASSWORD not in result.output


@pytest.mark.parametrize("typed", ["", "ann@example.com\n"], ids=["no login", "no password"])
def test_script_without_a_token_is_not_signed_in(stack: FakeApi, typed: str) -> None:
    """A script without a token ends with 3, and the error says how to pass a token."""
    result = latchkey("--stack", "auth", "signing", "show", typed=typed)
    assert result.exit_code == 3
    assert "set LATCHKEY_TOKEN" in result.stderr


def test_token_of_the_environment_spares_the_login(stack: FakeApi) -> None:
    """A given token is used as it is: the command does not sign in or out."""
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert [(call.path, call.token) for call in stack.calls if call.path != "/"] == [(SIGNING, GIVEN)]
    assert GIVEN not in result.output


def test_expired_token_says_what_to_do(stack: FakeApi) -> None:
    """A 401 ends the command with 3 and advice."""
    stack.will("GET", SIGNING, problem(401, "invalid_token", "The access token is expired."))
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert result.exit_code == 3
    assert "Set LATCHKEY_TOKEN to a new token" in result.stderr
    assert result.stderr.count("\n") == 1
    assert GIVEN not in result.output


def test_token_that_is_none_is_not_quoted(stack: FakeApi) -> None:
    """A line break would end the header, and a text pasted by mistake can be a password."""
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_TOKEN="hunter2\r\nX-Evil: 1")
    assert result.exit_code == 3
    assert "hunter2" not in result.output
    assert stack.calls == []


def test_token_of_a_stack_never_reaches_a_twin(fake: FakeApi) -> None:
    """The address of a twin comes from a file in the folder, which anyone may have written."""
    latchkey("--local", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert GIVEN not in {call.token for call in fake.calls}


# ---- Targets ----


def test_stack_of_the_environment_is_the_target(stack: FakeApi) -> None:
    """`LATCHKEY_STACK` replaces --stack."""
    result = latchkey("signing", "show", LATCHKEY_STACK="auth", LATCHKEY_TOKEN=GIVEN)
    assert result.exit_code == 0
    assert "StackName=auth" in stack.bodies("/")[0]


def test_local_on_the_command_line_beats_a_stack_of_the_environment(stack: FakeApi) -> None:
    """The command line has priority over the environment."""
    assert latchkey("--local", "signing", "show", LATCHKEY_STACK="auth").exit_code == 0
    assert stack.bodies("/") == []


@pytest.mark.parametrize("arguments", [[], ["--local", "--stack", "auth"]], ids=["none", "both"])
def test_target_must_be_named_once(fake: FakeApi, arguments: list[str]) -> None:
    """No target and two targets are wrong usage."""
    result = latchkey(*arguments, "signing", "show")
    assert result.exit_code == 2
    assert "--local" in result.stderr


def test_help_needs_no_target(fake: FakeApi) -> None:
    """Help works before a target is chosen."""
    assert latchkey("signing", "reset", "--help").exit_code == 0


def test_no_twin_in_this_folder_is_unreachable(fake: FakeApi) -> None:
    """The error says which file is missing and which command writes it."""
    Path(".latchkey/dev.json").unlink()
    result = local("show")
    assert result.exit_code == 4
    assert "There is no .latchkey/dev.json here. `make run` writes it" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"issuer": "x", "admin": {}}', '{"issuer": "x", "admin": 1}'])
def test_dev_file_that_cannot_be_read_is_unreachable(fake: FakeApi, text: str) -> None:
    """A broken file is reported in one line."""
    Path(".latchkey/dev.json").write_text(text)
    result = local("show")
    assert result.exit_code == 4
    assert "cannot be read" in result.stderr


def test_dev_file_names_no_other_machine(fake: FakeApi) -> None:
    """A file of a foreign checkout cannot make the command call another machine."""
    write_dev_file("https://attacker.example")
    result = local("show")
    assert result.exit_code == 4
    assert "not on this machine" in result.stderr


def test_twin_that_has_stopped_is_unreachable(fake: FakeApi) -> None:
    """The file of a stopped twin remains, so the error asks whether the twin is running."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    write_dev_file(address)
    result = local("show")
    assert result.exit_code == 4
    assert result.stderr.startswith(f"latchkey: Cannot reach {address}: ")
    assert "Is `make run` still running?" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("answer", "exit_code", "said"),
    [
        (aws_error(400, "ValidationError", "Stack with id auth does not exist"), 4, "auth does not exist"),
        (aws_error(403, "AccessDenied", "not authorized"), 3, "not authorized [AccessDenied]"),
        (aws_error(403, "ExpiredToken", "token is expired"), 3, "[ExpiredToken]"),
        (described({"Other": "https://x.example"}), 4, "has no output ApiUrl"),
        (described({"ApiUrl": "http://auth.example"}), 4, "http://auth.example is not an https address"),
    ],
    ids=["absent", "denied", "expired", "another's", "clear text"],
)
def test_stack_that_is_not_to_be_found(stack: FakeApi, answer: tuple[int, bytes], exit_code: int, said: str) -> None:
    """The exit code tells a missing right from a missing stack."""
    stack.will("POST", "/", answer)
    result = latchkey("--stack", "auth", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert said in result.stderr
    assert GIVEN not in {call.token for call in stack.calls}


@pytest.mark.parametrize(
    ("missing", "arguments", "exit_code"),
    [
        (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], [], 3),
        (["AWS_DEFAULT_REGION"], [], 2),
        ([], ["--profile", "missing"], 2),
    ],
    ids=["credentials", "region", "profile"],
)
def test_aws_that_cannot_be_asked(
    stack: FakeApi, monkeypatch: pytest.MonkeyPatch, missing: list[str], arguments: list[str], exit_code: int
) -> None:
    """Missing credentials end with 3; a missing region and an unknown profile end with 2."""
    for name in missing:
        monkeypatch.delenv(name)
    result = latchkey("--stack", "auth", *arguments, "signing", "show")
    assert result.exit_code == exit_code
    assert stack.calls == []


def test_region_of_the_command_line_is_used(stack: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """--region replaces the region of the environment."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = latchkey("--stack", "auth", "--region", "eu-north-1", "signing", "show", LATCHKEY_TOKEN=GIVEN)
    assert result.exit_code == 0


# ---- HTTP ----


def test_redirect_is_not_followed(fake: FakeApi) -> None:
    """A token is sent only to the address that it is for."""
    fake.headers["Location"] = f"{fake.address}/elsewhere"
    fake.will("GET", SIGNING, (302, b""))
    result = local("show")
    assert result.exit_code == 1
    assert "The server answered 302." in result.stderr
    assert "/elsewhere" not in {call.path for call in fake.calls}


def test_refusal_that_is_no_problem_document_still_names_the_request(fake: FakeApi) -> None:
    """The page of a proxy is not shown, but its status and the request id of its header are."""
    fake.headers["X-Request-Id"] = "req-2"
    fake.will("GET", SIGNING, (502, b"<html>\x1b[2J</html>"))
    assert local("show").stderr == "latchkey: The server answered 502. [request req-2]\n"


def test_words_of_a_server_stay_one_line_of_text(fake: FakeApi) -> None:
    """Line breaks, escape sequences and Rich's markup are removed or shown as text."""
    fake.will("GET", SIGNING, problem(400, "x", "one\ntwo \x1b[31m[bold]three[/bold]"))
    assert local("show").stderr == "latchkey: one two [31m[bold]three[/bold] [x, request req-1]\n"


@pytest.mark.parametrize("terminal", [{}, {"FORCE_COLOR": "1", "COLUMNS": "40"}], ids=["pipe", "terminal"])
def test_long_words_of_a_server_are_said_whole(fake: FakeApi, terminal: dict[str, str]) -> None:
    """The code and the request id stand at the end, and a narrow terminal does not cut them off."""
    fake.will("GET", SIGNING, problem(400, "x", "word " * 100))
    result = latchkey("--local", "signing", "show", **terminal)
    assert f"latchkey: {'word ' * 100}[x, request req-1]" in result.stderr


def test_rate_limit_says_how_long_to_wait(fake: FakeApi) -> None:
    """The operator sees the seconds of the Retry-After header."""
    fake.headers["Retry-After"] = "30"
    fake.will("GET", SIGNING, problem(429, "rate_limited", "Too many attempts."))
    assert "Too many attempts. Try again in 30 s. [rate_limited" in local("show").stderr


def test_proxy_never_sees_what_stays_on_this_machine(fake: FakeApi) -> None:
    """A proxy would see the password of the twin's admin in clear text."""
    closed = "http://127.0.0.1:1"
    assert latchkey("--local", "signing", "show", http_proxy=closed, no_proxy="").exit_code == 0


@contextmanager
def silent_server() -> Iterator[str]:
    """Accept connections and send nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_server_that_never_answers_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a server ends after a time limit."""
    monkeypatch.setattr(api, "TIMEOUT", 0.05)
    with silent_server() as address, Api(address) as ours, pytest.raises(Unreachable, match="timed out"):
        ours.get("/status")


def test_command_needs_one_connection(fake: FakeApi) -> None:
    """Signing in, the call and signing out use the same connection."""
    assert local("show").exit_code == 0
    assert (len(fake.calls), fake.connections) == (3, 1)


def test_answer_longer_than_any_of_ours_is_not_read_to_its_end(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server cannot fill the memory of the operator's machine."""
    monkeypatch.setattr(api, "MAX_ANSWER", 1000)
    fake.will("GET", "/short", (200, b" " * 998 + b"{}"))
    fake.will("GET", "/long", (200, b" " * 999 + b"{}"))
    with Api(fake.address, quiet=True) as ours:
        assert ours.get("/short").members == {}
        with pytest.raises(BadAnswer, match="longer than 1000 bytes"):
            ours.get("/long")


def test_compressed_answer_is_not_unpacked(fake: FakeApi) -> None:
    """A short compressed answer could grow beyond every limit."""
    fake.headers["Content-Encoding"] = "gzip"
    fake.will("GET", SIGNING, (200, gzip.compress(b"{}")))
    assert "cannot be read: not_utf8" in local("show").stderr


@contextmanager
def proxy(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Send one client a prepared answer, and record the first bytes that it sends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        seen: list[bytes] = []

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                seen.append(connection.recv(65_536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", seen
        thread.join()


@pytest.mark.parametrize("written", ["{}", "http://{}"])
def test_proxy_sees_a_tunnel_and_nothing_in_it(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """`https_proxy` is used, with or without a scheme, and never gets the token."""
    with proxy(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as (address, seen):
        monkeypatch.setenv("https_proxy", written.format(address))
        with Api("https://auth.example") as ours, pytest.raises(Unreachable):
            ours.with_token(TOKEN).get(SIGNING)
    assert seen[0].startswith(b"CONNECT auth.example:443 HTTP/1.1")
    assert TOKEN.encode() not in seen[0]


@pytest.mark.parametrize(("exception", "used"), [("auth.example", None), ("", "http://127.0.0.1:1")])
def test_place_without_a_proxy_is_called_directly(
    monkeypatch: pytest.MonkeyPatch, exception: str, used: str | None
) -> None:
    """Hosts in `no_proxy` are called directly."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", exception)
    assert api._proxy("https://auth.example") == used


@pytest.mark.parametrize("address", ["socks5://me:secret@127.0.0.1:1", "http://[::1", "ftp://me:secret@127.0.0.1"])
def test_proxy_of_another_kind_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The error does not repeat the password in a proxy's address."""
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(Unreachable, match="HTTPS_PROXY is not the address") as error:
        Api("https://auth.example")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_id_that_would_name_another_thing_is_wrong_usage(fake: FakeApi, part: str) -> None:
    """With `..` in place of a key's id, the path would be that of the partner."""
    result = latchkey("--local", "partner", "key", "delete", "prt_x", part, "--yes")
    assert (result.exit_code, fake.calls) == (2, [])


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server with TLS, and its self-signed certificate."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with FakeServer(("127.0.0.1", 0), Handler) as running:
        running.fake = FakeApi(answers={("GET", SIGNING): [(200, {})]})
        running.socket = context.wrap_socket(running.socket, server_side=True)
        running.handle_error = lambda *_: None  # type: ignore[method-assign] # a refused handshake is expected
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"https://127.0.0.1:{running.server_port}", path
        running.shutdown()


def self_signed() -> bytes:
    """Return a key and a certificate for 127.0.0.1, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    loopback = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = builder.add_extension(loopback, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def test_certificate_of_no_known_authority_is_refused(tls: tuple[str, Path]) -> None:
    """A certificate that no trusted authority has signed is rejected before a token is sent."""
    with Api(tls[0]) as ours, pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        ours.with_token(TOKEN).get(SIGNING)


def test_certificate_of_a_known_authority_is_accepted(tls: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same certificate is accepted once it is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    with Api(tls[0]) as ours:
        assert ours.with_token(TOKEN).get(SIGNING).members == {}

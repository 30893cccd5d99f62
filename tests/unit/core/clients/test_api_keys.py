"""API keys and clients as operators manage them, without a gateway in front."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest

from latchkey.core.clients.admin import ClientAdmin, NewClient
from latchkey.core.clients.api_keys import LATEST_END, MAX_OVERLAP, ApiKeyAdmin, NewApiKey
from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.clients.store import MAX_API_KEYS, ApiKeyChanges, ClientChanges
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event
from latchkey.core.ids import fingerprint
from latchkey.core.model import Client, ClientKind, Status
from latchkey.core.roles.roles import CustomRoles, Operator, registry_with
from tests.memory.store import MemoryStore

NOW = 1_800_000_000
ADDRESS = "192.0.2.7"
DAY = 86_400
REGISTRY = registry_with(CustomRoles(1, permissions=("a", "b", "c")))
ADMIN = Operator("usr_admin", REGISTRY.permissions(["admin"]), NOW)
NOT_PRIVATE = replace(ADMIN, permissions=tuple(each for each in ADMIN.permissions if not each.startswith("privacy:")))
CLERK = Operator("usr_clerk", ("clients:read", "clients:write"), NOW)
OWNER_ROLES = ("service", "privacy", "admin")


@dataclass
class Desk:
    """The operators' services over one store in memory, with a journal that keeps what it is told."""

    store: MemoryStore = field(default_factory=MemoryStore)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        counter = itertools.count(1)

        def entropy(size: int) -> bytes:
            return next(counter).to_bytes(size, "big")

        self.clients = ClientAdmin(self.store, REGISTRY, self, entropy)
        self.keys = ApiKeyAdmin(self.store, REGISTRY, self, entropy)
        self.directory = ClientDirectory(self.store, self.store, self)
        self.owner = Client("cli_owner", ClientKind.SERVICE, "Owner", NOW, scopes=("a", "b"), roles=OWNER_ROLES)
        self.store.create_client(self.owner)
        self.store.create_client(Client("cli_web", ClientKind.CONFIDENTIAL, "Site", NOW, roles=("admin",)))

    def record(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    def key(self, *, roles: tuple[str, ...] = ("service",), expires_at: int | None = None) -> tuple[str, str]:
        """Make a key; return its id and its text."""
        asked = NewApiKey("cli_owner", "nightly", roles, ("a",), expires_at)
        made, text = self.keys.create(ADMIN, asked, now=NOW)
        return made.key_id, text


class Forgetful(MemoryStore):
    """A store that cannot write the day of use."""

    def note_api_key_use(self, key_id: str, day: str) -> None:
        """Fail."""
        raise ServiceError(Errors.UNAVAILABLE, f"{key_id} {day}")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refusal(error: Errors) -> pytest.RaisesExc[ServiceError]:
    return pytest.RaisesExc(ServiceError, check=lambda raised: raised.error is error)


def test_a_new_key_works_with_what_it_was_given(desk: Desk) -> None:
    """Its roles and scopes are those asked for, and its text is nowhere in the store."""
    key_id, text = desk.key()
    rights = desk.directory.service(text, address=ADDRESS, now=NOW)
    assert (rights.key.key_id, rights.roles, rights.scopes) == (key_id, ("service",), ("a",))
    assert text not in str(vars(desk.store))


def test_a_stored_hash_is_no_key(desk: Desk) -> None:
    """No stored hash authenticates a service, and neither does the hash that a Waves node ships with."""
    key_id, _ = desk.key()
    stored = desk.store.find_api_key(key_id, NOW)
    assert stored is not None
    for text in (stored.secret_hash, f"lk_{stored.secret_hash}", "H6nsiifwYKYEx6YzYD7woP1XCn72RVvx6tC1zjjLXqsu"):
        with refusal(Errors.INVALID_API_KEY):
            desk.directory.service(text, address=ADDRESS, now=NOW)


def test_a_key_has_no_role_that_its_client_lacks(desk: Desk) -> None:
    """Even a harmless role is rejected."""
    with refusal(Errors.INVALID_REQUEST) as refused:
        desk.key(roles=("user",))
    assert refused.value.fields[0].field == "roles"


def test_a_key_has_no_scope_that_its_client_lacks(desk: Desk) -> None:
    """A key's scopes are limited to its client's."""
    with refusal(Errors.INVALID_REQUEST):
        desk.keys.create(ADMIN, NewApiKey("cli_owner", "n", ("service",), ("c",)), now=NOW)


def test_operators_cannot_make_a_key_above_their_own_permissions(desk: Desk) -> None:
    """An operator without `privacy` cannot reach private data through a key of a client that has it."""
    with refusal(Errors.FORBIDDEN):
        desk.keys.create(NOT_PRIVATE, NewApiKey("cli_owner", "nightly", ("privacy",), ()), now=NOW)


def test_operators_cannot_take_over_a_key_above_their_own_permissions(desk: Desk) -> None:
    """A rotation shows a new key and a second secret shows a secret, so both need the permissions of the creation."""
    key_id, _ = desk.key(roles=("admin",))
    little = Operator("usr_little", ("api_keys:write", "clients:write"), NOW)
    with refusal(Errors.FORBIDDEN):
        desk.keys.rotate(little, key_id, 0, now=NOW)
    with refusal(Errors.FORBIDDEN):
        desk.clients.add_secret(little, "cli_owner")


def test_a_key_loses_what_its_client_loses(desk: Desk) -> None:
    """A key keeps only the roles and scopes that its client still has."""
    _, text = desk.key(roles=("service", "admin"))
    desk.store.update_client("cli_owner", ClientChanges(roles=("service",), scopes=()))
    rights = desk.directory.service(text, address=ADDRESS, now=NOW)
    assert (rights.roles, rights.scopes) == (("service",), ())


@pytest.mark.parametrize("after", ["client disabled", "disabled", "deleted"])
def test_a_key_is_dead_at_once(desk: Desk, after: str) -> None:
    """A key is rejected once its client is disabled, the key is disabled or the key is deleted."""
    key_id, text = desk.key()
    if after == "client disabled":
        desk.store.update_client("cli_owner", ClientChanges(status=Status.DISABLED))
    elif after == "disabled":
        desk.keys.change(ADMIN, key_id, ApiKeyChanges(status=Status.DISABLED))
    else:
        desk.keys.delete(ADMIN, key_id)
    with refusal(Errors.INVALID_API_KEY):
        desk.directory.service(text, address=ADDRESS, now=NOW)


def test_a_key_dies_on_the_second(desk: Desk) -> None:
    """An expired key is rejected even if the table has not been swept."""
    _, text = desk.key(expires_at=NOW + 60)
    desk.directory.service(text, address=ADDRESS, now=NOW + 59)
    with refusal(Errors.INVALID_API_KEY):
        desk.directory.service(text, address=ADDRESS, now=NOW + 60)


def test_a_key_cannot_be_born_dead(desk: Desk) -> None:
    """An expiry that has passed is a mistake."""
    with refusal(Errors.INVALID_REQUEST):
        desk.key(expires_at=NOW)


@pytest.mark.parametrize("client_id", ["cli_unknown", "cli_app"])
def test_only_confidential_clients_have_keys(desk: Desk, client_id: str) -> None:
    """An unknown client and a public client cannot have keys."""
    desk.store.create_client(Client("cli_app", ClientKind.PUBLIC, "App", NOW))
    with refusal(Errors.INVALID_REQUEST):
        desk.keys.create(ADMIN, NewApiKey(client_id, "n"), now=NOW)


def test_both_keys_work_during_the_overlap(desk: Desk) -> None:
    """The old key ends with the overlap. The new key has the same permissions."""
    key_id, old = desk.key()
    _, new = desk.keys.rotate(ADMIN, key_id, 60, now=NOW)
    before = desk.directory.service(old, address=ADDRESS, now=NOW + 59)
    assert before.roles == desk.directory.service(new, address=ADDRESS, now=NOW + 60).roles
    with refusal(Errors.INVALID_API_KEY):
        desk.directory.service(old, address=ADDRESS, now=NOW + 60)


def test_a_rotation_never_lengthens_the_old_key(desk: Desk) -> None:
    """An earlier expiry stays, and the new key gets the lifetime of the old one."""
    key_id, old = desk.key(expires_at=NOW + 60)
    new, _ = desk.keys.rotate(ADMIN, key_id, MAX_OVERLAP, now=NOW + 10)
    assert new.expires_at == NOW + 70
    with refusal(Errors.INVALID_API_KEY):
        desk.directory.service(old, address=ADDRESS, now=NOW + 60)


def test_a_key_is_rotated_once(desk: Desk) -> None:
    """A second rotation is a conflict: the operator must rotate the successor."""
    key_id, _ = desk.key()
    desk.keys.rotate(ADMIN, key_id, 60, now=NOW)
    with refusal(Errors.CONFLICT):
        desk.keys.rotate(ADMIN, key_id, 60, now=NOW)


@pytest.mark.parametrize("key_id", ["", "unknown"])
def test_an_unknown_key_is_not_found(desk: Desk, key_id: str) -> None:
    """An unknown key cannot be shown, changed, rotated or deleted."""
    with refusal(Errors.NOT_FOUND):
        desk.keys.get(key_id)
    with refusal(Errors.NOT_FOUND):
        desk.keys.change(ADMIN, key_id, ApiKeyChanges(name="x"))
    with refusal(Errors.NOT_FOUND):
        desk.keys.rotate(ADMIN, key_id, 0, now=NOW)
    with refusal(Errors.NOT_FOUND):
        desk.keys.delete(ADMIN, key_id)


def test_expired_keys_make_room(desk: Desk) -> None:
    """A hundred keys are the limit, and those that have expired go first."""
    for _ in range(MAX_API_KEYS - 1):
        desk.key()
    desk.key(expires_at=NOW + 1)
    with refusal(Errors.LIMIT_REACHED):
        desk.key()
    asked = NewApiKey("cli_owner", "late", ("service",))
    desk.keys.create(ADMIN, asked, now=NOW + 1)
    assert len(desk.keys.page(after="", limit=101).items) == MAX_API_KEYS


def test_the_day_of_use_is_written_once_a_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second use of a day writes nothing."""
    key_id, text = desk.key()
    days: list[str] = []
    note = desk.store.note_api_key_use

    def noted(key_id: str, day: str) -> None:
        days.append(day)
        note(key_id, day)

    monkeypatch.setattr(desk.store, "note_api_key_use", noted)
    for now in (NOW, NOW + 1, NOW + DAY, NOW + DAY):
        desk.directory.service(text, address=ADDRESS, now=now)
    found = desk.store.find_api_key(key_id, NOW)
    assert (days, found and found.last_used_on) == (["2027-01-15", "2027-01-16"], "2027-01-16")


def test_a_day_that_cannot_be_written_does_not_reject_the_service() -> None:
    """The service gets its answer, and the log has the failure."""
    desk = Desk(store=Forgetful())
    _, text = desk.key()
    assert desk.directory.service(text, address=ADDRESS, now=NOW).roles == ("service",)
    assert desk.events[-1].name == "api_key_use_not_noted"


def test_what_operators_do_is_recorded(desk: Desk) -> None:
    """Every event names the operator, the change and the client, and never a secret."""
    key_id, text = desk.key()
    new, _ = desk.keys.rotate(ADMIN, key_id, 0, now=NOW)
    desk.keys.change(ADMIN, key_id, ApiKeyChanges(name="Nightly", status=Status.DISABLED))
    desk.keys.delete(ADMIN, key_id)
    made, secret = desk.clients.create(ADMIN, NewClient(ClientKind.SERVICE, "S"), now=NOW)
    desk.clients.add_secret(ADMIN, made.client_id)
    desk.clients.remove_secret(ADMIN, made.client_id, fingerprint(secret)[:16])
    desk.clients.change(ADMIN, made.client_id, ClientChanges(name="T", status=Status.DISABLED))
    desk.clients.delete(ADMIN, made.client_id)
    assert desk.events == [
        Event("api_key_created", client_id="cli_owner", reason=key_id, actor="usr_admin"),
        Event("api_key_rotated", client_id="cli_owner", reason=key_id, actor="usr_admin"),
        Event("api_key_changed", client_id="cli_owner", reason=f"{key_id} name status", actor="usr_admin"),
        Event("api_key_revoked", client_id="cli_owner", reason=key_id, actor="usr_admin"),
        Event("client_created", client_id=made.client_id, actor="usr_admin"),
        Event("client_secret_added", client_id=made.client_id, actor="usr_admin"),
        Event("client_secret_removed", client_id=made.client_id, reason=fingerprint(secret)[:16], actor="usr_admin"),
        Event("client_changed", client_id=made.client_id, reason="name status", actor="usr_admin"),
        Event("client_deleted", client_id=made.client_id, actor="usr_admin"),
    ]
    assert not {text, secret, new.secret_hash} & set(str(desk.events).split("'"))


def test_a_client_that_keeps_getting_keys_is_not_deleted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries the operator gets a conflict, and the client is unchanged."""
    desk.key()
    monkeypatch.setattr(desk.store, "delete_api_key", lambda key: replace(key) is None)
    with refusal(Errors.CONFLICT):
        desk.clients.delete(ADMIN, "cli_owner")
    assert desk.store.find_client("cli_owner") == desk.owner


@pytest.mark.parametrize(
    "changes",
    [
        ClientChanges(roles=()),
        ClientChanges(status=Status.ACTIVE),
        ClientChanges(redirect_uris=("https://eve.example/",)),
        ClientChanges(name="Eve", status=Status.DISABLED),
    ],
)
def test_a_client_above_the_operator_is_not_changed(desk: Desk, changes: ClientChanges) -> None:
    """An operator could remove its roles, add a secret, and use that secret after an admin restores the roles."""
    with refusal(Errors.FORBIDDEN):
        desk.clients.change(CLERK, "cli_web", changes)
    assert desk.clients.get("cli_web").roles == ("admin",)


def test_a_client_above_the_operator_can_be_locked_out(desk: Desk) -> None:
    """After a leak the operator can disable the client without waiting for an admin."""
    changed = desk.clients.change(CLERK, "cli_web", ClientChanges(status=Status.DISABLED))
    assert changed.status is Status.DISABLED


@pytest.mark.parametrize("changes", [ApiKeyChanges(name="x"), ApiKeyChanges(status=Status.ACTIVE)])
def test_a_key_above_the_operator_can_be_disabled_and_nothing_else(desk: Desk, changes: ApiKeyChanges) -> None:
    """Enabling a key grants its permissions, so the operator must have them."""
    key, _ = desk.keys.create(ADMIN, NewApiKey("cli_web", "nightly"), now=NOW)
    assert desk.keys.change(CLERK, key.key_id, ApiKeyChanges(status=Status.DISABLED)).status is Status.DISABLED
    with refusal(Errors.FORBIDDEN):
        desk.keys.change(CLERK, key.key_id, changes)


def test_a_key_that_is_enabled_again_works_again(desk: Desk) -> None:
    """Operators disable a key to find out which service uses it."""
    key_id, text = desk.key()
    desk.keys.change(ADMIN, key_id, ApiKeyChanges(status=Status.DISABLED))
    desk.keys.change(ADMIN, key_id, ApiKeyChanges(status=Status.ACTIVE))
    assert desk.directory.service(text, address=ADDRESS, now=NOW).key.key_id == key_id


def test_a_role_that_went_out_of_use_is_not_in_the_way(desk: Desk) -> None:
    """It grants nothing, so its client still gets secrets and keys, and keeps it until an operator removes it."""
    owner = ("admin", "gone")
    desk.store.update_client("cli_owner", ClientChanges(roles=owner))
    desk.clients.change(ADMIN, "cli_owner", ClientChanges(roles=("admin", "gone", "service")))
    key, _ = desk.keys.create(ADMIN, NewApiKey("cli_owner", "nightly"), now=NOW)
    successor, _ = desk.keys.rotate(ADMIN, key.key_id, 0, now=NOW)
    client, _ = desk.clients.add_secret(ADMIN, "cli_owner")
    assert "gone" in successor.roles
    assert "gone" in client.roles


def test_a_key_ends_within_the_calendar(desk: Desk) -> None:
    """An expiry after the last second of the calendar is rejected, and that second itself is accepted."""
    desk.key(expires_at=LATEST_END)
    with refusal(Errors.INVALID_REQUEST):
        desk.key(expires_at=LATEST_END + 1)

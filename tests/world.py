"""The services of the core over one store, with a journal that keeps its events."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from latchkey.adapters.store import Store
from latchkey.core.authenticators.change_email import EmailChanges
from latchkey.core.authenticators.change_password import PasswordChanges
from latchkey.core.authenticators.forget_devices import ForgetDevices
from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.authenticators.undo_email import EmailUndo
from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.credentials.device_tokens import DeviceTokens
from latchkey.core.credentials.new_passwords import NewPasswords
from latchkey.core.credentials.passwords import CHEAPEST_FOR_TESTS, BlockList, PasswordRules
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event
from latchkey.core.grants.gate import Asked, Gate
from latchkey.core.grants.guesses import Guesses
from latchkey.core.grants.issuing import Issuer, TokenAnswer
from latchkey.core.grants.machine import MachineGrants
from latchkey.core.grants.password import PasswordGrant, SignIn
from latchkey.core.grants.proof import PersonProof
from latchkey.core.grants.refresh import RefreshGrant, RefreshRequest
from latchkey.core.grants.sessions import Sessions
from latchkey.core.mail.draft_letters import DraftLetters
from latchkey.core.mail.mailroom import Mailroom
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.postage import Postage
from latchkey.core.mail.requests import MailRequests
from latchkey.core.mail.store import Letter
from latchkey.core.model import Client, Mail, MailKind, User
from latchkey.core.roles.roles import BUILT_IN
from latchkey.core.users.accounts import Accounts, Registration
from latchkey.core.users.confirmations import AddressConfirmations, DraftConfirmations
from latchkey.core.users.erasure import Erasure
from latchkey.core.users.sign_up import MailedAgain, MailedSignUp
from latchkey.signing.accepted import Accepted
from latchkey.signing.keys import Algorithm, VerificationKey
from latchkey.signing.policy import Lifetimes, Moment, SigningPolicy, first_policy
from latchkey.signing.sealing import SealKeys, first_seal_keys
from latchkey.signing.tokens import AccessClaims, verify
from tests.memory.store import MemoryStore

NOW = 1_800_000_000
AUDIENCE = "latchkey"
LOGIN = "ann@example.com"
PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.7"
NETWORK = "192.0.2.0/24"
MAX_SESSIONS = 12


@dataclass
class Fixed:
    """A policy source that always has this policy, unless it is away."""

    held: SigningPolicy
    away: bool = False
    newer: SigningPolicy | None = None

    def reread(self) -> SigningPolicy:
        """Return the newer one, if there is one."""
        return self.newer or self.policy()

    def accepted(self, now: int) -> Accepted:
        """Return the names that tokens may carry."""
        return self.policy().accepted(now)

    def policy(self) -> SigningPolicy:
        """Return it. Raises `UNAVAILABLE` while it is away."""
        if self.away:
            raise ServiceError(Errors.UNAVAILABLE, "away")
        return self.held


@dataclass
class FixedSeals:
    """A source that always has these seal keys, unless it is away."""

    held: SealKeys
    away: bool = False

    def seal_keys(self) -> SealKeys:
        """Return them. Raises `UNAVAILABLE` while it is away."""
        if self.away:
            raise ServiceError(Errors.UNAVAILABLE, "away")
        return self.held

    def reread_seal_keys(self) -> SealKeys:
        """Return them."""
        return self.held


@dataclass
class Kept:
    """A journal that keeps its events."""

    events: list[Event] = field(default_factory=list)

    def record(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    def names(self) -> list[str]:
        """Return the names of all events, in order."""
        return [event.name for event in self.events]


@dataclass(frozen=True)
class Sent:
    """A mail that was sent, taken apart."""

    to: str
    about: str
    locale: str
    code: str
    link: str


class PlainWriter:
    """Writes letters for programs."""

    def write(self, about: MailKind, locale: str, values: Mapping[str, str]) -> Letter:
        """Put every known value into the text, line by line."""
        return Letter(about, "\n".join([locale, values.get("code", ""), values.get("link", "")]), "")


@dataclass
class KeptMail:
    """A postman that keeps the mail. `refusals` are raised first, one per letter."""

    sent: list[Sent] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)

    def send(self, to: str, letter: Letter) -> None:
        """Keep the letter."""
        if self.refusals:
            raise self.refusals.pop(0)
        self.sent.append(Sent(to, letter.subject, *letter.text.split("\n")))


class World:
    """The services of the core over one store: in memory, unless another is given."""

    def __init__(self, policy: SigningPolicy, store: Store | None = None) -> None:
        counter = itertools.count(1)
        self.entropy = lambda size: next(counter).to_bytes(size, "big")
        self.store: Store = store or MemoryStore()
        self.source = Fixed(policy)
        self.seals = FixedSeals(first_seal_keys(NOW, self.entropy))
        self.devices = DeviceTokens(self.seals, self.entropy)
        self.journal = Kept()
        self.issuer = Issuer(AUDIENCE, self.entropy)
        new_passwords = NewPasswords(PasswordRules(), BlockList(b""), CHEAPEST_FOR_TESTS, self.entropy)
        self.gate = Gate(self.store, BUILT_IN, self.journal, self.entropy, max_sessions=MAX_SESSIONS)
        self.accounts = Accounts(
            users=self.store,
            sessions=self.store,
            attempts=self.store,
            new_passwords=new_passwords,
            journal=self.journal,
            entropy=self.entropy,
        )
        self.sign_in = PasswordGrant(
            credentials=self.store,
            sessions=self.store,
            guesses=Guesses(self.store),
            policies=self.source,
            devices=self.devices,
            gate=self.gate,
            issuer=self.issuer,
            journal=self.journal,
            entropy=self.entropy,
            cost=CHEAPEST_FOR_TESTS,
            mails=True,
        )
        self.clients = ClientDirectory(self.store, self.store, self.journal)
        self.outbox = Outbox(self.store, self.entropy, sends=True)
        self.sessions = Sessions(self.store, self.journal)
        self.refresh_grant = RefreshGrant(
            store=self.store,
            links=self.store,
            clients=self.clients,
            policies=self.source,
            issuer=self.issuer,
            sessions=self.sessions,
            roles=BUILT_IN,
            journal=self.journal,
            outbox=self.outbox,
            entropy=self.entropy,
        )
        self.machines = MachineGrants(self.clients, self.source, self.gate, self.issuer, BUILT_IN, self.journal)

        self.postman = KeptMail()
        self.mailroom = Mailroom(
            outbox=self.store,
            codes=self.store,
            seals=self.seals,
            credentials=self.store,
            postage=Postage(self.store),
            draft_letters=DraftLetters(self.store, Postage(self.store), self.store, self.seals),
            writer=PlainWriter(),
            postman=self.postman,
            journal=self.journal,
            entropy=self.entropy,
            link_base="https://app.example",
            service_name="Shop",
        )
        self.ownership = Ownership(self.store, self.store, self.store, self.journal, CHEAPEST_FOR_TESTS)
        self.mail_requests = MailRequests(self.store, self.outbox)
        self.signup = MailedSignUp(self.store, new_passwords, self.outbox, self.entropy)
        self.mailed_again = MailedAgain(self.store, self.outbox)
        self.draft_confirmations = DraftConfirmations(
            users=self.store,
            drafts=self.store,
            seals=self.seals,
            attempts=self.store,
            journal=self.journal,
            entropy=self.entropy,
            cost=CHEAPEST_FOR_TESTS,
        )
        self.address_confirmations = AddressConfirmations(
            users=self.store,
            credentials=self.store,
            codes=self.store,
            attempts=self.store,
            journal=self.journal,
            cost=CHEAPEST_FOR_TESTS,
        )
        self.passwords = PasswordChanges(
            authenticators=self.store,
            credentials=self.store,
            sessions=self.store,
            links=self.store,
            codes=self.store,
            attempts=self.store,
            devices=self.devices,
            new_passwords=new_passwords,
            ownership=self.ownership,
            outbox=self.outbox,
            journal=self.journal,
        )
        self.emails = EmailChanges(
            addresses=self.store,
            credentials=self.store,
            sessions=self.store,
            codes=self.store,
            attempts=self.store,
            seals=self.seals,
            devices=self.devices,
            ownership=self.ownership,
            outbox=self.outbox,
            journal=self.journal,
        )
        self.forget_devices = ForgetDevices(self.store, self.store, self.devices, self.ownership, self.journal)
        self.email_undo = EmailUndo(
            addresses=self.store,
            credentials=self.store,
            links=self.store,
            sessions=self.store,
            codes=self.store,
            outbox=self.outbox,
            journal=self.journal,
        )
        self.erasure = Erasure(
            users=self.store,
            sessions=self.store,
            links=self.store,
            ownership=self.ownership,
            outbox=self.outbox,
            journal=self.journal,
        )

    def waiting(self) -> list[Mail]:
        """Return the mails in the outbox of a store in memory."""
        return list(vars(self.store)["_mails"].values())

    def deliver(self, *, now: int = NOW) -> list[Sent]:
        """Send all waiting mails, and return the mails that were sent."""
        before = len(self.postman.sent)
        for mail in self.waiting():
            self.mailroom.deliver(mail, now=now)
        return self.postman.sent[before:]

    def code(self, about: MailKind, *, now: int = NOW) -> str:
        """Send all waiting mails, and return the code in the one mail of that kind."""
        [letter] = [each for each in self.deliver(now=now) if each.about == about]
        return letter.code

    def register(self, login: str = LOGIN, password: str = PASSWORD) -> User:
        """Open an account."""
        return self.accounts.register(Registration(login, password), address=ADDRESS, now=NOW)

    def log_in(
        self, login: str = LOGIN, password: str = PASSWORD, *, now: int = NOW, device_token: str = ""
    ) -> TokenAnswer:
        """Sign in from the usual address."""
        return self.sign_in(SignIn(login, password, "phone", ADDRESS, device_token), now=now)

    def refresh(
        self, answer: TokenAnswer, *, now: int, network: str = NETWORK, key: str = "", **asked: str
    ) -> TokenAnswer:
        """Refresh what an earlier answer gave, from the usual network."""
        return self.refresh_grant(RefreshRequest(answer.refresh_token, network, key, **asked), now=now)

    def open_for(self, user: User, client: Client, scope: str | None = None, *, now: int = NOW) -> TokenAnswer:
        """Sign a user in to a client, as a grant for that client does: for all its scopes, or some of them."""
        policy = self.source.policy()
        proof = PersonProof(user=user, methods=("pwd",), at=now, client=client, epoch=user.epoch)
        asked = Asked(" ".join(client.scopes) if scope is None else scope, policy, ())
        admitted = self.gate.admit(proof, asked)
        session = admitted.session
        return self.issuer.for_session(session, admitted.refresh, admitted.roles, policy, scope=session.scope, now=now)

    def claims(self, answer: TokenAnswer, *, now: int = NOW) -> AccessClaims:
        """Return the verified claims of the access token in an answer."""
        return self.claims_of(answer.access_token, now=now)

    def claims_of(self, token: str, *, now: int = NOW) -> AccessClaims:
        """Return the verified claims of an access token."""
        keys = self.source.held.keys

        def find(kid: str) -> VerificationKey | None:
            return keys.find(kid, now)

        return verify(token, find_key=find, issuers={"https://id.example"}, audiences={AUDIENCE}, now=now)

    def put_client(self, client: Client) -> Client:
        """Store a client, or change it without the service."""
        vars(self.store)["_clients"][client.client_id] = client
        return client

    def put_user(self, user: User) -> None:
        """Change an account without the service, as an operator would."""
        vars(self.store)["_users"][user.sub] = user

    def set_retry_limit(self, limit: int) -> None:
        """Change how many late retries in a row are allowed."""
        self.source.held = replace(self.source.held, refresh_retry_limit=limit)


def small_policy() -> SigningPolicy:
    """Return a signing policy with small fast keys."""
    counter = itertools.count(1)
    moment = Moment(NOW, lambda size: next(counter).to_bytes(size, "big"))
    return first_policy("https://id.example", Algorithm.ES256, Lifetimes(), moment)

"""The services with which operators change what gives authority, over one store in memory."""

from __future__ import annotations

from latchkey.core.clients.admin import ClientAdmin
from latchkey.core.clients.api_keys import ApiKeyAdmin
from latchkey.core.credentials.passwords import CHEAPEST_FOR_TESTS, NO_PASSWORD
from latchkey.core.model import Client, ClientKind, Credential, Partner, User, UserStatus
from latchkey.core.partners.admin import PartnerAdmin
from latchkey.core.roles.admin import RoleAdmin
from latchkey.core.roles.permissions import PermissionAdmin
from latchkey.core.roles.roles import BUILT_IN, CustomRoles, Operator, StoredRoles
from latchkey.core.users.admin import UserAdmin
from latchkey.core.users.transfer import UserTransfer
from tests.partner_world import Published
from tests.world import NOW, World, small_policy

POLICY = small_policy()


class OperatorWorld(World):
    """A stack that declares `orders:read` and `orders:write`, without roles of its own unless some are given."""

    def __init__(self, roles: dict[str, str] | None = None, *, customer_roles: tuple[str, ...] = ("user",)) -> None:
        super().__init__(POLICY)
        declared = ("orders:read", "orders:write")
        self.store.replace_roles(CustomRoles(1, roles or {}, permissions=declared, customer_roles=customer_roles))
        self.role_admin = RoleAdmin(self.store, self.journal)
        self.permission_admin = PermissionAdmin(self.store, self.journal)
        roles_now = StoredRoles(self.role_admin.registry)
        self.client_admin = ClientAdmin(self.store, roles_now, self.journal, self.entropy)
        self.key_admin = ApiKeyAdmin(self.store, roles_now, self.journal, self.entropy)
        self.partner_admin = PartnerAdmin(
            partners=self.store,
            clients=self.store,
            keys=Published(),
            names=self.source,
            roles=roles_now,
            journal=self.journal,
            entropy=self.entropy,
        )
        self.user_admin = UserAdmin(
            users=self.store,
            credentials=self.store,
            partner_links=self.store,
            standing=self.store,
            devices=self.store,
            accounts=self.accounts,
            sessions=self.sessions,
            roles=roles_now,
            journal=self.journal,
            outbox=self.outbox,
        )
        self.transfer = UserTransfer(
            users=self.store,
            credentials=self.store,
            links=self.store,
            roles=roles_now,
            journal=self.journal,
            entropy=self.entropy,
            cost=CHEAPEST_FOR_TESTS,
        )

    def operator(self, *permissions: str) -> Operator:
        """Return an operator who holds these permissions and those of every user."""
        return Operator("usr_operator", (*BUILT_IN.permissions(("user",)), *permissions), NOW)

    def boss(self) -> Operator:
        """Return an admin."""
        return Operator("usr_boss", self.role_admin.registry().permissions(("admin",)), NOW)

    def user(self, name: str, *roles: str, status: UserStatus = UserStatus.ACTIVE) -> User:
        """Store an account without the service."""
        user = User(f"usr_{name}", f"{name}@example.com", status, roles, 0, NOW)
        self.store.create_user(user, Credential(user.login, user.sub, NO_PASSWORD, 0))
        return user

    def client(
        self, name: str, *, roles: tuple[str, ...] = (), scopes: tuple[str, ...] = (), first_party: bool = False
    ) -> Client:
        """Store a confidential client without the service."""
        client = Client(
            f"cli_{name}",
            ClientKind.CONFIDENTIAL,
            name,
            NOW,
            secret_hashes=("0" * 64,),
            scopes=scopes,
            roles=roles,
            first_party=first_party,
        )
        self.store.create_client(client)
        return client

    def partner(
        self,
        name: str,
        *,
        role_map: dict[str, str] | None = None,
        default_roles: tuple[str, ...] = ("user",),
        scopes: tuple[str, ...] = ("openid",),
    ) -> Partner:
        """Store a partner without the service."""
        partner = Partner(
            f"prt_{name}",
            name,
            f"https://{name}.example",
            NOW,
            keys={"k1": "{}"},
            role_map=role_map or {},
            default_roles=default_roles,
            scopes=scopes,
        )
        assert self.store.create_partner(partner)
        return partner

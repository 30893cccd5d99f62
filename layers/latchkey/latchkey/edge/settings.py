"""Settings from the environment, read and checked once: a stack with a wrong setting does not start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class BadSettings(RuntimeError):
    """The environment of the function is not the one that the template sets."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the functions that hold data. Lifetimes are in seconds.

    A secret that the function may not read is an empty text.
    """

    table: str
    signing_secret: str
    seal_secret: str
    audience: str
    registration: str
    mail_from: str
    password_min_length: int
    service_name: str
    allowed_sources: tuple[str, ...]
    throttled: bool
    policy_cache: int
    auth_mode: str
    max_sessions: int

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings. Raises `BadSettings`, which names the variable at fault."""
        env = Environment(environ)
        return cls(
            table=env.text("LATCHKEY_TABLE"),
            signing_secret=env.text("LATCHKEY_SIGNING_SECRET", ""),
            seal_secret=env.text("LATCHKEY_SEAL_SECRET", ""),
            audience=env.text("LATCHKEY_AUDIENCE"),
            registration=_registration(env),
            mail_from=env.text("LATCHKEY_MAIL_FROM", ""),
            password_min_length=env.number("LATCHKEY_PASSWORD_MIN_LENGTH", 8, low=8, high=64),
            service_name=env.text("LATCHKEY_SERVICE_NAME", "latchkey"),
            allowed_sources=env.words("LATCHKEY_ALLOWED_SOURCES"),
            throttled=env.choice("LATCHKEY_LIMITS", ("on", "off"), "on") == "on",
            policy_cache=env.number("LATCHKEY_POLICY_CACHE", 60, low=1, high=60),
            auth_mode=env.auth_mode(),
            max_sessions=env.number("LATCHKEY_MAX_SESSIONS", 100, low=1, high=1000),
        )

    @property
    def confirms(self) -> bool:
        """Whether an account begins with the confirmation of its e-mail address."""
        return self.registration == "confirm"


@dataclass(frozen=True, slots=True)
class Environment:
    """Reads typed values out of environment variables. An empty variable counts as absent."""

    environ: Mapping[str, str]

    def text(self, name: str, default: str | None = None) -> str:
        """Return the value. Raises `BadSettings` if it is absent and there is no default."""
        value = self.environ.get(name) or default
        if value is None:
            raise BadSettings(f"{name} is not set")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """Return one of the allowed values."""
        value = self.text(name, default)
        if value not in allowed:
            raise BadSettings(f"{name} must be one of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number between the bounds, both included."""
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise BadSettings(f"{name} must be a whole number from {low} to {high}")
        return int(value)

    def flag(self, name: str) -> bool:
        """Return whether the value is `true`. An absent value is `false`."""
        return self.choice(name, ("true", "false"), "false") == "true"

    def auth_mode(self) -> str:
        """Return how machines may authenticate: with `bearer` tokens, with an `api-key` in its header, or with both."""
        return self.choice("LATCHKEY_AUTH_MODE", ("bearer", "api-key", "both"), "both")

    def words(self, name: str) -> tuple[str, ...]:
        """Return the parts of a comma-separated list. An absent list is empty."""
        return tuple(part for part in (word.strip() for word in self.environ.get(name, "").split(",")) if part)


def _registration(env: Environment) -> str:
    """Return how people register. `auto` confirms addresses by mail if the stack sends mail; otherwise it is closed."""
    sends = bool(env.text("LATCHKEY_MAIL_FROM", ""))
    how = env.choice("LATCHKEY_REGISTRATION", ("auto", "open", "confirm", "closed"), "auto")
    if how == "confirm" and not sends:
        raise BadSettings("LATCHKEY_REGISTRATION is confirm, which needs LATCHKEY_MAIL_FROM")
    if how == "auto":
        return "confirm" if sends else "closed"
    return how

"""The start-up screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from infra.local.dev_file import FOLDER
from infra.local.mail import PATH as MAIL_PATH

if TYPE_CHECKING:
    from infra.local.options import Options

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def show(address: str, document: dict[str, Any], options: Options) -> None:
    """Show the address of the twin, how to try it, and where its secrets and data are."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"\n[bold]Latchkey[/bold] runs at [bold cyan]{address}[/bold cyan]")
    if document["issuer"] != address:
        console.print(f"Issuer       {document['issuer']}")
    _show_admin(console, address, document.get("admin"))
    for client in document["clients"]:
        proof = client["client_secret"] or "public, no secret"
        console.print(escape(f"Client       {client['name']}: {client['client_id']}, {proof}"))
    console.print(escape(f"API key      {document['api_key']}"))
    console.print(f"Stored in    {FOLDER}/dev.json")
    kept = (
        f"stored in {options.data}" if options.data else "in memory only: lost when the twin stops (DATA=file keeps it)"
    )
    console.print(f"Data         {kept}")
    console.print(f"Mail         {address}{MAIL_PATH}")
    if not options.limits:
        console.print("Limits       off: repeated attempts are not throttled")
    if options.host not in _LOOPBACK:
        console.print(
            "[bold yellow]Warning[/bold yellow]      this twin is for you alone, but your network can reach it"
        )
    console.print("\nCtrl-C stops it.\n")


def _show_admin(console: Console, address: str, admin: dict[str, str] | None) -> None:
    """Show how to sign in as the admin, or how to create one."""
    if admin is None:
        console.print("\nThere is no admin yet. To create one, run in this folder:\n  latchkey init-admin --local\n")
        return
    body = f'{{"login":"{admin["login"]}","password":"{admin["password"]}"}}'
    console.print("\nSign in as the admin:")
    console.print(escape(f"  curl -s {address}/v1/auth/login -H 'Content-Type: application/json' -d '{body}'"))
    console.print("Then, with its access_token:")
    console.print(f'  curl -s {address}/v1/hello -H "Authorization: Bearer $TOKEN"\n')

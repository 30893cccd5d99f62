"""Keep the twin's data in a file: SQLite stores a copy of the table and the secrets after every write."""

from __future__ import annotations

import base64
import json
import sqlite3
from typing import TYPE_CHECKING, Any

from infra.local.aws.backend import LOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from botocore.client import BaseClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (table_name TEXT, key TEXT, item TEXT NOT NULL, PRIMARY KEY (table_name, key));
CREATE TABLE IF NOT EXISTS secrets (secret_id TEXT PRIMARY KEY, versions TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT NOT NULL);
"""
_LABELS = ("AWSPREVIOUS", "AWSCURRENT", "AWSPENDING")
_SECRET_WRITES = frozenset({"CreateSecret", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"})

Key = tuple[str, dict[str, Any]]


class UnusableFile(ValueError):
    """The twin cannot use this file as its database."""


class Mirror:
    """One SQLite file. It holds each write before the caller of AWS gets the response, so `kill -9` loses nothing."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, readable only by its owner. Raise `UnusableFile`, also while a twin uses it."""
        try:
            path.touch(mode=0o600)
            # Several threads use it, but only under the lock of the AWS calls.
            self._file = sqlite3.connect(path, timeout=0, check_same_thread=False, isolation_level=None)
            # Two twins would each work on their own copy in memory, and could give one login to two users.
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise UnusableFile(f"{path}: {error}") from error
        self._restoring = False

    def observe(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        """Copy what a successful call wrote."""
        if self._restoring:
            return  # a secret that is only half restored must not replace the one in the file
        service = client.meta.service_model.service_name
        if service == "dynamodb":
            self._copy_items(client, touched_keys(operation, parameters), put_items(operation, parameters))
        elif service == "secretsmanager" and operation in _SECRET_WRITES:
            self._copy_secret(client, parameters.get("SecretId") or parameters["Name"])

    def restore(self, dynamodb: DynamoDBClient, secrets: SecretsManagerClient) -> None:
        """Write everything in the file back to AWS. The tables must exist."""
        self._restoring = True
        for table, item in self._read("SELECT table_name, item FROM items"):
            dynamodb.put_item(TableName=table, Item=_decode(item))
        for secret_id, versions in self._read("SELECT secret_id, versions FROM secrets"):
            _restore_secret(secrets, secret_id, json.loads(versions))
        self._restoring = False

    def note(self, name: str) -> Any:
        """Return a note of the twin, or `None`."""
        rows = self._read("SELECT text FROM notes WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def write_note(self, name: str, value: object) -> None:
        """Store a note of the twin."""
        with LOCK:
            self._file.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(value)))

    def close(self) -> None:
        """Close the file."""
        with LOCK:
            self._file.close()

    def _read(self, query: str, parameters: tuple[str, ...] = ()) -> list[Any]:
        with LOCK:
            return self._file.execute(query, parameters).fetchall()

    def _copy_items(self, client: Any, keys: Iterable[Key], known: Mapping[str, Any]) -> None:
        """Store the items of these keys, all or none. Read back those whose content is not known."""
        found = [
            (table, key, known.get(_encode((table, key))) or _read_back(client, table, key)) for table, key in keys
        ]
        if not found:
            return
        self._file.execute("BEGIN")
        for table, key, answer in found:
            self._file.execute("DELETE FROM items WHERE table_name = ? AND key = ?", (table, _encode(key)))
            if "Item" in answer:
                row = (table, _encode(key), _encode(answer["Item"]))
                self._file.execute("INSERT INTO items VALUES (?, ?, ?)", row)
        self._file.execute("COMMIT")

    def _copy_secret(self, client: Any, secret_id: str) -> None:
        name = client.describe_secret(SecretId=secret_id)["Name"]
        listed = client.list_secret_version_ids(SecretId=secret_id)["Versions"]
        versions = [
            {
                "id": version["VersionId"],
                "stages": version["VersionStages"],
                "text": client.get_secret_value(SecretId=secret_id, VersionId=version["VersionId"])["SecretString"],
            }
            for version in listed
        ]
        self._file.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?)", (name, json.dumps(versions)))


def touched_keys(operation: str, parameters: Mapping[str, Any]) -> list[Key]:
    """Return table and key of every item that a DynamoDB call can have written."""
    if operation == "TransactWriteItems":
        actions = [action for entry in parameters["TransactItems"] for action in entry.items()]
        return [_key(part) for name, part in actions if name != "ConditionCheck"]
    if operation == "BatchWriteItem":
        writes = [(table, write) for table, batch in parameters["RequestItems"].items() for write in batch]
        return [_key({"TableName": table, **part}) for table, write in writes for part in write.values()]
    if operation in {"PutItem", "UpdateItem", "DeleteItem"}:
        return [_key(parameters)]
    return []


def put_items(operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items that a call put, by table and key. DynamoDB stores them exactly as they were sent."""
    match operation:
        case "TransactWriteItems":
            puts = [action["Put"] for action in parameters["TransactItems"] if "Put" in action]
        case "BatchWriteItem":
            batches = parameters["RequestItems"].items()
            puts = [{"TableName": table, **each["PutRequest"]} for table, batch in batches for each in batch]
        case "PutItem":
            puts = [parameters]
        case _:
            puts = []
    return {_encode(_key(put)): {"Item": put["Item"]} for put in puts}


def _read_back(client: Any, table: str, key: dict[str, Any]) -> Any:
    return client.get_item(TableName=table, Key=key, ConsistentRead=True)


def _key(part: Mapping[str, Any]) -> Key:
    source = part.get("Key") or part["Item"]
    return part["TableName"], {"pk": source["pk"], "sk": source["sk"]}


def _restore_secret(secrets: SecretsManagerClient, name: str, versions: list[dict[str, Any]]) -> None:
    """Write the versions of a secret, the oldest first. A version without a label is never read and is dropped."""
    labelled = {stage: version for version in versions for stage in version["stages"]}
    exists = False
    for label in _LABELS:
        version = labelled.get(label)
        if version is None or (label == "AWSPENDING" and version is labelled.get("AWSCURRENT")):
            continue
        if not exists:
            secrets.create_secret(Name=name, SecretString=version["text"], ClientRequestToken=version["id"])
            exists = True
        else:
            stages = [label] if label == "AWSPENDING" else ["AWSCURRENT"]
            secrets.put_secret_value(
                SecretId=name, SecretString=version["text"], ClientRequestToken=version["id"], VersionStages=stages
            )


def _encode(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=_encode_bytes)


def _encode_bytes(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


def _decode(text: str) -> Any:
    return json.loads(text, object_hook=_decode_bytes)


def _decode_bytes(members: dict[str, Any]) -> Any:
    """Undo `_encode_bytes`. An attribute named `base64` holds a typed value and never plain text."""
    text = members.get("base64") if len(members) == 1 else None
    return base64.b64decode(text) if isinstance(text, str) else members

"""The rights that template.yaml gives to functions, against those that the tests made them use.

`make test` runs it after all tests: each twin notes what its functions use (`infra.local.aws.rights`). A right that
nothing used is removed from the template, or excused here.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from infra.packaging import template as source
from infra.packaging.template import Template

PARAMETRISED = (("SendsMail",), ("SendsMail", "AllowsHS256"))
"""The conditions under which the twins of the tests run, as far as they change a role."""

_POLLED = "Lambda reads the stream with the role of the function, which has no code for it"
_RACE = "an export that reads a login while it changes; test_export_follows_a_login_that_changes drives it"
EXCUSES: Mapping[str, str] = {
    "MailerFunction dynamodb:DescribeStream Table.StreamArn": _POLLED,
    "MailerFunction dynamodb:GetRecords Table.StreamArn": _POLLED,
    "MailerFunction dynamodb:GetShardIterator Table.StreamArn": _POLLED,
    "MailerFunction dynamodb:ListStreams Table/stream/*": _POLLED,
    "TransferFunction dynamodb:GetItem Table LOGIN#*": _RACE,
}
"""The rights that no test can use on a twin, and why the template gives them nevertheless."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One action of a function on one resource. `items` is the pattern, or the type, of its partition keys."""

    function: str
    action: str
    resource: str
    items: str = ""

    def __str__(self) -> str:
        return f"{self.function} {self.action} {self.resource} {self.items}".rstrip()

    def covers(self, used: Right) -> bool:
        """Return whether this right, of the template, is the one that a function used."""
        return (self.function, self.action, self.resource) == (used.function, used.action, used.resource) and (
            fnmatchcase(used.items, self.items or "*")
        )


def given(template: Template) -> Iterator[Right]:
    """Yield every right of every function, by the logical ids of the template."""
    for name, function in source.resources(template, "AWS::Serverless::Function").items():
        for grant in source.grants(function["Properties"]):
            for items in grant.items or {""}:
                yield Right(name, grant.action, _named(grant.resource), items)


def _named(resource: str) -> str:
    """Return a resource as the twin names it: an index by its table, and an SES identity not at all."""
    return "" if ":ses:" in resource else resource.replace("${Table.Arn}", "Table")


def noted(folder: Path) -> Iterator[Right]:
    """Yield what the twins noted, each in a file of its own."""
    lines = {line for path in folder.glob("*.txt") for line in path.read_text().splitlines()}
    for line in lines:
        function, action, resource, items = (*line.split(" "), "", "")[:4]
        yield Right(function, action, resource, items)


def is_shared(right: Right) -> bool:
    """Return whether the functions of a twin share what this right reads.

    They run in one process, which keeps the secrets and the configuration for a second. So the function that reads is
    the first one that asks, and another one every time. `test_secret_readers.py` holds who may read a secret.
    """
    return right.action == "secretsmanager:GetSecretValue" or right.items == "CONFIG"


def idle(rights: Iterable[Right], used: Collection[Right]) -> list[str]:
    """Return the rights that were not used, in order."""
    own = (right for right in sorted(set(rights)) if not is_shared(right))
    return [str(right) for right in own if not any(right.covers(each) for each in used)]


def complaints(found: Collection[str], excused: Collection[str]) -> Iterator[str]:
    """Yield what is wrong: a right that nothing used and no one excuses, or an excuse that is not needed."""
    for right in sorted(set(found) - set(excused)):
        yield f"No test used it. Remove it from template.yaml, or drive the path that needs it by a test: {right}"
    for right in sorted(set(excused) - set(found)):
        yield f"The excuse is not needed: {right}"


def main(arguments: list[str]) -> int:
    """Compare the notes in a folder with the template. Return 1 and name each difference if there are any."""
    [folder] = arguments
    rights = [right for conditions in PARAMETRISED for right in given(source.load(*conditions))]
    found = list(complaints(idle(rights, set(noted(Path(folder)))), EXCUSES))
    for each in found:
        sys.stderr.write(f"{each}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

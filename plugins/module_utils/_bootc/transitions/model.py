# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is wished to become, and how it gets there, as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple, Union

from ..._device.markers import RollbackMark
from ..status import Status

Command = Tuple[str, ...]

UPGRADE: Command = ("bootc", "upgrade", "--quiet")
ARM: Command = ("bootc", "upgrade", "--quiet", "--from-downloaded")
PARK: Command = ("bootc", "upgrade", "--quiet", "--download-only")
ROLLBACK: Command = ("bootc", "rollback")
# ostree always lists a staged deployment first; the index is looked up again right before it is used.
UNDEPLOY_STAGED: Command = ("ostree", "admin", "undeploy", "0")

# What is staged is parked then: no shutdown makes it what boots next.
LOCK: Command = ("ostree", "admin", "lock-finalization")

CONTAINER_POLICY = "containerPolicy"

# The rollbacks a host remembers, newest last.
History = Tuple[RollbackMark, ...]


@dataclass(frozen=True)
class Switch:
    """This image boots next or, with ``park``, is only kept ready: no reboot applies it.

    ``image`` is what bootc is told. Without ``enforce_signature`` a demand for a signature stays as it is for the image
    that is tracked already. ``accept`` holds every digest that counts as the wanted content; empty means that
    the content is not known and the name decides. ``digest`` is what the host will report, where that is known.
    ``by_name`` says that the content was only looked up for a tag, so that on ostree the name to track counts too.
    """

    image: str
    transport: str = "registry"
    enforce_signature: bool = False
    retain: bool = False
    accept: frozenset[str] = frozenset()
    digest: str | None = None
    by_name: bool = False
    park: bool = False


@dataclass(frozen=True)
class Update:
    """The newest content of the tracked image is staged, or with ``park`` at least downloaded.

    ``accept`` and ``digest`` as for Switch: what the tracked reference, or its ``tag``, resolves to now. Content the
    host was taken back from is not staged again, and nothing is staged over a queued rollback, unless ``repeat`` is
    set. With ``tag`` the host follows that tag of its repository from then on. ``from_downloaded`` takes what is
    parked, whatever the registry has.
    """

    park: bool = False
    accept: frozenset[str] = frozenset()
    digest: str | None = None
    repeat: bool = False
    history: History = ()
    tag: str | None = None
    from_downloaded: bool = False


@dataclass(frozen=True)
class Rollback:
    """The rollback deployment boots next, unless the host already came back from it.

    ``forward`` says that the rollback deployment is the newer one: the host is not being taken back.
    """

    discard_staged: bool = False
    repeat: bool = False
    forward: bool = False
    history: History = ()


@dataclass(frozen=True)
class NothingStaged:
    """What is staged goes, armed or parked."""


Desired = Union[Switch, Update, Rollback, NothingStaged]


@dataclass(frozen=True)
class Transition:
    """How to get there.

    ``accept`` are the digests the staged slot may have afterwards, empty when any will do. ``uncertain`` says that the
    content could not be known beforehand, so that even "nothing new" would be a valid outcome. ``queued_elsewhere``
    says that the rollback deployment boots next for a reason that is not known here. ``by_name`` says that
    what is staged has to have the predicted name too, as its content alone would not prove it.
    """

    commands: tuple[Command, ...]
    predicted: Status
    note: str = ""
    discards: tuple[str, ...] = ()
    accept: frozenset[str] = frozenset()
    uncertain: bool = False
    already_rolled_back: bool = False
    queued_elsewhere: bool = False
    by_name: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.commands)

    @property
    def reboot_required(self) -> bool:
        return self.predicted.reboot_required

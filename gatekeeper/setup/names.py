"""How a set-up calls what it makes: every name follows from the gate's own, so that two gates never share one."""

import re
from pathlib import Path

from msgspec import Struct

FIRST = "gate"
_FITS = re.compile(r"[a-z][a-z0-9]{0,20}")
"""No hyphen: it stands between a gate's name and what follows it in a unit's name."""


class Names(Struct, frozen=True):
    """The names of one gate's users, units and files."""

    gate: str

    @property
    def user(self) -> str:
        """The Unix user that the Librarian and the doors run as."""
        return "gatekeeper" if self.gate == FIRST else f"gatekeeper-{self.gate}"

    @property
    def librarian(self) -> str:
        """The unit of `gatekeeper run`."""
        return f"gatekeeper-{self.gate}.service"

    @property
    def door(self) -> str:
        """The unit of `gatekeeper socket`."""
        return f"gatekeeper-{self.gate}-door.service"

    def site(self, site: str) -> str:
        """Return the unit of `gatekeeper steward SITE`."""
        return f"gatekeeper-{self.gate}-site-{site}.service"

    def is_unit(self, unit: str) -> bool:
        """Return whether a unit's name can only be one of this gate's."""
        return re.fullmatch(rf"gatekeeper-{self.gate}(-door|-site-[a-z0-9-]+)?\.service", unit) is not None

    def unit_file(self, unit: str) -> Path:
        """Return where systemd looks for what an operator installs."""
        return Path("/etc/systemd/system") / unit

    @property
    def sshd(self) -> Path:
        """The drop-in of the SSH door."""
        return Path("/etc/ssh/sshd_config.d") / f"gatekeeper-{self.gate}.conf"

    def comment(self, role: str) -> str:
        """Return the comment of a user that setup makes: it proves, in a file of root's, whose the user is."""
        return f"{self._mark}{role})"

    def made(self, comment: str) -> bool:
        """Return whether a user with this comment was made by this gate's setup."""
        return comment.startswith(self._mark)

    def of_another_gate(self, comment: str) -> bool:
        """Return whether a user with this comment was made by the setup of another gate."""
        return comment.startswith("Gatekeeper ") and not self.made(comment)

    @property
    def _mark(self) -> str:
        return f"Gatekeeper {self.gate} ("


def fits(name: str) -> bool:
    """Return whether a gate can be called so."""
    return _FITS.fullmatch(name) is not None

"""Errors of databases and state folders: what is kept, how, and what comes back of a backup.

`core/errors.py` holds them too: there the whole tree is found.
"""

from __future__ import annotations

from fairlead.core.failure import Code, FairleadError
from fairlead.core.setup_errors import SetupError, StateInvalid


class StateDamaged(StateInvalid):
    """What a database holds cannot be read: the disk has lost some of it, or it is no database."""

    id, name = "FRL-2302", "STATE_DAMAGED"


class StateNewer(StateInvalid):
    """A state of a format that only a later release knows. Nothing in it was changed."""

    id, name = "FRL-2303", "STATE_NEWER"


class StateConflict(FairleadError):
    """A rule of the database forbids the change: what must be there once is there already."""

    code = Code.CONFLICT
    id, name = "FRL-1307", "STATE_CONFLICT"


class StateValueInvalid(FairleadError):
    """A value that no database can keep: text with a NUL or half a character, a huge number."""

    code = Code.INVALID_ARGUMENT
    id, name = "FRL-1026", "STATE_VALUE_INVALID"


class DatabaseAddressInvalid(SetupError):
    """The address of a database cannot be used, or stands where others could read its password."""

    id, name = "FRL-2306", "DATABASE_ADDRESS_INVALID"


class BackupInvalid(SetupError):
    """A backup that is damaged, incomplete, altered, or no backup at all."""

    id, name = "FRL-2307", "BACKUP_INVALID"


class StateNotEmpty(SetupError):
    """A backup is to be restored into a folder that holds something."""

    id, name = "FRL-2308", "STATE_NOT_EMPTY"

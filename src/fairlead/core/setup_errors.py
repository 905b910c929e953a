"""Errors of setting up: an owner or operator gave us something wrong (files, settings).

`core/errors.py` holds them too: there the whole tree is found.
"""

from __future__ import annotations

from fairlead.core.failure import Code, FairleadError


class SetupError(FairleadError):
    code = Code.SETUP


class FileUnreadable(SetupError):
    """A file or folder is missing, unreadable or not what it should be."""

    id, name = "FRL-2001", "FILE_UNREADABLE"


class FormatUnknown(SetupError):
    """The trained file is of no format that is known here."""

    id, name = "FRL-2002", "FORMAT_UNKNOWN"


class MissingExtra(SetupError):
    """A library of an optional extra is needed and absent."""

    id, name = "FRL-2003", "EXTRA_MISSING"


class BadUsage(SetupError):
    """A command line or call that cannot be taken."""

    id, name = "FRL-2004", "USAGE"


class BadSetting(SetupError):
    """A setting that is unknown or has an impossible value."""

    id, name = "FRL-2005", "SETTING_INVALID"


class BindRefused(SetupError):
    """The address cannot be listened on, or must not be."""

    id, name = "FRL-2006", "BIND_REFUSED"


class IdentitiesInvalid(SetupError):
    """The file of issuers and certificates cannot be taken."""

    id, name = "FRL-2007", "IDENTITIES_INVALID"


class TlsInvalid(SetupError):
    """The certificate, its key, or the certificates of the client authority cannot be used."""

    id, name = "FRL-2008", "TLS_INVALID"


class TlsMissing(SetupError):
    """Other machines can reach the address, and what they send would travel in the clear."""

    id, name = "FRL-2009", "TLS_MISSING"


class ServerUnreachable(SetupError):
    """A server cannot be reached, or its answer did not come."""

    id, name = "FRL-2401", "SERVER_UNREACHABLE"


class AnswerUnreadable(SetupError):
    """An answer is none of a Fairlead server."""

    id, name = "FRL-2402", "ANSWER_UNREADABLE"


class UnsafeFile(SetupError):
    """The trained file asks for something that is not allowed, or lies about itself."""

    id, name = "FRL-2101", "FILE_UNSAFE"


class AirlockFailed(SetupError):
    """The airlock could not read the trained file within its limits."""

    id, name = "FRL-2102", "AIRLOCK_FAILED"


class AirlockWeak(SetupError):
    """This machine cannot give the airlock its protections."""

    id, name = "FRL-2103", "AIRLOCK_WEAK"


class VersionDrift(SetupError):
    """The trained file was made with library versions that cannot be read here."""

    id, name = "FRL-2104", "VERSION_DRIFT"


class ConversionFailed(SetupError):
    """No faithful way to serve the model was found."""

    id, name = "FRL-2105", "NOT_FAITHFUL"


class RowsInvalid(SetupError):
    """Reference or evaluation rows that cannot be read or do not fit the model."""

    id, name = "FRL-2106", "ROWS_INVALID"


class PackageInvalid(SetupError):
    """A package that is incomplete, altered or of an unknown format."""

    id, name = "FRL-2201", "PACKAGE_INVALID"


class VersionExists(SetupError):
    """The version is already in the repository; versions never change."""

    id, name = "FRL-2202", "VERSION_EXISTS"


class LoadFailed(SetupError):
    """A version could not be loaded."""

    id, name = "FRL-2203", "LOAD_FAILED"


class NothingWatched(SetupError):
    """Nothing has been seen yet that a report could be about."""

    id, name = "FRL-2204", "NOTHING_WATCHED"


class StateInvalid(SetupError):
    """A state file that is damaged, open to others, or of a format that is newer than this."""

    id, name = "FRL-2301", "STATE_INVALID"

"""Every error Fairlead can give, as one tree.

    FairleadError
      InvalidArgument      the caller's input is wrong
      OutOfSize            the caller's input is larger than a limit
      Unauthenticated      no caller is known
      PermissionDenied     the caller may not
      NotFound             no such model, version or address
      Conflict             the state of things forbids it
      ResourceExhausted    the caller's own limit is used up
      Unavailable          we cannot now; later may do
      DeadlineExceeded     accepted, but too late
      Unsupported          understood, and not done here
      ModelFailed          the model itself failed on this call
      Internal             our own fault
      SetupError           an owner or operator gave us something wrong (files, settings)

Codes are free of any transport: each wire owns one total table from `Code` to its own
status. Each concrete error has a stable `id` (FRL-nnnn) and `name`, the same on every wire,
in the log, on the command line and in `docs/reference/errors.md`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar


class Code(Enum):
    """What kind of failure it is, without a word of any protocol."""

    INVALID_ARGUMENT = "invalid_argument"
    OUT_OF_SIZE = "out_of_size"
    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MEDIA_TYPE = "media_type"
    CONFLICT = "conflict"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UNSUPPORTED = "unsupported"
    MODEL_FAILED = "model_failed"
    INTERNAL = "internal"
    SETUP = "setup"


CATALOGUE: dict[str, type[FairleadError]] = {}
"""Every concrete error by id; the reference page and a test are made from it."""


class FairleadError(Exception):
    """An error with a stable id that says what is wrong, where, and how to fix it.

    `where` names the place in the caller's own words: an input, a row, a column, a file, a line.
    Neither text ever holds a value of another caller, a path inside the server or a traceback.
    """

    code: ClassVar[Code] = Code.INTERNAL
    id: ClassVar[str] = ""
    name: ClassVar[str] = ""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.row = row
        self.column = column

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "id" in cls.__dict__:
            if cls.id in CATALOGUE:
                raise TypeError(f"error id {cls.id} is used twice")
            CATALOGUE[cls.id] = cls

    def line(self) -> str:
        """The error as one line for a terminal or a log."""
        text = f"{self.id} {self.what}" if self.id else self.what
        if self.where:
            text += f" ({self.where})"
        if self.fix:
            text += f". {self.fix}"
        return " ".join(text.split())


# --- the caller's input -----------------------------------------------------------------


class InvalidArgument(FairleadError):
    code = Code.INVALID_ARGUMENT


class MalformedBody(InvalidArgument):
    """The body is not what its format promises (broken JSON, CSV or framing)."""

    id, name = "FRL-1001", "BODY_MALFORMED"


class JsonTooDeep(InvalidArgument):
    """JSON nested deeper than 100 levels."""

    id, name = "FRL-1002", "JSON_TOO_DEEP"


class DuplicateName(InvalidArgument):
    """A JSON key, input, output or column is given twice."""

    id, name = "FRL-1003", "DUPLICATE_NAME"


class NotFinite(InvalidArgument):
    """NaN, Infinity or an overflow where the model takes finite numbers only."""

    id, name = "FRL-1004", "NOT_FINITE"


class ShapeInvalid(InvalidArgument):
    """A shape that is not the model's, is impossible, or does not fit the data."""

    id, name = "FRL-1005", "SHAPE_INVALID"


class DtypeRange(InvalidArgument):
    """A value that the declared datatype cannot hold exactly."""

    id, name = "FRL-1006", "DTYPE_RANGE"


class DtypeMismatch(InvalidArgument):
    """A value or a declared datatype of another type than the model's."""

    id, name = "FRL-1007", "DTYPE_MISMATCH"


class UnknownName(InvalidArgument):
    """An input, output, column or field that the model does not have."""

    id, name = "FRL-1008", "UNKNOWN_NAME"


class MissingField(InvalidArgument):
    """A required input, column or field is absent."""

    id, name = "FRL-1009", "MISSING_FIELD"


class TextInvalid(InvalidArgument):
    """Text that is not valid: NUL, a lone surrogate, broken UTF-8."""

    id, name = "FRL-1010", "TEXT_INVALID"


class ReservedParameter(InvalidArgument):
    """A request parameter that only the server may set."""

    id, name = "FRL-1011", "PARAMETER_RESERVED"


class BadRequestHead(InvalidArgument):
    """The request line or a header is not valid HTTP, or is ambiguous."""

    id, name = "FRL-1012", "HEAD_INVALID"


class BadParameter(InvalidArgument):
    """A request parameter or header with a value that cannot be used."""

    id, name = "FRL-1013", "PARAMETER_INVALID"


class OutOfSize(FairleadError):
    code = Code.OUT_OF_SIZE


class BodyTooLarge(OutOfSize):
    """The body is larger than the limit."""

    id, name = "FRL-1101", "BODY_TOO_LARGE"


class TooManyRows(OutOfSize):
    """More rows in one request than the limit."""

    id, name = "FRL-1102", "TOO_MANY_ROWS"


class AnswerTooLarge(OutOfSize):
    """The answer would be larger than the limit."""

    id, name = "FRL-1103", "ANSWER_TOO_LARGE"


class HeadTooLarge(FairleadError):
    """The request head (address or headers) is larger than the limit."""

    code = Code.OUT_OF_SIZE
    id, name = "FRL-1104", "HEAD_TOO_LARGE"


class MediaTypeUnsupported(FairleadError):
    """A content type or content coding that this address does not take."""

    code = Code.MEDIA_TYPE
    id, name = "FRL-1105", "MEDIA_TYPE_UNSUPPORTED"


class UrlTooLong(HeadTooLarge):
    """The address is longer than the limit."""

    id, name = "FRL-1106", "URL_TOO_LONG"


# --- who may, and where -----------------------------------------------------------------


class Unauthenticated(FairleadError):
    """No caller is known."""

    code = Code.UNAUTHENTICATED
    id, name = "FRL-1201", "UNAUTHENTICATED"


class PermissionDenied(FairleadError):
    """The caller may not do this."""

    code = Code.PERMISSION_DENIED
    id, name = "FRL-1202", "PERMISSION_DENIED"


class NotFound(FairleadError):
    code = Code.NOT_FOUND


class ModelNotFound(NotFound):
    """No such model or version is served."""

    id, name = "FRL-1301", "MODEL_NOT_FOUND"


class AddressNotFound(NotFound):
    """No such address."""

    id, name = "FRL-1302", "ADDRESS_NOT_FOUND"


class MethodNotAllowed(FairleadError):
    """The address exists; the method does not."""

    code = Code.METHOD_NOT_ALLOWED
    id, name = "FRL-1303", "METHOD_NOT_ALLOWED"


class Conflict(FairleadError):
    code = Code.CONFLICT


class ResourceExhausted(FairleadError):
    """The caller's own limit is used up."""

    code = Code.RESOURCE_EXHAUSTED
    id, name = "FRL-1401", "LIMIT_REACHED"


# --- we, and the model ------------------------------------------------------------------


class Unavailable(FairleadError):
    code = Code.UNAVAILABLE


class ModelNotReady(Unavailable):
    """The version is known but not ready."""

    id, name = "FRL-1501", "MODEL_NOT_READY"


class Overloaded(Unavailable):
    """The model's queue is full."""

    id, name = "FRL-1502", "OVERLOADED"


class Draining(Unavailable):
    """The server is shutting down."""

    id, name = "FRL-1503", "DRAINING"


class JournalUnavailable(Unavailable):
    """The answer could not be recorded, so it is not given."""

    id, name = "FRL-1504", "JOURNAL_UNAVAILABLE"


class DeadlineExceeded(FairleadError):
    """The deadline passed before the answer was ready."""

    code = Code.DEADLINE_EXCEEDED
    id, name = "FRL-1601", "DEADLINE_EXCEEDED"


class RequestTimeout(FairleadError):
    """The request did not arrive in time."""

    code = Code.DEADLINE_EXCEEDED
    id, name = "FRL-1602", "REQUEST_TIMEOUT"


class Unsupported(FairleadError):
    """Understood, and not done here."""

    code = Code.UNSUPPORTED
    id, name = "FRL-1701", "UNSUPPORTED"


class ModelFailed(FairleadError):
    code = Code.MODEL_FAILED


class ModelError(ModelFailed):
    """The model raised on this call."""

    id, name = "FRL-1801", "MODEL_ERROR"


class ModelBadAnswer(ModelFailed):
    """The model answered with a wrong count, shape, type or a non-finite number."""

    id, name = "FRL-1802", "MODEL_BAD_ANSWER"


class ModelCrashed(ModelFailed):
    """The model's process died on this call."""

    id, name = "FRL-1803", "MODEL_CRASH"


class ModelHung(ModelFailed):
    """The model exceeded its time budget on this call and was stopped."""

    id, name = "FRL-1804", "MODEL_HUNG"


class Internal(FairleadError):
    """A fault of ours; the details are in the log under the request id."""

    id, name = "FRL-1901", "INTERNAL"


# --- owners and operators ---------------------------------------------------------------


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

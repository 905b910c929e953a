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
      Declined             understood and computed, but the guards say not to answer
      Unsupported          understood, and not done here
      ModelFailed          the model itself failed on this call
      Internal             our own fault
      SetupError           an owner or operator gave us something wrong (files, settings)

Codes are free of any transport: each wire owns one total table from `Code` to its own
status. Each concrete error has a stable `id` (FRL-nnnn) and `name`, the same on every wire,
in the log, on the command line and in `docs/reference/errors.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from fairlead.core.access_errors import CallerSuspended as CallerSuspended
from fairlead.core.access_errors import CardIncomplete as CardIncomplete
from fairlead.core.access_errors import HandshakeFailed as HandshakeFailed
from fairlead.core.access_errors import HostRefused as HostRefused
from fairlead.core.access_errors import IdentityUnmapped as IdentityUnmapped
from fairlead.core.access_errors import IssuerUnavailable as IssuerUnavailable
from fairlead.core.access_errors import KeyExpired as KeyExpired
from fairlead.core.access_errors import KeyMalformed as KeyMalformed
from fairlead.core.access_errors import KeyReplaced as KeyReplaced
from fairlead.core.access_errors import KeyRevoked as KeyRevoked
from fairlead.core.access_errors import KeyUnknown as KeyUnknown
from fairlead.core.access_errors import NetworkRefused as NetworkRefused
from fairlead.core.access_errors import OriginRefused as OriginRefused
from fairlead.core.access_errors import PermissionDenied as PermissionDenied
from fairlead.core.access_errors import ResourceExhausted as ResourceExhausted
from fairlead.core.access_errors import TokenExpired as TokenExpired
from fairlead.core.access_errors import TokenMalformed as TokenMalformed
from fairlead.core.access_errors import TokenMisdirected as TokenMisdirected
from fairlead.core.access_errors import TokenUntrusted as TokenUntrusted
from fairlead.core.access_errors import TooManyAttempts as TooManyAttempts
from fairlead.core.access_errors import Unauthenticated as Unauthenticated
from fairlead.core.cost_errors import GoalImpossible as GoalImpossible
from fairlead.core.cost_errors import LogUnreadable as LogUnreadable
from fairlead.core.cost_errors import NotProfiled as NotProfiled
from fairlead.core.cost_errors import OfferUnknown as OfferUnknown
from fairlead.core.cost_errors import PlanInvalid as PlanInvalid
from fairlead.core.cost_errors import PlanNotFound as PlanNotFound
from fairlead.core.cost_errors import PowerUnknown as PowerUnknown
from fairlead.core.cost_errors import PricesInvalid as PricesInvalid
from fairlead.core.cost_errors import PricesUnreachable as PricesUnreachable
from fairlead.core.cost_errors import PriceUnknown as PriceUnknown
from fairlead.core.cost_errors import ProfileInvalid as ProfileInvalid
from fairlead.core.cost_errors import TenantExists as TenantExists
from fairlead.core.cost_errors import TenantInvalid as TenantInvalid
from fairlead.core.cost_errors import TenantNotFound as TenantNotFound
from fairlead.core.cost_errors import TrafficInvalid as TrafficInvalid
from fairlead.core.failure import CATALOGUE as CATALOGUE
from fairlead.core.failure import Code as Code
from fairlead.core.failure import FairleadError as FairleadError
from fairlead.core.input_errors import AboveLimit as AboveLimit
from fairlead.core.input_errors import AnswerTooLarge as AnswerTooLarge
from fairlead.core.input_errors import AnswerUnsure as AnswerUnsure
from fairlead.core.input_errors import BadParameter as BadParameter
from fairlead.core.input_errors import BadRequestHead as BadRequestHead
from fairlead.core.input_errors import BodyTooLarge as BodyTooLarge
from fairlead.core.input_errors import ContractBroken as ContractBroken
from fairlead.core.input_errors import Declined as Declined
from fairlead.core.input_errors import DtypeMismatch as DtypeMismatch
from fairlead.core.input_errors import DtypeRange as DtypeRange
from fairlead.core.input_errors import DuplicateName as DuplicateName
from fairlead.core.input_errors import HeadTooLarge as HeadTooLarge
from fairlead.core.input_errors import InputNovel as InputNovel
from fairlead.core.input_errors import InvalidArgument as InvalidArgument
from fairlead.core.input_errors import JsonTooDeep as JsonTooDeep
from fairlead.core.input_errors import KeyFieldInvalid as KeyFieldInvalid
from fairlead.core.input_errors import LabelUnassignable as LabelUnassignable
from fairlead.core.input_errors import LabelUnknown as LabelUnknown
from fairlead.core.input_errors import MalformedBody as MalformedBody
from fairlead.core.input_errors import MediaTypeUnsupported as MediaTypeUnsupported
from fairlead.core.input_errors import MissingField as MissingField
from fairlead.core.input_errors import NotFinite as NotFinite
from fairlead.core.input_errors import OutOfSize as OutOfSize
from fairlead.core.input_errors import PictureTooLarge as PictureTooLarge
from fairlead.core.input_errors import PictureUnreadable as PictureUnreadable
from fairlead.core.input_errors import ReservedParameter as ReservedParameter
from fairlead.core.input_errors import SequenceUnknown as SequenceUnknown
from fairlead.core.input_errors import ShapeInvalid as ShapeInvalid
from fairlead.core.input_errors import SignatureUnknown as SignatureUnknown
from fairlead.core.input_errors import TextInvalid as TextInvalid
from fairlead.core.input_errors import TextTooLong as TextTooLong
from fairlead.core.input_errors import TooManyRows as TooManyRows
from fairlead.core.input_errors import UnknownName as UnknownName
from fairlead.core.input_errors import UrlTooLong as UrlTooLong
from fairlead.core.setup_errors import AirlockFailed as AirlockFailed
from fairlead.core.setup_errors import AirlockWeak as AirlockWeak
from fairlead.core.setup_errors import AnswerUnreadable as AnswerUnreadable
from fairlead.core.setup_errors import BadSetting as BadSetting
from fairlead.core.setup_errors import BadUsage as BadUsage
from fairlead.core.setup_errors import BindRefused as BindRefused
from fairlead.core.setup_errors import ConversionFailed as ConversionFailed
from fairlead.core.setup_errors import FileUnreadable as FileUnreadable
from fairlead.core.setup_errors import FormatUnknown as FormatUnknown
from fairlead.core.setup_errors import IdentitiesInvalid as IdentitiesInvalid
from fairlead.core.setup_errors import LoadFailed as LoadFailed
from fairlead.core.setup_errors import MissingExtra as MissingExtra
from fairlead.core.setup_errors import NothingWatched as NothingWatched
from fairlead.core.setup_errors import PackageInvalid as PackageInvalid
from fairlead.core.setup_errors import RowsInvalid as RowsInvalid
from fairlead.core.setup_errors import ServerUnreachable as ServerUnreachable
from fairlead.core.setup_errors import SetupError as SetupError
from fairlead.core.setup_errors import StateInvalid as StateInvalid
from fairlead.core.setup_errors import TlsInvalid as TlsInvalid
from fairlead.core.setup_errors import TlsMissing as TlsMissing
from fairlead.core.setup_errors import UnsafeFile as UnsafeFile
from fairlead.core.setup_errors import VersionDrift as VersionDrift
from fairlead.core.setup_errors import VersionExists as VersionExists
from fairlead.core.state_errors import BackupInvalid as BackupInvalid
from fairlead.core.state_errors import DatabaseAddressInvalid as DatabaseAddressInvalid
from fairlead.core.state_errors import StateConflict as StateConflict
from fairlead.core.state_errors import StateDamaged as StateDamaged
from fairlead.core.state_errors import StateNewer as StateNewer
from fairlead.core.state_errors import StateNotEmpty as StateNotEmpty
from fairlead.core.state_errors import StateValueInvalid as StateValueInvalid

# --- what is not here, or not in that state ----------------------------------------------


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

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        """allowed: the methods that the address has; where GET is, HEAD is too."""
        super().__init__(f"{method} is not for this address", fix=f"Use {' or '.join(allowed)}")
        self.allowed = (*allowed, *(("HEAD",) if "GET" in allowed else ()))


class Conflict(FairleadError):
    code = Code.CONFLICT


class FeedbackOff(Conflict):
    """The model keeps no outcomes that true labels could be joined with."""

    id, name = "FRL-1304", "FEEDBACK_OFF"


class KeyNotFound(NotFound):
    """No key has this id or fits this pattern."""

    id, name = "FRL-1305", "KEY_NOT_FOUND"


class KeyRetired(Conflict):
    """A key that is revoked, expired or replaced already cannot be rotated."""

    id, name = "FRL-1306", "KEY_RETIRED"


class AlreadyLoaded(Conflict):
    """A platform loads a model under a name that a model has already."""

    id, name = "FRL-1308", "ALREADY_LOADED"


# --- we, and the model ------------------------------------------------------------------


class Unavailable(FairleadError):
    code = Code.UNAVAILABLE


class ModelNotReady(Unavailable):
    """The version is known but not ready."""

    id, name = "FRL-1501", "MODEL_NOT_READY"


class ModelAsleep(ModelNotReady):
    """The model is loaded once somebody asks for it, which begins now."""

    id, name = "FRL-1511", "MODEL_ASLEEP"
    park: Callable[[Callable[[], None], float], None] | None = None
    """Keeps what is to be called then; None where nobody can wait."""

    def wait(self, again: Callable[[], None], deadline: float = inf) -> None:
        """Calls `again` once it is loaded, or known why not, or the deadline (of `clock.now`) has
        passed. Raises Overloaded when too many wait, and itself where nobody can."""
        if self.park is None:
            raise self
        self.park(again, deadline)


class Overloaded(Unavailable):
    """The model's queue is full, a call's turn in it would come too late, or memory runs short."""

    id, name = "FRL-1502", "OVERLOADED"
    retry_after: int = 1
    """Seconds."""
    replies: dict[Any, Any] | None = None
    """Of an error that many calls are given, what each wire has made of it; None where it is one
    call's own."""


class Draining(Unavailable):
    """The server is shutting down."""

    id, name = "FRL-1503", "DRAINING"


class NoRoom(Unavailable):
    """The memory that is left is not enough for one more model."""

    id, name = "FRL-1509", "NO_ROOM"


class MemoryTooSmall(Unavailable):
    """A model takes more memory than all models of a worker may."""

    id, name = "FRL-1510", "MEMORY_TOO_SMALL"
    retry_after = None


class JournalUnavailable(Unavailable):
    """The answer could not be recorded, so it is not given."""

    id, name = "FRL-1504", "JOURNAL_UNAVAILABLE"


class FeedbackUnavailable(Unavailable):
    """The labels could not be recorded, so they are not taken."""

    id, name = "FRL-1505", "FEEDBACK_UNAVAILABLE"


class StateUnavailable(Unavailable):
    """A database cannot be read or written now. Nothing has changed: ask again later."""

    id, name = "FRL-1506", "STATE_UNAVAILABLE"


class StateUncertain(StateUnavailable):
    """The line to a database broke at the end of a change: it may be kept, or not."""

    id, name = "FRL-1508", "STATE_UNCERTAIN"


class LimitsUnavailable(Unavailable):
    """How much of a limit is left cannot be known now, so nothing of it is given."""

    id, name = "FRL-1507", "LIMITS_UNAVAILABLE"


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


class InputQuarantined(FairleadError):
    """The model's process died twice on these inputs, so they are refused for a while."""

    code = Code.DECLINED
    id, name = "FRL-1805", "INPUT_QUARANTINED"


class Internal(FairleadError):
    """A fault of ours; the details are in the log under the request id."""

    id, name = "FRL-1901", "INTERNAL"

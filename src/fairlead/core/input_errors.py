"""Errors of what a caller sends: not valid, too large, or declined by the guards.

`core/errors.py` holds them too: there the whole tree is found.
"""

from __future__ import annotations

from fairlead.core.failure import Code, FairleadError


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


class SignatureUnknown(FairleadError):
    """A client of TensorFlow Serving named a signature that the model does not have."""

    code = Code.CONFLICT
    id, name = "FRL-1035", "SIGNATURE_UNKNOWN"


class LabelUnknown(InvalidArgument):
    """A client of TensorFlow Serving named a label that points to no version of the model."""

    id, name = "FRL-1036", "LABEL_UNKNOWN"


class LabelUnassignable(FairleadError):
    """A label was to point to a version that does not answer."""

    code = Code.CONFLICT
    id, name = "FRL-1037", "LABEL_UNASSIGNABLE"


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


class ContractBroken(InvalidArgument):
    """A value that the model's contract does not allow."""

    id, name = "FRL-1014", "CONTRACT_BROKEN"


class Declined(FairleadError):
    code = Code.DECLINED


class InputNovel(Declined):
    """A row unlike those that the model was trained on."""

    id, name = "FRL-1015", "INPUT_NOVEL"


class AnswerUnsure(Declined):
    """An answer whose confidence is below the owner's goal."""

    id, name = "FRL-1016", "ANSWER_UNSURE"


class KeyFieldInvalid(InvalidArgument):
    """A scope, limit, network or other field of a key that cannot be taken."""

    id, name = "FRL-1017", "KEY_FIELD_INVALID"


class SequenceUnknown(InvalidArgument):
    """A call of a sequence that did not begin here, or of which nothing was heard for long."""

    id, name = "FRL-1040", "SEQUENCE_UNKNOWN"


class PictureUnreadable(InvalidArgument):
    """A picture that is none, is cut off, or is of a format that is not taken."""

    id, name = "FRL-1045", "PICTURE_UNREADABLE"


class OutOfSize(FairleadError):
    code = Code.OUT_OF_SIZE


class PictureTooLarge(OutOfSize):
    """A picture with more pixels than the model's owner allows."""

    id, name = "FRL-1046", "PICTURE_TOO_LARGE"


class TextTooLong(OutOfSize):
    """A text with more characters than the model's owner allows."""

    id, name = "FRL-1047", "TEXT_TOO_LONG"


class BodyTooLarge(OutOfSize):
    """The body, or what it would take in memory, is larger than the limit."""

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


class AboveLimit(OutOfSize):
    """One request asks for more than a limit ever allows at once."""

    id, name = "FRL-1107", "ABOVE_LIMIT"

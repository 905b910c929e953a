"""Errors of tenants, plans and what they cost.

`core/errors.py` holds them too: there the whole tree is found.
"""

from __future__ import annotations

from fairlead.core.failure import Code, FairleadError
from fairlead.core.setup_errors import SetupError


class PlanInvalid(FairleadError):
    """A plan with a field that is unknown or cannot be taken."""

    code = Code.INVALID_ARGUMENT
    id, name = "FRL-1021", "PLAN_INVALID"


class TenantInvalid(FairleadError):
    """A tenant with a name, time zone or state that cannot be taken."""

    code = Code.INVALID_ARGUMENT
    id, name = "FRL-1022", "TENANT_INVALID"


class PlanNotFound(FairleadError):
    """No plan, or no revision of it, has this name."""

    code = Code.NOT_FOUND
    id, name = "FRL-1023", "PLAN_NOT_FOUND"


class TenantNotFound(FairleadError):
    """No tenant has this name."""

    code = Code.NOT_FOUND
    id, name = "FRL-1024", "TENANT_NOT_FOUND"


class TenantExists(FairleadError):
    """A tenant of this name is there already."""

    code = Code.CONFLICT
    id, name = "FRL-1025", "TENANT_EXISTS"


class PriceUnknown(SetupError):
    """Usage was recorded under a price table that is not kept here."""

    id, name = "FRL-2320", "PRICE_UNKNOWN"

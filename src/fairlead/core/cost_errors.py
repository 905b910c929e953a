"""Errors of what serving costs (profiles, traffic, goals, prices) and of who pays (tenants, plans).

`core/errors.py` holds them too: there the whole tree is found.
"""

from __future__ import annotations

from fairlead.core.failure import Code, FairleadError
from fairlead.core.setup_errors import SetupError


class ProfileInvalid(SetupError):
    """A file that should hold a profile does not, or only a part of one."""

    id, name = "FRL-2501", "PROFILE_INVALID"


class NotProfiled(SetupError):
    """Nothing was measured of a version, and nothing is reckoned from guesses."""

    id, name = "FRL-2502", "NOT_PROFILED"


class TrafficInvalid(SetupError):
    """What is said of the expected traffic cannot be understood, or cannot be."""

    id, name = "FRL-2503", "TRAFFIC_INVALID"


class LogUnreadable(SetupError):
    """A log of requests is in no format that is known, or holds too few requests."""

    id, name = "FRL-2504", "LOG_UNREADABLE"


class GoalImpossible(SetupError):
    """No number of machines meets a goal: one call alone takes longer."""

    id, name = "FRL-2505", "GOAL_IMPOSSIBLE"


class PricesInvalid(SetupError):
    """A table of prices with rows that are missing, negative, in another currency, or not ours."""

    id, name = "FRL-2506", "PRICES_INVALID"


class OfferUnknown(SetupError):
    """A machine, a region, a provider or a kind of offer that no table names."""

    id, name = "FRL-2507", "OFFER_UNKNOWN"


class PricesUnreachable(SetupError):
    """A provider's price service did not answer, or not in the shape that it documents."""

    id, name = "FRL-2508", "PRICES_UNREACHABLE"


class PowerUnknown(SetupError):
    """Nobody has said what a machine draws, or what its electricity costs."""

    id, name = "FRL-2509", "POWER_UNKNOWN"


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

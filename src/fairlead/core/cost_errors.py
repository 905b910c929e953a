"""Errors of what is measured, expected and reckoned: profiles, traffic, goals, prices.

`core/errors.py` holds them too: there the whole tree is found.
"""

from __future__ import annotations

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

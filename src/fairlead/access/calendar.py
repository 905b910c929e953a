"""The calendar of core, as meters know it."""

from __future__ import annotations

from fairlead.core.calendar import Window as Window
from fairlead.core.calendar import window as window
from fairlead.core.calendar import zone as zone

"""The settings of [usage]: how calls are recorded, and what the machine costs that answers them."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.assembly.kinds import dollars, one_of, text, whole
from fairlead.assembly.setting import setting


@dataclass(frozen=True, slots=True)
class Usage:
    """How calls are recorded, and for how long."""

    durability: str = setting(
        "process",
        one_of("process", "power"),
        "What a record survives once its call is answered: the end of the process, or a power cut "
        "too. For that the disk has it before the answer leaves, which makes every answer slower.",
    )
    keep_segments_mib: int = setting(
        256,
        whole(16, 1_000_000),
        "Journal files of which everything is in the ledger are kept up to so many MiB.",
    )
    keep_days: int = setting(
        0,
        whole(0, 36_500),
        "Usage of months (UTC) that ended more days ago is dropped; 0 keeps it for ever.",
    )
    machine: str = setting(
        "",
        text("a machine such as aws/c7g.large", r"[^\s\0]{0,100}"),
        "The machine that the server runs on, as `fairlead prices show` names it: what an hour of "
        "it costs is put on record while the server runs, and calls are told what they cost.",
    )
    machine_region: str = setting(
        "",
        text("a region such as us-east-1", r"[^\s\0]{0,60}"),
        "The region of this machine, where the table prices it in several.",
    )
    machine_usd_per_hour: float = setting(
        0.0,
        dollars(100_000),
        "What an hour of the machine costs, where the owner knows better than the table or it is "
        "not in it; 0 leaves it to the table.",
    )

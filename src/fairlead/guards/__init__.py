"""Is the input meaningful, and is the answer sure enough?

Every guard is learnt at pack and can be used without a server:

    learn_novelty(rows)                    does a row come from where the training rows came from?
    learn_confidence(scores, labels)       how sure is an answer, and which answers to give?

Guards are numpy only, are saved without pickle, and never see each other.
"""

from fairlead.guards.confidence import Confidence, learn_confidence
from fairlead.guards.contract import Contract, learn_contract
from fairlead.guards.drift import Drift, learn_drift
from fairlead.guards.intervals import Intervals, learn_intervals
from fairlead.guards.novelty import Novelty, learn_novelty

__all__ = [
    "Confidence",
    "Contract",
    "Drift",
    "Intervals",
    "Novelty",
    "learn_confidence",
    "learn_contract",
    "learn_drift",
    "learn_intervals",
    "learn_novelty",
]

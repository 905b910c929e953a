"""`make bench`: Fairlead beside its peers, measured in one run on one machine.

Every promise about speed that the project makes is checked here. `python -m benchmarks --help`
says how to run a part or a shorter run; docs/explanation/performance.md says how to read it.
"""

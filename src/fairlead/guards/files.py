"""Where a package keeps its guards: paths relative to its folder."""

CONTRACT = "contract.toml"
NOVELTY = "guards/novelty.npz"
CONFIDENCE = "guards/confidence.npz"
INTERVALS = "guards/intervals.npz"

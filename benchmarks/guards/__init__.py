"""What the guards promise, measured: `python -m benchmarks.guards`."""

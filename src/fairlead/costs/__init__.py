"""What does it cost? Facts in, numbers out: profile, traffic, capacity, machines, prices, bill."""

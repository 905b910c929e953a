"""The numbers of docs/explanation/costs.md, each a command that prints what it found."""

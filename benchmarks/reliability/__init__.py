"""The promises of docs/explanation/reliability.md, each a command that prints N and failures."""

"""What the providers' public price services say, read: one file = one provider's documented shape.

Nothing here opens a connection. Only machines that the table knows are looked for: what a machine
is made of is not guessed from its name. Each gives prices by the name of the machine.
"""

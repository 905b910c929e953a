"""What can be bought: one file = one kind of offer, with its lines and why it may not be.

Each has `KINDS`, and knows of prices only what the table says. `costs/offering.py` lists them.
"""

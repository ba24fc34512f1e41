"""Machines besides the gate's own: what a ship asks of them over SSH, and the program there that does it."""

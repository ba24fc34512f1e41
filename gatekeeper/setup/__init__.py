"""The enforced set-up: what it needs of a machine, what of that is there, how it is made and taken back."""

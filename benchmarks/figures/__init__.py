"""One module a group of figures; each has `figures(*, full)`, which yields them."""

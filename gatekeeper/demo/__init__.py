"""The story that `gatekeeper demo` plays on a throw-away gate, with six real sites and nothing but public commands."""

"""What the doctor says of the cluster that checks run on, as the last heartbeat saw it. Pure, and asks nobody."""

from collections.abc import Iterator

from gatekeeper.config.words import is_loopback
from gatekeeper.doctor.finding import Facts, Finding, Level


def used(facts: Facts) -> bool:
    """Whether checks run elsewhere."""
    return facts.config.verify.executor != "local"


def cluster(facts: Facts) -> Iterator[Finding]:
    """Whether workers can be asked, and who else can ask them."""
    verify = facts.config.verify
    if facts.extra is not None:
        yield Finding(Level.WRONG, "cluster", facts.extra, "pip install 'git-gatekeeper[cluster]'")
    for text in facts.cluster:
        yield Finding(Level.WRONG, "cluster", text, f"{facts.command('tick')}   (tries again; docs/cluster.md)")
    if verify.executor.startswith("tcp://") and not is_loopback(verify.executor):
        text = f"Whoever reaches {verify.executor} can run code on its workers, and decide what they say of a check."
        level = Level.WRONG if facts.set_up else Level.NOTE
        yield Finding(
            level, "cluster", text, "In [verify]: a tls:// executor, tls_ca, tls_cert, tls_key (docs/cluster.md)"
        )
    for name in (verify.tls_ca, verify.tls_cert, verify.tls_key):
        if name is not None and facts.home.path / name not in facts.seen:
            yield Finding(
                Level.WRONG, "cluster", f"{facts.home.path / name} is not there.", "docs/cluster.md: Certificates"
            )

"""What Argo CD or Flux must be given to follow a mirror, from sites.toml alone. Pure; nothing of an agent's is in it.

One object says where to look, and one for each place in the tree what to apply from there.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from gatekeeper.config import words
from gatekeeper.config.problems import did_you_mean, visible
from gatekeeper.config.schema import Config
from gatekeeper.errors import Exit, GateError
from gatekeeper.model import RELEASE

Engine = Literal["argocd", "flux"]
Object = Mapping[str, Any]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A label of RFC 1123, which every name here must be: Kubernetes copies some of them into its own labels."""
_READ = ("https://", "http://", "ssh://")
_CLUSTER = "https://kubernetes.default.svc"
_OWN_NAMESPACE = {"argocd": "argocd", "flux": "flux-system"}
"""Where each engine looks for its objects when it was installed as its own pages say."""


class Wish(Struct, frozen=True):
    """For which engine; `mirror` is one of sites.toml's, `address` where the cluster reads it, if elsewhere."""

    engine: Engine
    name: str
    mirror: str | None = None
    address: str | None = None
    namespace: str | None = None
    """Where in the cluster the sites go; None: "default" to Argo CD, and to Flux whatever the manifests say."""


def objects(config: Config, wish: Wish) -> tuple[Object, ...]:
    """Return the objects, where to look first. Raises GateError for a name or address that the engine cannot take."""
    _named(wish.name, "The name")
    if wish.namespace is not None:
        _named(wish.namespace, "The namespace")
    url = address(config, wish)
    places = {f"{wish.name}-{site}": path for path, site in _first_of_each_path(config).items()}
    for name in places:
        _named(name, "The name of a site's object, of the gate's and the site's,")
    make = _argocd if wish.engine == "argocd" else _flux
    return make(wish, url, branch(config), places)


def address(config: Config, wish: Wish) -> str:
    """Return where the engine reads the mirror. Raises GateError where there is none that it could read."""
    url = wish.address or _mirror(config, wish)
    if (complaint := words.repository(url)) is not None:
        raise GateError(f'The address "{visible(url)}" cannot be used. {complaint}', exit=Exit.USAGE)
    scp = wish.engine == "argocd" and "://" not in url and not url.startswith("/")
    if not scp and not url.startswith(_READ):
        raise GateError(
            f'{_called(wish.engine)} cannot read "{url}": it takes https://, http:// and ssh:// addresses.',
            hints=(
                f"gatekeeper manifests --for {wish.engine} --address https://…   (the same mirror, from the cluster)",
            ),
            exit=Exit.USAGE,
        )
    return url


def branch(config: Config) -> str:
    """Return the branch that an engine follows: `release`, or the one that waits for the engine's word."""
    return config.external.branch if config.gate.ship == "external" else RELEASE.removeprefix("refs/heads/")


def file_name(one: Object) -> str:
    """Return what an object's file is called."""
    return f"{one['kind'].lower()}-{one['metadata']['name']}.json"


def _argocd(wish: Wish, url: str, follow: str, places: Mapping[str, str]) -> tuple[Object, ...]:
    """A project of its own, so that what requests write there can make nothing outside the namespace."""
    to = {"server": _CLUSTER, "namespace": wish.namespace or "default"}
    # without selfHeal a commit that was synced last is not synced again, and going back would do nothing
    always = {"automated": {"prune": True, "selfHeal": True}}
    project = {"sourceRepos": [url], "destinations": [to], "clusterResourceWhitelist": []}

    def application(path: str) -> Object:
        source = {"repoURL": url, "targetRevision": follow, "path": path}
        return {"project": wish.name, "source": source, "destination": to, "syncPolicy": always}

    version = "argoproj.io/v1alpha1"
    return (
        _made(version, "AppProject", wish, wish.name, project),
        *(_made(version, "Application", wish, name, application(path)) for name, path in places.items()),
    )


def _flux(wish: Wish, url: str, follow: str, places: Mapping[str, str]) -> tuple[Object, ...]:
    source = {"url": url, "interval": "1m", "ref": {"branch": follow}}
    common: dict[str, Any] = {"sourceRef": {"kind": "GitRepository", "name": wish.name}, "prune": True, "wait": True}
    common |= {"interval": "10m", "retryInterval": "1m", "timeout": "5m"}
    common |= {"targetNamespace": wish.namespace} if wish.namespace else {}
    places = {name: "./" if path == "." else f"./{path}" for name, path in places.items()}
    kind, version = "Kustomization", "kustomize.toolkit.fluxcd.io/v1"
    return (
        _made("source.toolkit.fluxcd.io/v1", "GitRepository", wish, wish.name, source),
        *(_made(version, kind, wish, name, {**common, "path": path}) for name, path in places.items()),
    )


def _made(version: str, kind: str, wish: Wish, name: str, spec: Object) -> Object:
    labels = {"app.kubernetes.io/managed-by": "gatekeeper", "app.kubernetes.io/part-of": wish.name}
    metadata = {"name": name, "namespace": _OWN_NAMESPACE[wish.engine], "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _first_of_each_path(config: Config) -> dict[str, str]:
    """Two sites may share a path: what is applied from there is one thing, and is named after the first."""
    found: dict[str, str] = {}
    for name, site in config.sites.items():
        found.setdefault(site.path, name)
    return found


def _named(name: str, what: str) -> None:
    if not _LABEL.fullmatch(name):
        raise GateError(
            f'{what} "{visible(name)}" is no name in a cluster: 1 to 63 of a-z, 0-9 and -, with no - at either end.',
            hints=("gatekeeper manifests --name shops …   (or give the site another name in sites.toml)",),
            exit=Exit.USAGE,
        )


def _mirror(config: Config, wish: Wish) -> str:
    urls = config.external.mirrors or config.mirror.urls
    if not config.mirror.urls:
        raise GateError(
            "sites.toml names no mirror, and an engine in a cluster follows a mirror: it never reads the gate itself.",
            hints=('Add [mirror] with urls = ["ssh://git@…/gate.git"] to sites.toml, then: gatekeeper config check',),
            exit=Exit.CONFIG,
        )
    if wish.mirror is not None and wish.mirror not in config.mirror.urls:
        near = did_you_mean(wish.mirror, config.mirror.urls) or f" Known: {', '.join(config.mirror.urls)}."
        raise GateError(f'sites.toml names no mirror "{visible(wish.mirror)}".{near}', exit=Exit.NOT_FOUND)
    if wish.mirror is None and len(urls) > 1:
        hints = tuple(f"gatekeeper manifests --for {wish.engine} --mirror {url}" for url in urls)
        raise GateError(
            "sites.toml names several mirrors. Say which one the engine reads.", hints=hints, exit=Exit.USAGE
        )
    return wish.mirror or urls[0]


def _called(engine: Engine) -> str:
    return "Argo CD" if engine == "argocd" else "Flux"

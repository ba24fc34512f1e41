"""`gatekeeper manifests`: what Argo CD or Flux must be given to follow the gate."""

import json
from pathlib import Path

import click

from gatekeeper.commands.home import closed_gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.config.load import load
from gatekeeper.repo.export import write_file
from gatekeeper.ship import manifests as making
from gatekeeper.ship.manifests import Engine, Object, Wish

_NOTES = {
    "argocd": "Argo CD must know how to read {url}: `argocd repo add` tells it.",
    "flux": "When {url} needs a key, add `secretRef` to the GitRepository: `flux create secret git` makes one.",
}


@click.command("manifests")
@click.option("--for", "engine", type=click.Choice(["argocd", "flux"]), required=True, help="Which engine follows.")
@click.option("--mirror", metavar="URL", help="Which mirror of sites.toml it reads, where there are several.")
@click.option("--address", metavar="URL", help="Where the cluster reads that mirror, when that is elsewhere.")
@click.option("--name", help="What the objects are called; default: the gate's folder.")
@click.option("--namespace", help="Where in the cluster the sites go.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Write a file an object, and print none.")
@as_json
@click.pass_obj
def manifests(  # noqa: PLR0913 - an option each
    folder: Path,
    *,
    engine: Engine,
    mirror: str | None,
    address: str | None,
    name: str | None,
    namespace: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print what makes Argo CD or Flux follow a mirror. One object says where to look, one a site what is applied.

    They are JSON, which `kubectl apply -f -` takes. With `ship = "external"` they follow the branch of [external],
    else `release`.

    Example: gatekeeper manifests --for flux --out ./follow
    """
    home = closed_gate_in(folder)
    config = load(home.sites_toml)
    wish = Wish(engine, name or home.path.name, mirror, address, namespace)
    found = making.objects(config, wish)
    files = _written(out, found) if out is not None else []
    if as_json:
        told = {"engine": engine, "url": making.address(config, wish), "branch": making.branch(config)}
        print_json(**told, objects=list(found), files=[str(file) for file in files])
        return
    for file in files:
        click.echo(f"written  {file}")
    if out is None:
        click.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(found)}, indent=1))
    click.echo(f"hint: {_NOTES[engine].format(url=making.address(config, wish))}", err=True)


def _written(out: Path, found: tuple[Object, ...]) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    files = [out / making.file_name(one) for one in found]
    for file, one in zip(files, found, strict=True):
        write_file(file, f"{json.dumps(one, indent=1)}\n".encode())
    return files

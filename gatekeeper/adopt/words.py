"""What `gatekeeper adopt` says: the sites as they were found, and the plan of the cut-over. Pure; no secret's value."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from gatekeeper.adopt.draft import Draft, Drafts
from gatekeeper.adopt.write import Written

_SHOWN = 5


def found(drafts: Drafts, written: Written, left: Collection[str]) -> Iterator[str]:
    """Say what runs there, how the gate is to run it, and what must be looked at; `left` are still to be taken."""
    running = "" if drafts.running else " It does not run: this is what `pm2 save` kept."
    yield f"pm2 of user {drafts.user} has {_count(len(drafts.drafts), 'site')}.{running}"
    yield from (f"passed over: {text}" for text in drafts.passed_over)
    for draft in drafts.drafts:
        yield ""
        yield from _site(draft, stays=draft.theirs.name in written.had)
    unsure = [
        (one.theirs.name, text) for one in drafts.drafts if one.theirs.name in written.sites for text in one.unsure
    ]
    if unsure:
        yield ""
        yield "Could not be known; look at it in sites.toml:"
        yield from (f"  {name}: {text}" for name, text in unsure)
    yield from _differences([draft for draft in drafts.drafts if draft.theirs.name in left])


def plan(home: str, pm2_home: str, drafts: Drafts, standing: Mapping[str, str]) -> Iterator[str]:
    """Say how the sites are taken over, one at a time, and where that stands; `standing` holds those that are left."""
    ids = " ".join(str(one) for draft in drafts.drafts for one in draft.theirs.ids)
    forget = f"PM2_HOME={pm2_home} pm2 delete {ids} && PM2_HOME={pm2_home} pm2 save"
    sites = list(standing)
    yield ""
    if not sites:
        yield f"Every site is the gate's own. So that no reboot starts them in their old pm2 too, as {drafts.user}:"
        yield f"  {forget}"
        return
    yield "The cut-over. A site is away from the end of its old process until its new one listens: about as long as it"
    yield "takes to start. The others are not touched. One that is not well here is stopped, and its old one started."
    yield f"  1  gatekeeper --gate {home} config check"
    yield f"  2  gatekeeper --gate {home} tick     # builds, checks and boots them all in the sandbox; touches no site"
    for number, name in enumerate(sites, 3):
        yield f"  {number}  gatekeeper --gate {home} adopt --apply {name:<12}  # {standing[name]}"
    last = len(sites) + 3
    yield f"     or all of them, stopping at the first that fails:  gatekeeper --gate {home} adopt --apply"
    yield f"  {last}  as {drafts.user}, so that no reboot starts them there again:"
    yield f"     {forget}"
    yield f"  {last + 1}  gatekeeper --gate {home} run"


def written_lines(written: Written, home: str) -> Iterator[str]:
    """Say which files were written, never what is in them."""
    yield ""
    if written.sites:
        yield f"written  {home}/sites.toml: {', '.join(f'[sites.{name}]' for name in written.sites)}"
    yield from (f"written  {path}  (secrets, 0600)" for path in written.env_files)
    if not written.sites:
        yield "written  nothing: sites.toml has a section for each of them already"


def _site(draft: Draft, *, stays: bool) -> Iterator[str]:
    theirs, site = draft.theirs, draft.site
    port = f"port {draft.heard.port}" if draft.heard.port else "no port"
    count = f" x{theirs.instances}" if theirs.instances > 1 else ""
    called = "" if theirs.called == theirs.name else f' (in pm2 "{theirs.called}")'
    yield f"{theirs.name}{called}  {site.mode}{count}, {port}, {theirs.cwd} -> {site.path}"
    if stays:
        yield "  sites.toml  has it already: left as it is"
        return
    yield f"  runs        {' '.join(filter(None, (site.interpreter, *site.node_args, site.script, *site.args)))}"
    if site.health is not None:
        status = f", which answers {draft.heard.status}" if draft.heard.status else ""
        yield f"  health      {site.health.url}{status}"
    if site.env:
        yield f"  env         {' '.join(site.env)}"
    if draft.secrets:
        yield f"  secrets     {' '.join(draft.secrets)} -> {site.env_file}"
    if theirs.variables.left_out:
        yield f"  left out    {_some(theirs.variables.left_out)} (of the shell that started it)"
    if site.data:
        yield f"  keeps       {' '.join(site.data)}"
    if site.uses:
        yield f"  uses        {' '.join(site.uses)}"
    yield from (f"  build       {' '.join(build.run)} in {build.cwd}" for build in draft.builds)


def _differences(drafts: Sequence[Draft]) -> Iterator[str]:
    found = [draft for draft in drafts if draft.differs]
    if found:
        yield ""
        yield "What runs is not what `release` holds. The gate ships `release`; what is only there is lost to the site:"
        yield from (f"  {draft.theirs.name}: {_some(draft.differs)}" for draft in found)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

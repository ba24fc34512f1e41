"use strict";
// The page can be read without this: it says how old it is, and takes a newer one in while nobody works in it.
const get = (id) => document.getElementById(id);
const ago = (from) => {
  const minutes = Math.round((Date.now() - Date.parse(from)) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 120) return `${minutes} min ago`;
  return minutes < 2880 ? `${Math.round(minutes / 60)} h ago` : `${Math.round(minutes / 1440)} days ago`;
};
let taken = null, told = get("headline").textContent;

function age() {
  const written = get("asof").querySelector("time").dateTime, stale = get("page").dataset.stale;
  get("ago").textContent = `, ${ago(written)}`;
  for (const time of document.querySelectorAll("main time")) time.title = ago(time.dateTime);
  if (stale && Date.now() > Date.parse(stale)) {
    get("page").className = "bad";
    get("headline").textContent = `This page is old. It was written ${ago(written)}, and no heartbeat came since.`;
    document.title = get("headline").textContent;
  }
}

function say() {
  const now = get("headline").textContent;
  if (now !== told) get("said").textContent = told = now;
}

async function renew() {
  try {
    const text = await (await fetch(location.href, {cache: "no-store"})).text();
    if (text === taken || get("page").contains(document.activeElement) || String(getSelection())) return;
    const found = new DOMParser().parseFromString(text, "text/html"), fresh = found.getElementById("page");
    if (!fresh) return;
    get("page").replaceWith(fresh);
    document.title = found.title;
    taken = text;
  } catch { /* the age tells */ }
}

age();
setInterval(async () => { await renew(); age(); say(); }, 30000);

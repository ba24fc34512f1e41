"use strict";
// The look that shop and web share.

const STYLE = "body{font:17px/1.6 system-ui;max-width:36em;margin:3em auto;padding:0 1em;color:#223}";

function escape(text) {
  return String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** An HTML page; `body` is HTML, so whatever comes from outside goes through `escape` first. */
function page(title, body) {
  const version = escape(process.env.GATE_VERSION ?? "no version");
  return `<!doctype html><meta charset="utf-8"><title>${escape(title)}</title><style>${STYLE}</style>
<h1>${escape(title)}</h1>
${body}
<footer><small>${version}</small></footer>
`;
}

function sendPage(response, title, body, status = 200) {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8" });
  response.end(page(title, body));
}

module.exports = { escape, page, sendPage };

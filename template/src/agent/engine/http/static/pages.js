// Live updates and times as ages. Everything else works without it.
//
// What somebody may be about to press never changes by itself: where a thread stands otherwise
// than its page shows, the old forms are disabled, and a button offers the new ones.
"use strict";

const SETTLE_MS = 600; // how long new forms take no click: the one before may have been a double one
const served = new Map(); // what the server sent, by id: ages and open <details> are ours
const changed = document.getElementById("changed");
let newest; // the page as it is on the server, where it differs from this one
let ended = false;

const UNITS = [["day", 86400], ["h", 3600], ["min", 60]];

function age(at) {
  const seconds = (Date.now() - at) / 1000;
  const size = Math.abs(seconds);
  if (size > 7 * 86400) return at.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
  const found = UNITS.find(([, length]) => size >= length);
  if (!found) return seconds < 0 ? "in less than 1 min" : "just now";
  const number = Math.floor(size / found[1]);
  const words = `${number} ${found[0]}${found[0] === "day" && number > 1 ? "s" : ""}`;
  return seconds < 0 ? `in ${words}` : `${words} ago`;
}

function showAges(root) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    time.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    const words = age(at);
    if (time.textContent !== words) time.textContent = words;
  }
}

function announce(text) {
  document.getElementById("news").textContent = text.replace(/\s+/g, " ").trim().slice(0, 200);
}

function isAtHand(node) {
  return node.matches(":hover") || (node.contains(document.activeElement) && document.activeElement !== node);
}

function setForms(disabled) {
  for (const part of document.querySelectorAll("fieldset[data-decides]")) part.disabled = disabled;
}

function offer(fresh, says) {
  newest = fresh;
  const words = `${/[.?!…]$/.test(says) ? says : `${says}.`} Show it`;
  if (changed.textContent === words && !changed.hidden) return;
  changed.textContent = words;
  changed.hidden = false;
  announce(says);
}

function replace(old, shown) {
  served.set(shown.id, shown.outerHTML);
  const node = document.importNode(shown, true);
  old.replaceWith(node);
  showAges(node);
  return node;
}

function showNewest() {
  if (!newest) return;
  const typed = document.querySelector('#now textarea[name="text"]')?.value.trim();
  for (const part of newest.querySelectorAll("[data-held], [data-list]")) {
    const old = document.getElementById(part.id);
    if (old) replace(old, part);
  }
  changed.hidden = true;
  newest = undefined;
  document.getElementById("refused")?.remove();
  const now = document.getElementById("now");
  if (!now) return;
  if (typed) {
    const kept = document.createElement("p");
    kept.className = "quiet kept";
    kept.textContent = `You wrote: ${typed}`;
    now.append(kept);
  }
  setForms(true);
  setTimeout(() => newest || setForms(false), SETTLE_MS);
  scrollTo({ top: 0 });
  now.focus({ preventScroll: true });
}

function takeState(fresh) {
  const now = document.getElementById("now");
  const next = fresh.getElementById("now");
  if (!now || !next || now.dataset.shows === next.dataset.shows) return;
  setForms(true);
  offer(fresh, next.dataset.says);
}

function takeLists(fresh) {
  const lists = [...fresh.querySelectorAll("[data-list]")].filter((part) => served.get(part.id) !== part.outerHTML);
  if (!lists.length) return;
  if (isAtHand(document.getElementById("main"))) offer(fresh, lists[0].dataset.says);
  else for (const part of lists) replace(document.getElementById(part.id), part);
}

function takeStory(fresh) {
  const story = document.getElementById("story");
  if (!story) return;
  const lines = [...fresh.querySelectorAll("#story > li")];
  if (!lines.some(({ id }) => served.has(id))) story.replaceChildren(); // more happened than fits on a page
  for (const line of lines) {
    const old = document.getElementById(line.id);
    if (!old) {
      served.set(line.id, line.outerHTML);
      const node = document.importNode(line, true);
      story.append(node);
      showAges(node);
    } else if (served.get(line.id) !== line.outerHTML && !isAtHand(story)) {
      const open = old.querySelector("details")?.open;
      const node = replace(old, line);
      if (open) node.querySelector("details").open = true;
    }
  }
}

function take(fresh) {
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const old = document.getElementById(part.id);
    if (old && served.get(part.id) !== part.outerHTML) replace(old, part);
  }
  takeStory(fresh);
  takeState(fresh);
  takeLists(fresh);
}

async function refresh() {
  try {
    const answer = await fetch(location.pathname + location.search, { cache: "no-store", redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 401) { // to sign in, wherever that is
      ended = true;
      announce("You are signed out. Reload to sign in.");
    } else if (answer.ok) {
      take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } catch {
    // The server is away: the next event or turn asks again.
  }
}

function follow(path) {
  let source, timer;
  const open = () => {
    source?.close();
    source = new EventSource(path);
    source.onmessage = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        refresh();
      }, 100);
    };
    source.addEventListener("problem", refresh);
  };
  open();
  // A browser has few connections to one server: a hidden page gives its own back.
  document.addEventListener("visibilitychange", async () => {
    source.close();
    if (document.hidden || ended) return;
    await refresh();
    if (!document.hidden && !ended) open();
  });
}

for (const part of document.querySelectorAll("[data-live], [data-list], #story > li")) served.set(part.id, part.outerHTML);
showAges(document);
setInterval(() => showAges(document), 30_000);
changed?.addEventListener("click", showNewest);
document.getElementById("refused")?.focus();

const stream = document.querySelector("[data-stream]");
const polled = document.querySelector("[data-every]");
if (stream) follow(stream.dataset.stream);
if (polled) {
  setInterval(() => document.hidden || ended || refresh(), 1000 * polled.dataset.every);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}

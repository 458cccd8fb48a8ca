// Live updates and local times. Everything else works without it.
"use strict";

const served = new Map(); // what the server sent, by id: local times and open <details> are ours
const STALE = "This has changed meanwhile. Reload to see it; what you typed would be lost.";
let ended = false;

function localize(root) {
  for (const time of root.querySelectorAll("time:not([title])")) {
    const at = new Date(time.dateTime);
    const clock = { hour: "2-digit", minute: "2-digit" };
    const day = { day: "numeric", month: "short", ...clock };
    const today = at.toDateString() === new Date().toDateString();
    time.title = time.textContent;
    time.textContent = at.toLocaleString(undefined, today ? clock : day);
  }
}

function parts(root) {
  return root.querySelectorAll("[data-live], #story > li");
}

function isBusy(part) {
  return part.dataset.typed || (part.querySelector("form") && part.contains(document.activeElement));
}

function replace(old, shown) {
  const href = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
  old.replaceWith(shown);
  if (href) shown.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
}

function announce(text) {
  document.getElementById("news").textContent = text.replace(/\s+/g, " ").trim().slice(0, 200);
}

function take(fresh) {
  const story = document.getElementById("story");
  const news = [];
  const known = [...fresh.querySelectorAll("#story > li")].some(({ id }) => served.has(id));
  if (story && !known) story.replaceChildren(); // more happened than fits on a page
  for (const part of parts(fresh)) {
    const old = document.getElementById(part.id);
    const html = part.outerHTML;
    if (served.get(part.id) === html) continue;
    if (part.id === "waiting" && old) news.push("The open questions have changed.");
    if (old && isBusy(old)) {
      if (!old.dataset.stale) news.push(STALE); // somebody is at it: take nothing away
      old.dataset.stale = STALE;
      continue;
    }
    served.set(part.id, html);
    const shown = document.importNode(part, true);
    if (old) replace(old, shown);
    else if (story && part.matches("li")) {
      story.append(shown);
      news.push(shown.querySelector(".head").textContent);
    }
    localize(shown);
  }
  if (news.length) announce(news.at(-1));
}

async function refresh() {
  const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
  if (new URL(answer.url).pathname === "/login") {
    ended = true;
    announce("You are signed out. Reload to sign in.");
  } else if (answer.ok) {
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  }
}

function follow(path) {
  let source, timer;
  const open = () => {
    source = new EventSource(path);
    source.onmessage = () => {
      clearTimeout(timer);
      timer = setTimeout(refresh, 100);
    };
  };
  open();
  // A browser has few connections to one server: a hidden page gives its own back.
  document.addEventListener("visibilitychange", () => {
    source.close();
    if (!document.hidden && !ended) {
      refresh();
      open();
    }
  });
}

for (const part of parts(document)) served.set(part.id, part.outerHTML);
localize(document);
document.addEventListener("input", ({ target }) => {
  const part = target.closest("[data-live]");
  if (part) part.dataset.typed = "yes";
});
document.getElementById("refused")?.focus();

const stream = document.querySelector("[data-stream]");
const polled = document.querySelector("[data-every]");
if (stream) follow(stream.dataset.stream);
if (polled) {
  setInterval(() => document.hidden || ended || refresh(), 1000 * polled.dataset.every);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}

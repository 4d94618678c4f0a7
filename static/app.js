// Enhancements of the pages. Everything works without JavaScript, too.
"use strict";

const dialog = document.getElementById("dialog");
const toasts = document.getElementById("toasts");

// Times: the server writes UTC, pages show the reader's time zone. The tooltip keeps UTC.

function ago(seconds) {
  const parts = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"]];
  const [, unit, name] = parts.find(([limit]) => seconds < limit);
  return `${Math.floor(seconds / unit)} ${name}`;
}

function clock(moment) {
  const time = moment.toLocaleTimeString("en-GB");
  if (moment.toDateString() === new Date().toDateString()) {
    return `${time}.${String(moment.getMilliseconds()).padStart(3, "0")}`;
  }
  return `${moment.toLocaleDateString("en-GB", { day: "2-digit", month: "short" })} ${time}`;
}

const TIME_STYLES = {
  ago: (moment) => {
    const seconds = Math.max(0, (Date.now() - moment) / 1000);
    return seconds < 1 ? "now" : `${ago(seconds)} ago`;
  },
  in: (moment) => {
    const seconds = (moment - Date.now()) / 1000;
    return seconds < 1 ? "now" : `in ${ago(seconds)}`;
  },
  clock,
  minute: (moment) => moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }),
  full: (moment) => moment.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }),
};

function writeTimes(root) {
  for (const time of root.querySelectorAll("time[data-time]")) {
    const text = TIME_STYLES[time.dataset.time](new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

setInterval(() => document.hidden || writeTimes(document), 1000);

// Toasts. They are placed in the open dialog, because nothing outside a modal dialog can be clicked.

const TOAST_MS = 6000;
// As long as a removal can be undone.
const TOAST_WITH_ACTIONS_MS = 30000;

function toast({ text, kind = "done", reference = "", action = "", link = "", link_text = "", actions = {} }) {
  (dialog.open ? dialog : document.body).append(toasts);
  const box = document.createElement("div");
  box.className = `toast-box toast-${kind}`;
  const words = document.createElement("p");
  words.textContent = text + (reference ? ` Quote this when you report the error: ${reference}` : "");
  box.append(words);
  if (action === "reload") box.append(button("Reload", "btn btn-small", () => location.reload()));
  if (link) {
    const anchor = document.createElement("a");
    Object.assign(anchor, { href: link, textContent: link_text });
    box.append(anchor);
  }
  for (const [label, url] of Object.entries(actions)) box.append(poster(label, url));
  const close = button("×", "icon-button", () => box.remove());
  close.setAttribute("aria-label", "Dismiss");
  box.append(close);
  // A live region announces what is added after it has been placed.
  requestAnimationFrame(() => toasts.append(box));
  // A new toast replaces older ones; errors stay until they are dismissed.
  for (const older of toasts.querySelectorAll(".toast-done")) older.remove();
  const hasActions = Object.keys(actions).length > 0;
  if (kind !== "error") setTimeout(expire, hasActions ? TOAST_WITH_ACTIONS_MS : TOAST_MS, box);
}

function expire(box) {
  // Not while it is being read or used.
  if (box.matches(":hover, :focus-within")) setTimeout(expire, 1000, box);
  else box.remove();
}

// A button that posts to one of our URLs. The toast of the response replaces this one.
function poster(label, url) {
  const made = button(label, "btn btn-small toast-action", async () => {
    made.disabled = true;
    await htmx.ajax("POST", url, { source: document.body, swap: "none" });
    made.disabled = false;
  });
  return made;
}

function button(text, className, act) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", textContent: text, className, onclick: act });
  return made;
}

// The dialog. On close, focus returns to the element that opened it, or to its replacement.

let opener = null;
// How far the dialog's frame is scrolled when another one replaces it, as for a preview.
let scrolled = 0;

function openDialog(source) {
  if (dialog.open) return;
  const active = document.activeElement;
  opener = active && active !== document.body ? active : source;
  dialog.showModal();
  // Without a field to fill in, focus the safe button.
  (dialog.querySelector("[autofocus]") || dialog.querySelector(".dialog-foot :is(a, button)")).focus();
}

function returnFocus() {
  if (!opener || dialog.open) return;
  const active = document.activeElement;
  if (active && active !== document.body && !active.matches(":disabled")) return;
  const places = [opener.id, opener.dataset.then, "tick-all", "search", "main"];
  for (const id of places) {
    const place = id && document.getElementById(id);
    if (!place) continue;
    const target = place.matches("td") ? place.querySelector("a, button") : place;
    if (!target || target.matches(":disabled")) continue;
    target.focus({ preventScroll: true });
    if (document.activeElement === target) return;
  }
}

dialog.addEventListener("close", () => {
  document.body.append(toasts);
  dialog.replaceChildren();
  // Actions in the dialog, such as a test event, may have changed the tables.
  document.body.dispatchEvent(new CustomEvent("dialog-closed"));
  opener?.focus({ preventScroll: true });
  returnFocus();
});

document.body.addEventListener("dialog-close", () => dialog.close());
document.body.addEventListener("toast", (event) => toast(event.detail));
document.body.addEventListener("theme", (event) => {
  document.documentElement.dataset.theme = event.detail.name;
  for (const choice of document.querySelectorAll(".themes button")) {
    choice.setAttribute("aria-pressed", String(choice.value === event.detail.name));
  }
});

// htmx.

document.addEventListener("htmx:before:swap", (event) => {
  // Before the swap, so that the layout does not shift.
  for (const task of event.detail.tasks) if (task.fragment) prepare(task.fragment);
  if (event.detail.ctx.target !== dialog) return;
  document.body.append(toasts);
  scrolled = dialog.firstElementChild?.scrollTop ?? 0;
});

document.addEventListener("htmx:after:swap", (event) => {
  const { target, sourceElement } = event.detail.ctx;
  // After an error, nothing was swapped in.
  if (target === dialog && dialog.childElementCount) {
    openDialog(sourceElement);
    dialog.firstElementChild.scrollTop = scrolled;
    dialog.querySelector("[aria-invalid=true]")?.focus();
  }
  if (target.id === "test-result") target.scrollIntoView({ block: "nearest" });
  updateTicks();
  returnFocus();
});

document.addEventListener("htmx:config:request", (event) => {
  // A hidden page needs no updates.
  if (event.detail.ctx.sourceEvent?.type === "every" && document.hidden) event.preventDefault();
});

let isReachable = true;

document.addEventListener("htmx:response:error", (event) => {
  const { response, sourceEvent } = event.detail.ctx;
  // Our own errors trigger their own toast; errors of a proxy do not.
  if (response.status !== 422 && !response.headers.get("HX-Trigger") && sourceEvent?.type !== "every") {
    toast({ kind: "error", text: `The server returned ${response.status}. Nothing was changed.` });
  }
});

document.addEventListener("htmx:error", (event) => {
  const isPoll = event.detail.ctx?.sourceEvent?.type === "every";
  if (!isPoll || isReachable) {
    toast({ kind: "error", text: "The server cannot be reached. Try again in a moment." });
  }
  isReachable = false;
});

document.addEventListener("htmx:after:request", () => { isReachable = true; });

// Parts of pages.

function prepare(root) {
  writeTimes(root);
  for (const hidden of root.querySelectorAll("[data-copy], [data-script]")) {
    hidden.hidden = false;
  }
  // Keep details open or closed when their fragment is replaced.
  for (const details of root.querySelectorAll("details[id]")) {
    const before = document.getElementById(details.id);
    if (before) details.open = before.open || details.querySelector("[aria-invalid=true]") !== null;
  }
}

function addRow(rows) {
  const count = rows.childElementCount;
  const row = rows.lastElementChild.cloneNode(true);
  for (const input of row.querySelectorAll("input, select")) {
    for (const name of ["id", "name"]) input[name] = input[name].replace(/-\d+-/, `-${count}-`);
    input.ariaLabel = input.ariaLabel.replace(/\d+$/, count + 1);
    input.value = "";
  }
  rows.append(row);
  row.querySelector("input, select").focus();
}

async function copy(source) {
  const text = source.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers offer no clipboard to pages that were not loaded over TLS.
    const area = document.createElement("textarea");
    area.value = text;
    source.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    source.focus();
  }
  toast({ text: "Copied." });
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]") || event.target === dialog) dialog.close();
  const copied = event.target.closest("[data-copy]");
  if (copied) copy(copied);
  const adds = event.target.closest("[data-add-row]");
  if (adds) addRow(document.getElementById(adds.dataset.addRow));
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest("[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

document.addEventListener("focusout", (event) => {
  const menu = event.target.closest("[data-menu][open]");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});

document.addEventListener("change", (event) => {
  if (event.target.dataset.submits !== undefined) event.target.form.submit();
});

document.addEventListener("input", (event) => {
  // The problem was that of the previous value.
  if (event.target.getAttribute("aria-invalid")) {
    event.target.removeAttribute("aria-invalid");
    document.getElementById(`${event.target.id}-problem`)?.remove();
  }
  const counter = document.querySelector(`[data-counts="${event.target.id}"]`);
  if (!counter) return;
  const count = [...event.target.value.trim()].length;
  counter.textContent = `${count} of ${counter.dataset.limit}`;
  counter.classList.toggle("bad", count > Number(counter.dataset.limit));
});

prepare(document);

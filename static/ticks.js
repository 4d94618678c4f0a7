// Check boxes of a list: how many are ticked, ticking all, and narrowing the list.
"use strict";

function updateTicks() {
  for (const needing of document.querySelectorAll("[data-needs-tick]")) {
    const boxes = boxesOf(needing.dataset.needsTick);
    const ticked = boxes.filter((box) => box.checked).length;
    // Forms may offer to choose all that match, on other pages too.
    const takesAll = document.getElementById(needing.dataset.needsTick)?.elements.all?.checked;
    needing.disabled = ticked === 0 && !takesAll;
    const shown = boxes.filter(isShown);
    const tickedShown = shown.filter((box) => box.checked).length;
    writeTicked(needing.dataset.needsTick, ticked, boxes.length, ticked - tickedShown, shown.length);
    const all = document.querySelector(`[data-tick-all="${needing.dataset.needsTick}"]`);
    if (!all) continue;
    all.disabled = shown.length === 0;
    all.checked = tickedShown > 0 && tickedShown === shown.length;
    all.indeterminate = tickedShown > 0 && tickedShown < shown.length;
  }
}

// How many are ticked, and how many of them a filter hides.
function writeTicked(formId, ticked, count, tickedHidden, shown) {
  const place = document.querySelector(`[data-ticked="${formId}"]`);
  if (!place) return;
  const text = `${ticked.toLocaleString("en")} of ${count.toLocaleString("en")} ticked`;
  place.textContent = text + (tickedHidden ? `, ${tickedHidden.toLocaleString("en")} of them not shown` : "");
  const isNarrow = shown < count;
  document.querySelector(`[data-shown="${formId}"]`).textContent = shown.toLocaleString("en") + (isNarrow ? " shown" : "");
}

function isShown(box) {
  return !box.closest("[hidden]");
}

// Hide the items of a list that its filter fields do not describe: a text or a range, and a group.
function narrow(list) {
  const [text, group] = ["input", "select"].map(
    (tag) => document.querySelector(`${tag}[data-narrows="${list.id}"]`)?.value.trim().toLowerCase() ?? "",
  );
  const range = /^(\d+)\s*-\s*(\d+)$/.exec(text)?.slice(1).map(Number);
  for (const item of list.children) {
    const number = Number(item.dataset.number);
    const isDescribed = range ? number >= range[0] && number <= range[1] : item.textContent.toLowerCase().includes(text);
    item.hidden = !isDescribed || (group !== "" && !item.dataset.groups.split(" ").includes(group));
  }
  updateTicks();
}

function boxesOf(formId) {
  return [...document.querySelectorAll(`input[type=checkbox][form="${formId}"]`)];
}

document.addEventListener("change", (event) => {
  const { tickAll, narrows } = event.target.dataset;
  if (tickAll) for (const box of boxesOf(tickAll).filter(isShown)) box.checked = event.target.checked;
  if (narrows) narrow(document.getElementById(narrows));
  updateTicks();
});

document.addEventListener("input", (event) => {
  const { narrows } = event.target.dataset;
  if (narrows) narrow(document.getElementById(narrows));
});

document.addEventListener("keydown", (event) => {
  // A filter is not an answer: it does not send the form around it.
  if (event.key === "Enter" && event.target.dataset.narrows) event.preventDefault();
});

updateTicks();
// On the way back to a page, browsers fill in its fields after its scripts have run.
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("input[data-narrows]")) narrow(document.getElementById(field.dataset.narrows));
  updateTicks();
});

// Passkeys: asks the browser for one, and submits its answer with the form of the page.
"use strict";

const PROBLEMS = {
  NotAllowedError: "No passkey was used. Try again.",
  InvalidStateError: "This device has a passkey of your account already.",
  SecurityError: "Passkeys do not work at this address. Open the page at the server's public address.",
};

async function findOptions(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const response = await fetch(form.dataset.optionsUrl, { method: "POST", body: new FormData(form) });
  if (!response.ok) throw new Error("This page has expired. Reload it and try again.");
  return response.json();
}

async function askBrowser(form) {
  const options = await findOptions(form);
  if (form.dataset.passkey === "make") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey });
  }
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey });
}

async function submitPasskey(form) {
  const problem = form.querySelector(".passkey-problem");
  problem.textContent = "";
  try {
    form.elements.credential.value = JSON.stringify(await askBrowser(form));
  } catch (error) {
    problem.textContent = PROBLEMS[error.name] || error.message;
    return;
  }
  form.submit();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  // Browsers before 2025 lack these functions.
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) continue;
  form.hidden = false;
  form.parentElement.querySelector(".passkey-missing")?.remove();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submitPasskey(form);
  });
}

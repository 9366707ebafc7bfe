/** Who this visitor is, and the tokens that say so. One name for all tabs of a browser; a token for each tab. */

import { refusal } from "../clients/room-client.js";

const NAME_KEY = "rtlab-name";

export const demo = document.documentElement.dataset.demo === "on";

/** Where the server is: the page's own folder, so that a prefix is kept. */
export const base = new URL(".", location.href).href.slice(0, -1);

/** This tab's id on the emulated link. */
export const tab = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(36)).join("").slice(0, 20);

export function rememberedName() {
  try {
    const known = localStorage.getItem(NAME_KEY);
    if (known) return known;
    const name = `visitor-${tab.slice(0, 4)}`;
    localStorage.setItem(NAME_KEY, name);
    return name;
  } catch {
    return `visitor-${tab.slice(0, 4)}`; // storage is blocked: a name for this visit
  }
}

export function rememberName(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // storage is blocked: the name lasts as long as the page
  }
}

/** A source of tokens for one user: asks the demo, or gives what was pasted. */
export function tokenSource({ name, pasted }) {
  let known = null;
  const ask = async () => {
    const body = JSON.stringify({ user: name });
    const response = await fetch(`${base}/demo/token`, { method: "POST", body, credentials: "omit" });
    if (!response.ok) throw await refusal(response);
    return (await response.json()).token;
  };
  return (stale) => {
    if (!demo) return pasted;
    if (stale || known === null) {
      const asked = ask();
      known = asked;
      asked.catch(() => {
        if (known === asked) known = null;
      });
    }
    return known;
  };
}

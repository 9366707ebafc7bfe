/** Text for people: the contract's escaping undone, numbers with units. */

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'" };

/** What was typed. Only ever put it into the page as text. */
export const typed = (content) => content.replace(/&(amp|lt|gt|quot|#x27);/g, (entity) => ENTITIES[entity]);

export function milliseconds(ms) {
  if (Number.isNaN(ms)) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

/** `a`, `a and b`, `a, b and c`. */
export const listed = (words) =>
  words.length < 3 ? words.join(" and ") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

export const count = (n) => n.toLocaleString("en");

/** What a ledger counts as lost; "≥" where more may be gone than it can know of. */
export const losses = ({ lost, uncounted }) => `${uncounted ? "≥ " : ""}${count(lost)}`;

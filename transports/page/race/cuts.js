/** Cutting the cord, and the table of how fast each lane came back. */

import { refusal } from "../clients/room-client.js";
import { base } from "./identity.js";
import { count, losses, milliseconds } from "./text.js";

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;

export class Cuts {
  #made = 0;

  constructor({ section, body, sum, lanes }) {
    Object.assign(this, { section, body, sum, lanes });
  }

  clear() {
    this.#made = 0;
    this.section.hidden = true;
  }

  /** Have the server drop every connection of this tab, and refuse new ones for `outageS` seconds. */
  async cut(tab, outageS) {
    const backAt = performance.now() + outageS * 1000;
    for (const lane of this.lanes) if (lane.on) lane.cut(backAt);
    const body = JSON.stringify({ tab, outageS });
    const response = await fetch(`${base}/demo/cut`, { method: "POST", body, credentials: "omit" });
    if (!response.ok) throw await refusal(response);
    this.#made++;
    this.section.hidden = false;
  }

  draw() {
    if (this.section.hidden) return;
    this.sum.textContent = `The cord was cut ${this.#made === 1 ? "once" : `${this.#made} times`}.`;
    this.body.replaceChildren(...this.lanes.map((lane) => this.#row(lane)));
  }

  #row({ id, title, resumes, ledger }) {
    const row = document.createElement("tr");
    row.dataset.lane = id;
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = title;
    const longest = Math.max(...resumes);
    const cells = [
      count(resumes.length),
      milliseconds(resumes.at(-1) ?? Number.NaN),
      milliseconds(median(resumes)),
      milliseconds(resumes.length ? longest : Number.NaN),
      losses(ledger),
      count(ledger.doubled),
    ];
    row.append(
      head,
      ...cells.map((text) => {
        const cell = document.createElement("td");
        cell.textContent = text;
        return cell;
      }),
    );
    return row;
  }
}

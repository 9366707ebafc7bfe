/** A lane's row in the table of figures, with the lane's own link and its switch. */

import { Sparkline } from "./sparkline.js";
import { bytes, count, losses, milliseconds } from "./text.js";

const FIGURES = [
  ["Last", (lane) => milliseconds(lane.lastMs)],
  ["p50", (lane, summary) => milliseconds(summary.p50)],
  ["p99", (lane, summary) => milliseconds(summary.p99)],
  ["Worst", (lane, summary) => milliseconds(summary.max)],
  ["Messages", (lane) => count(lane.ledger.messages)],
  ["Lost", (lane) => losses(lane.ledger)],
  ["Doubled", (lane) => count(lane.ledger.doubled)],
  ["Received", (lane) => bytes(lane.client?.bytes ?? 0)],
  ["Reconnects", (lane) => count(lane.client?.reconnects ?? 0)],
];

/** Put the figures' names into the table's head, after that of the lane. */
export function nameFigures(head) {
  for (const [name] of FIGURES) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.querySelector(".after-figures").before(cell);
  }
}

export class FiguresRow {
  constructor(lane, ondelay) {
    this.element = document.getElementById("figures-template").content.firstElementChild.cloneNode(true);
    this.element.dataset.lane = lane.id;
    this.lane = lane;
    const part = (selector) => this.element.querySelector(selector);
    part("b").textContent = lane.title;
    part(".note").textContent = lane.note;
    this.cells = FIGURES.map(([name]) => {
      const cell = document.createElement("td");
      cell.dataset.figure = name.toLowerCase();
      part(".after-figures").before(cell);
      return cell;
    });
    this.spark = new Sparkline(part(".sparkline"));
    this.toggle = part(".toggle");
    this.toggle.addEventListener("click", () => (lane.on ? lane.stop() : lane.start()));
    this.delay = part(".lane-delay");
    this.delay.setAttribute("aria-label", `Link of ${lane.title}`);
    this.delay.addEventListener("change", ondelay);
  }

  draw() {
    const summary = this.lane.samples.summary();
    FIGURES.forEach(([, say], i) => (this.cells[i].textContent = say(this.lane, summary)));
    this.spark.draw(this.lane.samples.recent(160));
  }

  showSwitch() {
    this.toggle.textContent = this.lane.on ? "Stop" : "Start";
    this.toggle.setAttribute("aria-label", `${this.toggle.textContent} ${this.lane.title}`);
  }
}

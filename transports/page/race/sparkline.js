/** The last latencies as a line, on a log scale from a tenth of a millisecond to ten seconds. */

const LOW = Math.log10(0.1);
const HIGH = Math.log10(10_000);
const SVG = "http://www.w3.org/2000/svg";

export class Sparkline {
  constructor(svg, { width = 160, height = 32 } = {}) {
    this.width = width;
    this.height = height;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const ms of [1, 10, 100, 1000]) svg.append(this.#grid(ms));
    this.line = document.createElementNS(SVG, "polyline");
    svg.append(this.line);
  }

  draw(values) {
    const step = this.width / Math.max(1, values.length - 1);
    this.line.setAttribute("points", values.map((ms, i) => `${(i * step).toFixed(1)},${this.#y(ms)}`).join(" "));
  }

  #y(ms) {
    const share = (Math.log10(Math.max(ms, 0.1)) - LOW) / (HIGH - LOW);
    return (this.height - 1 - Math.min(share, 1) * (this.height - 2)).toFixed(1);
  }

  #grid(ms) {
    const line = document.createElementNS(SVG, "line");
    for (const [name, value] of Object.entries({ x1: 0, x2: this.width, y1: this.#y(ms), y2: this.#y(ms) })) {
      line.setAttribute(name, value);
    }
    return line;
  }
}

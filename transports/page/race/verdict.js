/** What a race showed, in a sentence or two. Ties are those of `podium`. */

import { PATIENCE_MS } from "./limits.js";
import { listed, milliseconds } from "./text.js";

/** `placed`: what `podium` returned. `missing`: lanes that ran and did not bring the message in time. */
export function verdict(placed, missing = []) {
  const waited = `${PATIENCE_MS / 1000} s`;
  if (placed.length === 0) return `No lane brought the message within ${waited}.`;
  const [firsts, ...others] = [...new Set(placed.map(({ place }) => place))].map((place) =>
    placed.filter((each) => each.place === place),
  );
  const alone = placed.length + missing.length === 1;
  const won = alone ? "ran alone" : firsts.length > 1 ? "tie for first" : "is first";
  const then = others.map((lanes) => `${names(lanes)} after ${span(lanes)}${lanes.length > 1 ? " (a tie)" : ""}`);
  return [
    `${names(firsts)} ${won}: ${span(firsts)}.`,
    then.length ? `Then ${listed(then)}.` : "",
    missing.length ? `Not here after ${waited}: ${listed(missing.map(({ title }) => title))}.` : "",
  ]
    .filter(Boolean)
    .join(" ");
}

const names = (placed) => listed(placed.map(({ lane }) => lane.title));

function span(placed) {
  const times = placed.map(({ ms }) => ms);
  const [fastest, slowest] = [Math.min(...times), Math.max(...times)].map(milliseconds);
  return fastest === slowest ? fastest : `${fastest.replace(/ ms$/, "")} to ${slowest}`;
}

/** Replays one message's race in slow motion: the slowest lane takes a second and a half. */

const REPLAY_MS = 1500;
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Place the lanes' runners. `results` maps a lane to its latency in ms, or to undefined when it did not arrive. */
export function replay(results) {
  const arrived = [...results].filter(([, ms]) => ms !== undefined).sort(([, a], [, b]) => a - b);
  const slowest = Math.max(...arrived.map(([, ms]) => ms), 0);
  arrived.forEach(([lane, ms], index) => lane.finish(index + 1, ms, slowest ? ms / slowest : 1));
  for (const [lane, ms] of results) if (ms === undefined) lane.missed();
  if (still.matches) return;
  for (const [lane, ms] of arrived) lane.run(Math.max(60, (REPLAY_MS * ms) / (slowest || 1)));
}

/** Replays one message's race in slow motion: the slowest lane takes a second and a half. */

const REPLAY_MS = 1500;

/**
 * Who came in where: `{lane, ms, place, tied}`, by place. Within `tieMs` of a place's first lane, lanes share it, and
 * stand in the order of `results`.
 */
export function podium(results, tieMs) {
  const arrived = [...results].filter(([, ms]) => ms !== undefined);
  const placed = new Map();
  let first = null;
  for (const [lane, ms] of [...arrived].sort(([, a], [, b]) => a - b)) {
    if (first === null || ms - first.ms > tieMs) first = { ms, place: placed.size + 1 };
    placed.set(lane, first.place);
  }
  const places = [...placed.values()];
  return arrived
    .map(([lane, ms]) => ({ lane, ms, place: placed.get(lane) }))
    .map((each) => ({ ...each, tied: places.filter((place) => place === each.place).length > 1 }))
    .sort((a, b) => a.place - b.place);
}

/** Place the lanes' runners as `arrived`, what `podium` returned, says; `missing` are lanes without a result. */
export function replay(arrived, missing) {
  const slowest = Math.max(...arrived.map(({ ms }) => ms), 0);
  for (const { lane, ms, ...standing } of arrived) lane.finish(standing, ms, slowest ? ms / slowest : 1);
  for (const lane of missing) lane.missed();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const { lane, ms } of arrived) lane.run(Math.max(60, (REPLAY_MS * ms) / (slowest || 1)));
}

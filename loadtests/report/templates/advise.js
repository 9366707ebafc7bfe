// The same advice as `rtlab advise`, from the figures that are embedded in this page. Formulas: docs/advise.md.
"use strict";

const answersOf = (t, load) => {
  if (t.model === "long poll") {
    const arrivals = (load.rate * 2 * load.oneWay) / 1e3;
    return 1 / (arrivals + Math.exp(-arrivals));
  }
  return t.model === "short poll" ? 1e3 / (load.rate * data.interval_ms) : 0;
};

const placeOf = (load, rooms) => ({
  scale: [Math.log(load.rate), Math.log(load.payload), Math.log(load.members), Math.log1p(load.oneWay), Math.log(rooms)],
  group: [data.interval_ms, load.both ? 1 : 0],
});

const distance2 = (a, b) => a.reduce((sum, each, index) => sum + (each - b[index]) ** 2, 0);
const alike = (a, b) => a.every((each, index) => each === b[index]);
const modelled = (surface, terms, offset) => offset + surface.coefficients.reduce((sum, c, i) => sum + c * terms[i], 0);

// A figure at a place: the measurement where one is, corrected by its neighbours inside the hull, else the model alone.
function figureAt(surface, where, terms, offset) {
  const near = surface.seen.filter((seen) => alike(seen.group, where.group));
  const same = near.find((seen) => distance2(seen.scale, where.scale) < data.same);
  if (same) return { value: same.value, how: 0 };
  const covered = near.length > 0 && [0, 1, 2, 3].every((side) => {
    const column = near.map((seen) => seen.scale[side]);
    const value = where.scale[side];
    return Math.min(...column) - data.same <= value && value <= Math.max(...column) + data.same;
  });
  const value = modelled(surface, terms, offset);
  if (!covered) return { value, how: 2 };
  let total = 0;
  let sum = 0;
  for (const seen of near) {
    const weight = 1 / Math.max(distance2(seen.scale, where.scale), data.same);
    const model = modelled(surface, seen.terms, seen.offset);
    total += weight;
    sum += weight * (surface.ratio ? Math.log(seen.value / Math.max(model, data.same)) : seen.value - model);
  }
  return { value: surface.ratio ? value * Math.exp(sum / total) : value + sum / total, how: 1 };
}

const cpuTerms = (t, load) => {
  const deliveries = load.rate * load.members * load.rooms;
  return [1, load.rate * load.rooms, deliveries, deliveries * answersOf(t, load), (deliveries * load.payload) / 1024];
};

const eachUs = (t, load) => {
  const c = t.cpu.coefficients;
  return c[2] + c[3] * answersOf(t, load) + (c[4] * load.payload) / 1024;
};

const servedUs = (t, load) => (t.model === "short poll" ? 0 : load.members * eachUs(t, load));

const busyUs = (t, load) => figureAt(t.cpu, placeOf(load, load.rooms), cpuTerms(t, load), 0);

function queueMs(t, load, percent) {
  const serviceUs = t.cpu.coefficients[1] + servedUs(t, load);
  const busy = Math.min(0.95, modelled(t.cpu, cpuTerms(t, load), 0) / 1e6);
  const beyond = 1 - percent / 100;
  return busy > beyond ? (Math.log(busy / beyond) * serviceUs) / 1e3 / (2 * (1 - busy)) : 0;
}

function closedMs(t, load, percent) {
  if (t.model === "short poll") return load.oneWay + (data.interval_ms * percent) / 100;
  if (t.model !== "long poll") return load.oneWay;
  const blind = 2 * load.oneWay;
  const arrivals = (load.rate * blind) / 1e3;
  const awaited = Math.exp(-arrivals) / (arrivals + Math.exp(-arrivals));
  const beyond = percent / 100 - awaited;
  return load.oneWay + (beyond > 0 ? (blind * beyond) / (1 - awaited) : 0);
}

// Unless it was measured, never below the closed form, and no p99 below the p50.
function losslessMs(t, surface, load, percent) {
  const waited = percent === 50 ? 0.5 : 1;
  const terms = [1, (waited * servedUs(t, load)) / 1e3];
  const offset = closedMs(t, load, percent) + (load.both ? load.oneWay : 0) + queueMs(t, load, percent);
  const found = figureAt(surface, placeOf(load, 1), terms, offset);
  const median = percent !== 50 && t.p50 ? losslessMs(t, t.p50, load, 50).value : offset;
  if (found.how !== 0) found.value = Math.max(found.value, offset, median);
  return found;
}

function latencyMs(t, load, percent) {
  const surface = percent === 50 ? t.p50 : t.p99;
  if (!surface) return null;
  const seen = t.lossy.find((each) => load.loss > 0 && each.percent === percent && alike(each.load, [
    load.rate, load.payload, load.members, load.rooms, load.oneWay, data.interval_ms, load.loss, load.both ? 1 : 0]));
  if (seen) return { value: seen.value, atLeast: seen.at_least, how: 0 };
  const found = losslessMs(t, surface, load, percent);
  if (percent !== 50) found.value += load.jitter / 2;
  const late = (load.loss / 100) * (1 + (load.rate * 2 * load.oneWay) / 1e3);
  found.atLeast = late >= 1 - percent / 100;
  if (found.atLeast) found.value += 2 * load.oneWay;
  return found;
}

function wireBytes(t, load, tls) {
  if (!t.wire) return null;
  const share = answersOf(t, load);
  const found = figureAt(t.wire, placeOf(load, 1), [1, share], load.payload);
  if (found.how !== 0) found.value += data.header_bytes * Math.max(0, Math.ceil(load.payload / data.segment_bytes) - 1);
  if (tls) {
    found.value += data.record_bytes * (t.model === "push" ? 1 : share);
    found.how = 2;
  }
  return found;
}

const loadOf = (asked, rooms, members) => ({
  rate: asked.rate, payload: asked.payload, oneWay: asked.rtt / 2, jitter: asked.jitter, loss: asked.loss,
  both: asked.direction === "both", rooms, members,
});

// What the fullest of so many processes carries, and what they carry on average.
function shareOf(asked, processes) {
  const members = asked.subscribers / asked.rooms;
  if (asked.rooms >= processes) return loadOf(asked, Math.ceil(asked.rooms / processes), members);
  return loadOf(asked, 1, members / Math.floor(processes / asked.rooms));
}

function meanOf(asked, processes) {
  const rooms = asked.rooms / processes;
  return loadOf(asked, Math.max(rooms, 1), (asked.subscribers / asked.rooms) * Math.min(1, rooms));
}

function sized(t, asked, machine) {
  const kib = (asked.tls ? t.tls_kib : null) ?? t.kib;
  if (!t.cpu || kib === null) return null;
  const busy = (load) => {
    const found = busyUs(t, load);
    if (asked.tls && t.tls_cpu_us !== null) found.value += t.tls_cpu_us * load.rate * load.members * load.rooms;
    return found;
  };
  const fits = (processes) => busy(shareOf(asked, processes)).value <= data.busy_share * 1e6;
  let [least, most] = [0, 1];
  while (!fits(most)) {
    if (most === data.most_processes) return null;
    [least, most] = [most, Math.min(2 * most, data.most_processes)];
  }
  while (most - least > 1) {
    const middle = Math.floor((least + most) / 2);
    if (fits(middle)) most = middle;
    else least = middle;
  }
  const connectionsGib = (asked.subscribers * kib) / 1024 ** 2;
  const processGib = data.process_mib / 1024;
  const heldGib = machine.memory_gib * data.memory_share;
  let byMemory = Math.ceil((connectionsGib + most * processGib) / heldGib);
  if (byMemory > most) byMemory = most = Math.ceil(connectionsGib / (heldGib - processGib));
  const gib = connectionsGib + most * processGib;
  const found = busy(meanOf(asked, most));
  return {
    processes: most, gib, machines: Math.max(byMemory, Math.ceil(most / machine.vcpus)),
    busyUs: found.value * most, how: found.how, load: shareOf(asked, most),
  };
}

const beyond = (gb, included) => Math.max(0, gb - included);

function billed(asked, size, wire, beatS, prices, twoWay) {
  const deliveries = asked.subscribers * asked.rate * data.month_s;
  const record = asked.tls ? data.record_bytes : 0;
  const posted = asked.direction === "both" && !twoWay ? asked.rooms * asked.rate : 0;
  const answered = posted * (data.answer_bytes + record);
  const sentGb = ((asked.subscribers * asked.rate * wire.value + answered) * data.month_s) / 1e9;
  const split = { cpu: 0, memory: 0, egress: 0, idle_connections: 0, messages: 0, unused: 0 };
  if (prices.service) {
    const s = prices.service;
    const each = Math.ceil(asked.payload / (s.message_kib * 1024));
    const published = asked.rooms * asked.rate * data.month_s;
    split.messages = s.per_month + ((deliveries + published) * each / 1e6) * s.per_million_messages;
    split.idle_connections = ((asked.subscribers * data.month_s / 60) / 1e6) * s.per_million_connection_minutes;
    split.egress = beyond(sentGb, prices.egress.included_gb) * prices.egress.per_gb;
  } else {
    const m = prices.machine;
    split.cpu = (size.busyUs / 1e6 / data.busy_share) * m.per_month * m.processor_share / m.vcpus;
    split.memory = (size.gib / data.memory_share) * m.per_month * (1 - m.processor_share) / m.memory_gib;
    const idleGb = ((asked.subscribers * data.month_s) / beatS) * (data.heartbeat_bytes + record) / 1e9;
    const paid = beyond(sentGb + idleGb, prices.egress.included_gb * size.machines) * prices.egress.per_gb;
    split.egress = (paid * sentGb) / (sentGb + idleGb);
    split.idle_connections = paid - split.egress;
    split.unused = Math.max(0, size.machines * m.per_month - split.cpu - split.memory);
  }
  const total = Object.values(split).reduce((sum, each) => sum + each, 0);
  return { split, total, perMillion: (total / deliveries) * 1e6, how: prices.service ? wire.how : Math.max(size.how, wire.how) };
}

function heartbeatS(asked) {
  const idle = [asked.proxy, ...asked.clients].map((name) => data.idle[name]).filter((each) => each !== undefined);
  if (!idle.length) return data.heartbeat_s;
  const half = Math.min(...idle) / 2;
  const longest = 5 * (Math.ceil(half / 5) - 1);
  return longest > 0 ? longest : half / 2;
}

function optionOf(t, asked, prices, beatS) {
  const size = sized(t, asked, prices.machine ?? data.nominal);
  const option = { transport: t.name, title: t.title, two_way: t.two_way, size: prices.machine ? size : null };
  if (!size) return { ...option, out: t.cpu ? "its memory was not measured, or it needs too many processes" : "not measured" };
  option.p50 = latencyMs(t, size.load, 50);
  option.p99 = latencyMs(t, size.load, 99);
  option.wire = wireBytes(t, size.load, asked.tls);
  option.cpu_us = size.busyUs / (asked.subscribers * asked.rate);
  option.bill = option.wire ? billed(asked, size, option.wire, beatS, prices, t.two_way) : null;
  option.out = "";
  if (!t.in_browsers && asked.clients.some((client) => client !== "app")) option.out = "not in nearly all browsers of today";
  else if (t.stopped_by.includes(asked.proxy)) option.out = `stopped by ${asked.proxy}`;
  else if (!option.bill || !option.p50) option.out = "its bytes or its latency were not measured";
  return option;
}

function lateness(option, asked, fastest) {
  if (asked.within === null) return option.p50.value > fastest + data.unseen_ms ? "late" : "";
  if (!option.p99 || option.p99.value > asked.within) return "late";
  return option.p99.atLeast ? "only a lower bound of its p99 is known" : "";
}

// The one door: a case in, the ranked and the others out. `within` is null or a p99 in ms.
function advise(asked) {
  const prices = data.prices[asked.price];
  const beatS = heartbeatS(asked);
  const options = data.transports.map((t) => optionOf(t, asked, prices, beatS));
  const fastest = Math.min(...options.filter((o) => !o.out).map((o) => o.p50.value));
  for (const option of options) option.out = option.out || lateness(option, asked, fastest);
  const fitting = options.filter((o) => !o.out).sort((a, b) => a.bill.total - b.bill.total);
  const limit = fitting.length ? fitting[0].bill.total * (1 + data.as_cheap) : 0;
  const equal = fitting.filter((o) => o.bill.total <= limit);
  const oneWay = (o) => (asked.direction === "both" && !o.two_way ? 1 : 0);
  equal.sort((a, b) => oneWay(a) - oneWay(b) || a.bill.how - b.bill.how || a.bill.total - b.bill.total);
  const ranked = [...equal, ...fitting.filter((o) => o.bill.total > limit)];
  return { ranked, out: options.filter((o) => o.out), heartbeat_s: beatS };
}

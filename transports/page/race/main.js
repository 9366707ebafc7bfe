/** The page: wires controls, lanes, sender and room together. */

import { newRef } from "../clients/room-client.js";
import { ShortPollClient } from "../clients/polls.js";
import { Cuts } from "./cuts.js";
import { places, showElsewhere } from "./elsewhere.js";
import { nameFigures } from "./figures.js";
import { Heat } from "./heat.js";
import { base, demo, rememberName, rememberedName, tab, tokenSource } from "./identity.js";
import { Lane } from "./lane.js";
import { LANES } from "./lanes.js";
import { clockStepMs, tieMs } from "./limits.js";
import { podium, replay } from "./photo-finish.js";
import { inWords } from "./refusals.js";
import { RoomView } from "./room-view.js";
import { Sender } from "./sender.js";
import { count, milliseconds } from "./text.js";
import { verdict } from "./verdict.js";

const HISTORY_EVENTS = 50;
const DRAW_MS = 250;
const MEMBERS_MS = 300;
const FREEZE_MS = 3000;
// Over HTTP/1.1 a browser keeps six connections to a server for requests without cookies. A tab with all lanes holds
// three (two streams by fetch, a held poll): a second such tab would leave none until a held poll is answered.
const LIGHT_LANES = ["websocket"];
const asked = new URLSearchParams(location.search);

const tie = tieMs(clockStepMs());

const by = (id) => document.getElementById(id);

const lanes = LANES.map(
  (entry) =>
    new Lane(entry, {
      onevent: (lane, event) => {
        const ms = event.ref && event.userId === visitor.name ? heat.arrived(lane, event.ref) : undefined;
        if (ms !== undefined) lane.latency(ms);
        room.take(event);
      },
      ongap: (lane, gap) => {
        room.gap(gap);
        announce(`${lane.title} has a gap: ${gap.reason.replaceAll("_", " ")}.`);
      },
      onstate: (lane, state, error) => {
        if (state === "refused") notice(`${lane.title}: ${inWords(error)}`);
      },
      ondelay: (lane) => lane.relink(query(lane)),
    }),
);
const heat = new Heat({ lanes, onfinish: showFinish, onlate: (lane, ms) => lane.late(ms) });
const cuts = new Cuts({ section: by("cuts"), body: by("cuts-body"), sum: by("cuts-sum"), lanes });
const room = new RoomView({ chat: by("chat"), members: by("members"), unshown: by("unshown"), refresh: refreshMembers });
const sender = new Sender({
  // POSTs would wait behind the streams for one of the browser's connections: only without a WebSocket lane.
  channels: () => (lanes[0].on ? lanes.slice(0, 1) : lanes.slice(1)).map((lane) => lane.client).filter(Boolean),
  newRef,
  onsend: (ref) => heat.sent(ref),
  onaccepted: (id) => {
    for (const lane of lanes) lane.ledger.acknowledged(id);
  },
  onrefused: (error) => notice(`Not sent: ${inWords(error)}`),
});
let visitor = { name: "", room: "", token: () => "" };
let light = false;
let membersTimer = null;

function query(lane) {
  if (!demo) return {};
  const delay = lane?.delay.value || by("delay").value;
  return delay === "0" ? { tab } : { tab, delay };
}

/** Enter a room: where it stands, its last messages, then every lane from the same position on. */
async function join() {
  notice("");
  sender.stop();
  await leave();
  const name = by("name").value;
  visitor = { name, base, room: by("room").value, token: tokenSource({ name, pasted: by("token").value.trim() }) };
  rememberName(name);
  const scout = new ShortPollClient({ ...visitor, query: {} });
  try {
    const { position, members } = await (await scout.request("")).json();
    room.clear();
    cuts.clear();
    await showHistory(scout, position);
    room.showMembers(members, name);
    for (const lane of lanes) {
      lane.equip({ ...visitor, query: query(lane) }, position);
      if (!light || LIGHT_LANES.includes(lane.id)) lane.start();
    }
  } catch (error) {
    notice(`Could not join: ${inWords(error)}`);
  }
}

async function showHistory(scout, position) {
  const [epoch, offset] = position.split(":");
  if (offset === "0") return;
  const since = `${epoch}:${Math.max(0, Number(offset) - HISTORY_EVENTS)}`;
  const { events } = await (await scout.request("/poll", {}, { since, wait: 0 })).json();
  for (const event of events) if (event.id) room.take(event);
}

async function leave() {
  const [{ client }] = lanes;
  for (const lane of lanes) lane.stop();
  await client?.request("/leave", { method: "POST", keepalive: true }).catch(() => {}); // the lease runs out by itself
}

function refreshMembers() {
  membersTimer ??= setTimeout(async () => {
    membersTimer = null;
    const scout = new ShortPollClient({ ...visitor });
    const state = await scout.request("").then((response) => response.json(), () => null);
    if (state) room.showMembers(state.members, visitor.name);
  }, MEMBERS_MS);
}

function showFinish(results) {
  const placed = podium(results, tie);
  const missing = [...results.keys()].filter((lane) => results.get(lane) === undefined);
  replay(placed, missing);
  const said = verdict(placed, missing.filter(({ on }) => on));
  by("verdict").textContent = said;
  if (!sender.streaming) announce(said);
}

/** Race the message, with the lanes in sight. */
function race() {
  sender.send(by("message").value);
  lanes[0].line.scrollIntoView({ block: "nearest" });
}

function draw() {
  if (document.hidden) return;
  for (const lane of lanes) lane.draw({ shown: by("figures").open });
  cuts.draw();
  if (sender.accepted + sender.waiting + sender.refused) {
    const waiting = sender.waiting ? `, ${count(sender.waiting)} on the way` : "";
    const refused = sender.refused ? `, ${count(sender.refused)} refused` : "";
    by("sent").textContent = `${count(sender.accepted)} sent${waiting}${refused}`;
  }
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = text === "";
}

function announce(text) {
  by("announcer").textContent = text;
}

function startStream() {
  const padding = Number(by("payload").value);
  by("stream").textContent = "Stop stream";
  sender.stream({
    rate: Number(by("rate").value),
    limit: Number(by("limit").value) || Infinity,
    payload: (n) => `${n + 1} `.padEnd(padding, "·").slice(0, Math.max(padding, 1)),
    onend: () => (by("stream").textContent = "Start stream"),
  });
}

/** A tab whose thread is busy reads nothing: what comes meanwhile waits in the browser and at the server. */
function freeze() {
  const until = performance.now() + FREEZE_MS;
  while (performance.now() < until);
  announce("The tab was frozen for 3 seconds. Whatever came meanwhile is being read now.");
}

function onSubmit(id, action) {
  by(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

function listen() {
  onSubmit("join-form", join);
  onSubmit("race-form", race);
  by("figures").addEventListener("toggle", draw);
  onSubmit("stream-form", () => (sender.streaming ? sender.stop() : startStream()));
  onSubmit("link-form", () => {});
  by("delay").addEventListener("change", () => {
    for (const lane of lanes) if (lane.delay.value === "") lane.relink(query(lane));
  });
  by("cut").addEventListener("click", () =>
    cuts.cut(tab, Number(by("outage").value)).catch((error) => notice(`The cord was not cut: ${inWords(error)}`)),
  );
  by("freeze").addEventListener("click", freeze);
  // Close the membership with the tab, and come back when the browser brings the page back.
  addEventListener("pagehide", leave);
  addEventListener("pageshow", ({ persisted }) => persisted && join());
}

function prepare() {
  places().then((found) => showElsewhere(by("elsewhere"), found, location));
  by("lanes").append(...lanes.map((lane) => lane.line));
  by("tie").textContent = `Lanes at most ${milliseconds(tie)} behind a place's first share it`;
  nameFigures(by("figures-head"));
  by("figures-body").append(...lanes.map((lane) => lane.row.element));
  for (const lane of lanes) {
    lane.delay.append(...[...by("delay").options].map((option) => option.cloneNode(true)));
    lane.delay.prepend(new Option("as for all", ""));
    lane.delay.value = "";
  }
  by("name").value = rememberedName();
  by("room").value = asked.get("room") ?? by("room").value;
  if (demo) return;
  by("token-label").hidden = false;
  for (const control of [by("delay"), by("outage"), by("cut"), ...lanes.map((lane) => lane.delay)]) control.disabled = true;
  by("link-help").textContent = "This server was started without --demo: it emulates no link and cuts no cord.";
  notice("Paste a token to join (rtlab token --user NAME --room ROOM). With --demo the server makes one for you.");
}

/** Hold the right to run all lanes as long as this tab lives. Resolves to whether this tab has it. */
function firstTab() {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks.request("rtlab-race", { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    });
  });
}

prepare();
listen();
setInterval(draw, DRAW_MS);
light = !(await firstTab());
if (demo && asked.get("join") !== "no") await join();
if (light) {
  notice(
    "The race is open in another tab of this browser. Over HTTP/1.1 a browser keeps six connections to a server for " +
      "requests without cookies, and each tab with all lanes holds three of them. This tab starts with WebSocket alone. " +
      "Start the others if you like: with a second full tab, requests wait until a held poll is answered.",
  );
}

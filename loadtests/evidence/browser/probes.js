/* What is measured inside the page, as one expression: an object of functions. All times are performance.now() in ms
   of the page that both sends and receives, so no clocks are compared. */
({
  /** Publish on an absolute schedule over a WebSocket of its own and stamp what the lane's client hands over. */
  async latency({ lane, room, ratePerS, payloadBytes, warmUpS, measuredS, graceS }) {
    const { open, settled, spin } = await this.kit();
    const publisher = await open("websocket", room);
    const began = performance.now();
    const subscriber = await open(lane, room);
    const connectMs = performance.now() - began;
    const received = [];
    const painted = [];
    const mark = document.querySelector("footer");
    const { port1, port2 } = new MessageChannel();
    let unpainted = null;
    port2.onmessage = () => {
      painted.push(performance.now() - unpainted);
      unpainted = null;
    };
    subscriber.onevent = ({ type, ref, id }) => {
      if (type !== "chat") return;
      const now = performance.now();
      received.push([Number(ref.split(".")[1]), now, Number(id.split(":")[1])]);
      if (unpainted !== null) return;
      unpainted = now;
      mark.textContent = ref;
      // A frame callback runs before the paint; the task that it posts runs after.
      requestAnimationFrame(() => port1.postMessage(null));
    };
    const total = Math.round((warmUpS + measuredS) * ratePerS);
    const first = performance.now() + 200;
    const published = [];
    const content = "·".repeat(Math.max(1, Math.floor(payloadBytes / 2)));
    for (let n = 0; n < total; n++) {
      const scheduled = first + (n * 1000) / ratePerS;
      await spin(scheduled);
      const row = { n, scheduled, sent: performance.now(), accepted: null, offset: -1 };
      published.push(row);
      publisher.send(content, `b.${n}`).then(
        ({ id }) => Object.assign(row, { accepted: performance.now(), offset: Number(id.split(":")[1]) }),
        () => {}, // it stays unaccepted, and is counted as that
      );
    }
    await settled(() => received.length >= total && published.every(({ accepted }) => accepted !== null), graceS * 1000);
    const { reconnects } = subscriber;
    subscriber.close();
    publisher.close();
    port1.close();
    mark.textContent = "";
    return {
      connectMs, received, painted, reconnects, toldGaps: subscriber.gaps,
      published: published.map(({ n, scheduled, sent, accepted, offset }) => [n, scheduled, sent, accepted, offset]),
      measuredFrom: first + warmUpS * 1000,
      measuredTo: first + (warmUpS + measuredS) * 1000,
    };
  },

  /** How fine this page's clock is: the smallest step seen, in microseconds. */
  async clock() {
    let smallest = Infinity;
    for (let i = 0, last = performance.now(); i < 20_000; i++) {
      const now = performance.now();
      if (now > last) smallest = Math.min(smallest, now - last);
      last = now;
    }
    return { resolutionUs: smallest * 1000, isolated: crossOriginIsolated };
  },

  /** How many event streams the browser holds to one server; the next one waits. */
  async connections({ room, tried, patienceMs }) {
    const { token, settled } = await this.kit();
    await fetch("/session", { method: "POST", body: JSON.stringify({ token: await token() }) });
    const sources = Array.from({ length: tried }, () => new EventSource(`/rooms/${room}/events`));
    const opened = () => sources.filter(({ readyState }) => readyState === EventSource.OPEN).length;
    await settled(() => opened() === tried, patienceMs);
    const held = opened();
    for (const source of sources) source.close();
    return { held, tried };
  },

  /** Hold so many event streams to one server, and fetch something beside them; `streamsEnd` lets them go. */
  async streams({ token, room, tried, patienceMs }) {
    const enter = () => fetch("/session", { method: "POST", body: JSON.stringify({ token }) });
    // Chromium drops a request when a network interface comes or goes on the machine; EventSource tries again by itself.
    await enter().catch(enter);
    const sources = Array.from({ length: tried }, () => new EventSource(`/rooms/${room}/events`));
    window.heldStreams = sources;
    const opened = () => sources.filter(({ readyState }) => readyState === EventSource.OPEN).length;
    const deadline = performance.now() + patienceMs;
    while (opened() < tried && performance.now() < deadline) await new Promise((wake) => setTimeout(wake, 10));
    const began = performance.now();
    const answer = await fetch(`/health?beside=${tried}`, { signal: AbortSignal.timeout(patienceMs) }).catch(() => null);
    if (answer !== null) await answer.text();
    const fetchMs = answer === null ? null : performance.now() - began;
    const entry = performance.getEntriesByName(new URL(`/health?beside=${tried}`, location.href).href)[0];
    return { held: opened(), fetchMs, protocol: answer === null ? "" : (entry?.nextHopProtocol ?? "") };
  },

  async streamsEnd() {
    for (const source of window.heldStreams) source.close();
    return {};
  },

  /** Ask for pushes, and return what the server makes of this browser's settings. */
  async push({ token, room }) {
    const answer = await fetch(`/rooms/${room}/push`, { headers: { Authorization: `Bearer ${token}` } });
    const said = await answer.json();
    return { status: answer.status, said: said.message };
  },

  /** Cut every connection of each lane, one lane after another, with messages on the way. */
  async outage({ lanes, room, outageS, ratePerS, patienceMs }) {
    const { open, settled } = await this.kit();
    const results = {};
    for (const lane of lanes) {
      const tab = `${lane.replace("-", "")}outage`;
      const publisher = await open("websocket", room);
      const subscriber = await open(lane, room, { tab });
      const offsets = [];
      let sent = 0;
      let downAt = null;
      let upAt = null;
      subscriber.onevent = ({ type, id }) => type === "chat" && offsets.push(Number(id.split(":")[1]));
      subscriber.onstate = (state) => {
        if (state !== "open") downAt ??= performance.now();
        else if (downAt !== null) upAt ??= performance.now();
      };
      const timer = setInterval(() => (sent++, publisher.send(`outage ${sent}`)), 1000 / ratePerS);
      await settled(() => offsets.length > ratePerS / 2, patienceMs);
      const cutAt = performance.now();
      await fetch("/demo/cut", { method: "POST", body: JSON.stringify({ tab, outageS }) });
      await settled(() => upAt !== null, patienceMs);
      clearInterval(timer);
      await settled(() => offsets.length >= sent, patienceMs);
      results[lane] = {
        resumeMs: upAt === null ? null : Math.max(0, upAt - cutAt - outageS * 1000),
        lost: sent - new Set(offsets).size,
        doubled: offsets.length - new Set(offsets).size,
      };
      subscriber.close();
      publisher.close();
    }
    return results;
  },

  /** Begin to listen and to tick; `hiddenResult` tells what came. Both survive the tab being hidden. */
  async hiddenStart({ room, everyMs }) {
    const { open } = await this.kit();
    const subscriber = await open("websocket", room);
    const watched = { ticks: 0, events: 0, latencies: [] };
    let began = performance.now();
    const timer = setInterval(() => watched.ticks++, everyMs);
    document.addEventListener("visibilitychange", () => {
      watched.ticks = 0; // only the time in hiding counts
      began = performance.now();
    });
    subscriber.onevent = ({ type, ref }) => {
      if (type !== "chat") return;
      watched.events++;
      watched.latencies.push(Date.now() - Number(ref.split(".")[1]));
    };
    globalThis.rtlabHiddenEvents = () => watched.events;
    globalThis.rtlabHidden = () => {
      clearInterval(timer);
      subscriber.close();
      return { ...watched, seconds: (performance.now() - began) / 1000, visibility: document.visibilityState };
    };
    return {};
  },

  /** What came to the hidden tab, once the last message has or patience is over. */
  async hiddenResult({ sent, patienceMs }) {
    const { settled } = await this.kit();
    await settled(() => globalThis.rtlabHiddenEvents() >= sent, patienceMs);
    return globalThis.rtlabHidden();
  },

  /** Send for some seconds from the tab in front; the ref carries the wall clock, which both tabs share. */
  async hiddenSend({ room, ratePerS, seconds }) {
    const { open, spin } = await this.kit();
    const publisher = await open("websocket", room);
    const first = performance.now();
    let sent = 0;
    for (; sent < ratePerS * seconds; sent++) {
      await spin(first + (sent * 1000) / ratePerS);
      await publisher.send("to a hidden tab", `h.${Date.now()}.${sent}`);
    }
    publisher.close();
    return { sent };
  },

  /** A thousand messages a second through one lane. */
  async flood({ lane, room, ratePerS, seconds, patienceMs }) {
    const { open, settled, spin } = await this.kit();
    const publisher = await open("websocket", room);
    const subscriber = await open(lane, room);
    let received = 0;
    subscriber.onevent = ({ type }) => type === "chat" && received++;
    const total = ratePerS * seconds;
    const first = performance.now();
    let refused = 0;
    for (let n = 0; n < total; ) {
      const due = Math.min(total, Math.floor(((performance.now() - first) * ratePerS) / 1000));
      for (; n < due; n++) publisher.send("flood").catch(() => refused++);
      await spin(performance.now() + 2);
    }
    const sentIn = (performance.now() - first) / 1000;
    await settled(() => received + refused >= total, patienceMs);
    const receivedIn = (performance.now() - first) / 1000;
    subscriber.close();
    publisher.close();
    return { sent: total, refused, received, sentPerS: total / sentIn, receivedPerS: received / receivedIn };
  },

  /** Race a message over an emulated line on the page's own lanes, twice; return what the page shows of the second. */
  async race({ oneWayMs, restMs }) {
    const { settled } = await this.kit();
    const shown = document.getElementById("verdict");
    const lines = [...document.querySelectorAll(".lane")];
    const open = () => settled(() => lines.every(({ dataset }) => dataset.state === "open"), 15_000);
    await open();
    const delay = document.getElementById("delay");
    delay.value = String(oneWayMs);
    delay.dispatchEvent(new Event("change"));
    for (let races = 0; races < 2; races++) {
      await open();
      await settled(() => false, restMs);
      shown.textContent = "";
      document.querySelector("#race-form button").click();
      await settled(() => shown.textContent !== "", 10_000);
    }
    const finishes = lines.map((line) => {
      const { dataset, textContent } = line.querySelector(".result");
      const ms = dataset.ms === undefined ? null : Number(dataset.ms);
      return { lane: line.dataset.lane, title: line.querySelector("h3").textContent, ms, said: ms === null ? "" : textContent };
    });
    return { verdict: shown.textContent, finishes };
  },

  /** What the probes share, from the page's own modules. */
  async kit() {
    const { LANES } = await import("/page/race/lanes.js");
    const { tokenSource } = await import("/page/race/identity.js");
    const token = tokenSource({ name: "instrument" });
    const settled = async (done, patienceMs) => {
      const deadline = performance.now() + patienceMs;
      while (!done() && performance.now() < deadline) await new Promise((wake) => setTimeout(wake, 10));
    };
    const open = async (lane, room, query = {}) => {
      const client = LANES.find(({ id }) => id === lane).make({ room, token, query });
      client.gaps = 0;
      client.ongap = () => client.gaps++;
      client.connect();
      await settled(() => client.state === "open", 15_000);
      if (client.state !== "open") throw new Error(`${lane} did not open`);
      return client;
    };
    // Timers come a millisecond or four late: the last stretch is spent giving way to every other task instead.
    const spin = async (until) => {
      const coarse = until - performance.now() - 5;
      if (coarse > 0) await new Promise((wake) => setTimeout(wake, coarse));
      const { port1, port2 } = new MessageChannel();
      while (performance.now() < until) {
        await new Promise((wake) => {
          port2.onmessage = wake;
          port1.postMessage(null);
        });
      }
      port1.close();
    };
    return { open, settled, spin, token };
  },
})

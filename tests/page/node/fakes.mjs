/** Stand-ins for a browser's network, and turns of the event loop. */

export const turn = async (turns = 3) => {
  for (let i = 0; i < turns; i++) await new Promise(setImmediate);
};

export class FakeWebSocket {
  static all = [];
  sent = [];
  closed = false;

  constructor(url) {
    this.url = url;
    FakeWebSocket.all.push(this);
  }

  static get last() {
    return FakeWebSocket.all.at(-1);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  say(event) {
    this.onmessage?.({ data: JSON.stringify(event) });
  }

  end(code, reason = "") {
    this.onclose?.({ code, reason });
  }
}

export class FakeEventSource {
  static all = [];
  closed = false;

  constructor(url, options) {
    Object.assign(this, { url, options });
    FakeEventSource.all.push(this);
  }

  static get last() {
    return FakeEventSource.all.at(-1);
  }

  close() {
    this.closed = true;
  }

  say(event) {
    this.onmessage?.({ data: JSON.stringify(event), lastEventId: event.id ?? "" });
  }
}

/** A fetch that notes its calls and answers from a queue; with an empty queue it waits until it is aborted. */
export function fakeFetch() {
  const calls = [];
  const answers = [];
  const fetch = (url, init = {}) => {
    calls.push({ url: String(url), ...init });
    if (answers.length) {
      const answer = answers.shift();
      if (answer.fail) {
        init.signal.addEventListener("abort", () => answer.fail(init.signal.reason));
        return Promise.resolve(answer.response);
      }
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    }
    return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal.reason)));
  };
  return { fetch, calls, answers };
}

export const json = (value, status = 200) => Response.json(value, { status });

/** An answer whose body is fed chunk by chunk, and ends with its request as a real one does. */
export function feed() {
  let controller;
  const body = new ReadableStream({ start: (given) => (controller = given) });
  const encoder = new TextEncoder();
  return {
    response: new Response(body),
    push: (text) => controller.enqueue(typeof text === "string" ? encoder.encode(text) : text),
    end: () => controller.close(),
    fail: (error) => controller.error(error),
  };
}

export const EPOCH = "e1e1e1e1";
export const at = (offset, epoch = EPOCH) => `${epoch}:${offset}`;
export const chat = (offset, content = `m${offset}`) => ({ type: "chat", id: at(offset), room: "r", userId: "u", content });
export const welcome = (offset, recovered = false, heartbeatMs = 15_000) => ({
  type: "welcome",
  room: "r",
  userId: "u",
  position: at(offset),
  recovered,
  heartbeatMs,
});

/** Record all that a client reports. */
export function watch(client) {
  const seen = { events: [], gaps: [], states: [], errors: [] };
  client.onevent = (event) => seen.events.push(event.id);
  client.ongap = (gap) => seen.gaps.push(gap);
  client.onstate = (state, error) => {
    seen.states.push(state);
    if (error) seen.errors.push(error.code);
  };
  return seen;
}

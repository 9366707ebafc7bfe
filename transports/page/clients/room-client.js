/** The base of all clients: connection, position, backoff, watchdog. See docs/clients.md. */

const BACKOFF_MS = 1000; // doubles with each failure; see docs/clients.md
const BACKOFF_CAP_MS = 10_000;
const SETTLED_MS = 1_000; // a connection this old was no failure
const SEND_TIMEOUT_MS = 10_000;
const FATAL = ["forbidden", "not_found", "bad_request", "method_not_allowed"]; // trying again changes nothing
const UNAUTHORIZED_LIMIT = 3;
const UNEXPLAINED = ["silent", "cut", "close_1006"];

const encoder = new TextEncoder();
const prefix = Math.random().toString(36).slice(2, 10);
let refs = 0;

/** Bytes of a text in UTF-8. */
export const size = (text) => encoder.encode(text).length;

/** A ref of its own for each message; a retry repeats it. */
export const newRef = () => `${prefix}.${++refs}`;

/** An Error with the contract's `code` and, perhaps, `retryAfterMs`. */
export const failure = (code, message, retryAfterMs) => Object.assign(new Error(message), { code, retryAfterMs });

const split = (position) => {
  const [epoch, offset] = position.split(":");
  return [epoch, Number(offset)];
};

/** A subclass implements `stream(signal)`: connect, call `receive` per event, throw when it ends or `signal` aborts. */
export class RoomClient {
  onevent = () => {}; // (event): chat, user_joined, user_left; in order, each once
  ongap = () => {}; // ({reason, from, to}): what lies between will not come
  onstate = () => {}; // (state, error?): connecting, open, waiting, refused, closed
  position = null; // of the last event taken
  state = "closed";
  bytes = 0; // of event data
  reconnects = 0;
  repeats = 0; // dropped events
  heartbeatMs = 15_000;
  stale = false; // the last token was refused
  #life = null;
  #attempt = null;
  #wake = () => {};
  #heard = 0;

  /** `token(stale)` returns a JWT or a promise of one; `query` goes into every URL. */
  constructor({ room, token, base = globalThis.location?.origin, query = {} }) {
    Object.assign(this, { room, token, base, query });
  }

  /** Join, from `since` on; without it, from now on. */
  connect(since = this.position) {
    if (this.#life) return;
    this.position = since;
    globalThis.addEventListener?.("online", this.#hurry);
    this.#run((this.#life = {}));
  }

  /** Stop for good (until the next `connect`). */
  close() {
    if (!this.#life) return;
    this.#end("closed");
    this.drop(failure("closed", "closed"));
    this.#wake();
  }

  /** End the membership too; a poller's would run out by itself. */
  async leave() {
    this.close();
    await this.request("/leave", { method: "POST", keepalive: true });
  }

  /** Publish. Resolves with `{id, ref}`; a retry with the same ref never doubles. */
  async send(content, ref = newRef()) {
    const body = JSON.stringify({ content, ref });
    const signal = AbortSignal.timeout(SEND_TIMEOUT_MS);
    return (await this.request("/messages", { method: "POST", body, signal })).json();
  }

  /** End this connection; the client then reconnects. */
  drop(error) {
    this.#attempt?.abort(error);
  }

  url(path, parameters) {
    const given = Object.entries({ ...this.query, ...parameters }).filter(([, value]) => value != null);
    return `${this.base}/rooms/${this.room}${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
  }

  async request(path, init, parameters) {
    const headers = { Authorization: `Bearer ${await this.token(this.stale)}` };
    const response = await fetch(this.url(path, parameters), { credentials: "omit", cache: "no-store", headers, ...init });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  opened() {
    this.stale = false;
    if (!this.#life || this.state === "open") return;
    if (this.#life.opened) this.reconnects++;
    this.#life.opened = true;
    this.#set("open");
  }

  /** Any sign of life, worth `bytes`. */
  alive(bytes = 0) {
    this.bytes += bytes;
    this.#heard = Date.now();
  }

  /** Ask for a sign of life, where the transport can. */
  probe() {}

  receive(event) {
    if (!this.#life) return;
    if (event.type === "welcome") {
      this.heartbeatMs = event.heartbeatMs;
      this.position ??= event.position; // a resync moves it
      this.opened();
    } else if (event.type === "resync") {
      const from = this.position;
      this.position = event.position;
      this.#tell(this.ongap, { reason: event.reason, from, to: event.position });
    } else if (event.type === "error") {
      throw failure(event.code, event.message, event.retryAfterMs);
    } else if (event.id) {
      this.#take(event);
    }
  }

  #take(event) {
    const [epoch, offset] = split(event.id);
    const [ourEpoch, ourOffset] = split(this.position);
    if (epoch === ourEpoch && offset <= ourOffset) return void this.repeats++;
    if (epoch !== ourEpoch || offset !== ourOffset + 1) throw failure("hole", `${event.id} came after ${this.position}`);
    this.position = event.id;
    this.#tell(this.onevent, event);
  }

  #tell(listener, ...values) {
    try {
      listener(...values);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #set(state, error) {
    this.state = state;
    this.#tell(this.onstate, state, error);
  }

  #end(state, error) {
    this.#life = null;
    globalThis.removeEventListener?.("online", this.#hurry);
    this.#set(state, error);
  }

  #hurry = () => this.#wake();

  async #run(life) {
    for (let failures = 0, unauthorized = 0; life === this.#life; ) {
      const began = Date.now();
      const error = await this.#connection();
      if (life !== this.#life) return;
      failures = Date.now() - began > SETTLED_MS ? 0 : failures + 1;
      this.stale = error.code === "unauthorized";
      unauthorized = this.stale ? unauthorized + 1 : 0;
      if (FATAL.includes(error.code) || unauthorized === UNAUTHORIZED_LIMIT) return this.#end("refused", error);
      this.#set("waiting", error);
      await this.#pause(failures, error.retryAfterMs ?? 0);
    }
  }

  /** One connection, from its start to the error that ended it. */
  async #connection() {
    const attempt = (this.#attempt = new AbortController());
    this.#set("connecting");
    this.alive();
    const watch = setInterval(() => this.#listen(), 1000);
    try {
      await this.stream(attempt.signal);
      return failure("ended", "the server ended the stream");
    } catch (error) {
      const end = attempt.signal.aborted ? attempt.signal.reason : error;
      return this.state === "open" ? end : this.#unopened(end);
    } finally {
      clearInterval(watch);
      attempt.abort(); // whatever the stream left behind ends with it
    }
  }

  // What a plain request says of it.
  #unopened(error) {
    if (!UNEXPLAINED.includes(error.code)) return error;
    return this.request("", { signal: AbortSignal.timeout(SEND_TIMEOUT_MS) }).then(
      () => failure("blocked", "HTTP works here, this transport does not open"),
      (found) => (found.code > "" ? found : error), // a DOMException has a number
    );
  }

  #listen() {
    const silentMs = Date.now() - this.#heard;
    if (silentMs > 2 * this.heartbeatMs) this.drop(failure("silent", `nothing received for ${silentMs} ms`));
    else if (silentMs > this.heartbeatMs && this.state === "open") this.probe();
  }

  // Full jitter: clients that were cut together do not come back together.
  #pause(failures, atLeastMs) {
    const ms = atLeastMs + Math.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_MS * 2 ** failures);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => (clearTimeout(timer), resolve());
    });
  }
}

export async function refusal(response) {
  const said = await response.json().catch(() => {});
  return failure(said?.code ?? `http_${response.status}`, said?.message ?? response.statusText, said?.retryAfterMs);
}

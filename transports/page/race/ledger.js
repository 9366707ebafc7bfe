/** What a lane was handed, checked apart from the client: counts, holes, repeats, order. No DOM, no clock. */

const OWED_IDS = 10_000;

const split = (id) => {
  const colon = id.lastIndexOf(":");
  return [id.slice(0, colon), Number(id.slice(colon + 1))];
};

export class Ledger {
  messages = 0;
  events = 0;
  lost = 0;
  doubled = 0;
  uncounted = false; // whether more may be lost than is counted
  last = null; // position
  #owed = new Set(); // ids that the server acknowledged to this page, and the lane has not brought yet
  #ended = new Map(); // epoch that is over -> the last offset that the lane brought of it
  #entered = 0; // offset at which the lane entered the present epoch

  /** Begin at a position: the first event expected is the one after it. */
  begin(position) {
    this.last ??= position;
  }

  /** Note an event that the client handed over. */
  take({ id, type }) {
    this.events++;
    if (type === "chat") this.messages++;
    this.#owed.delete(id);
    if (this.last !== null) this.#compare(id);
    else this.last = id;
  }

  /** Note an event that the server acknowledged to this page: the lane has to bring it, or loses it. */
  acknowledged(id) {
    const [epoch, offset] = split(id);
    const [ourEpoch, ourOffset] = this.last ? split(this.last) : [epoch, 0];
    if (this.#ended.has(epoch)) this.lost += offset > this.#ended.get(epoch) ? 1 : 0;
    else if (epoch === ourEpoch && offset <= ourOffset) this.lost += offset <= this.#entered ? 1 : 0;
    else if (this.#owed.size < OWED_IDS) this.#owed.add(id);
    else this.uncounted = true;
  }

  /** Note a gap that the client reports. Across epochs only what was acknowledged to this page can be counted. */
  gap({ to }) {
    const [epoch, offset] = split(to);
    const [ourEpoch, ourOffset] = this.last ? split(this.last) : [epoch, offset];
    const owed = [...this.#owed].map(split);
    if (epoch === ourEpoch) {
      this.lost += Math.max(0, offset - ourOffset);
    } else {
      const missed = ([its, at]) => (its === ourEpoch && at > ourOffset) || (its === epoch && at <= offset);
      this.lost += owed.filter(missed).length;
      this.uncounted = true;
      this.#ended.set(ourEpoch, ourOffset);
      this.#entered = offset;
    }
    this.#owed = new Set(owed.filter(([its, at]) => its === epoch && at > offset).map((parts) => parts.join(":")));
    this.last = to;
  }

  #compare(id) {
    const [epoch, offset] = split(id);
    const [ourEpoch, ourOffset] = split(this.last);
    if (epoch === ourEpoch && offset <= ourOffset) {
      this.doubled++;
      return;
    }
    if (epoch === ourEpoch) this.lost += offset - ourOffset - 1;
    this.last = id;
  }
}

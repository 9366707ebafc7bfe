/** What a lane was handed, checked apart from the client: counts, holes, repeats, order. No DOM, no clock. */

const split = (id) => {
  const colon = id.lastIndexOf(":");
  return [id.slice(0, colon), Number(id.slice(colon + 1))];
};

export class Ledger {
  messages = 0;
  events = 0;
  lost = 0;
  doubled = 0;
  last = null; // position

  /** Begin at a position: the first event expected is the one after it. */
  begin(position) {
    this.last ??= position;
  }

  /** Note an event that the client handed over. */
  take({ id, type }) {
    this.events++;
    if (type === "chat") this.messages++;
    if (this.last !== null) this.#compare(id);
    else this.last = id;
  }

  /** Note a gap that the client was told of. A new epoch's loss can't be counted: it adds nothing. */
  gap({ to }) {
    const [epoch, offset] = split(to);
    const [ourEpoch, ourOffset] = this.last ? split(this.last) : [epoch, offset];
    if (epoch === ourEpoch) this.lost += Math.max(0, offset - ourOffset);
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

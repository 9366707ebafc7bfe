/** The room as people see it: chat, who is here, who comes and goes. Fed by whichever lane is first. */

import { count, typed } from "./text.js";

const KEPT_LINES = 200;
const DRAW_MS = 100; // the first lane's line is drawn when the others have been stamped: drawing would delay them
const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

const split = (id) => {
  const colon = id.lastIndexOf(":");
  return [id.slice(0, colon), Number(id.slice(colon + 1))];
};

export class RoomView {
  #last = null;
  #streamed = 0;
  #undrawn = [];
  #timer = null;

  constructor({ chat, members, unshown, refresh }) {
    Object.assign(this, { chat, members, unshown, refresh });
  }

  /** Forget the room that was. */
  clear() {
    this.#last = null;
    this.#streamed = 0;
    this.#undrawn = [];
    this.chat.replaceChildren();
    this.unshown.textContent = "";
  }

  /** Show an event, unless another lane has brought it already. */
  take(event) {
    if (!this.#isNew(event.id)) return;
    this.#last = event.id;
    this.#soon(() => {
      if (event.type === "chat") return this.#chat(event);
      this.#line("moved", event, event.type === "user_joined" ? "joined" : "left");
      this.refresh();
    });
  }

  /** Tell of a gap: what was before is no longer all there is. */
  gap({ reason, to }) {
    if (!this.#isNew(to)) return;
    this.#last = to;
    this.#soon(() => {
      const line = document.createElement("li");
      line.className = "moved";
      line.textContent = `Some messages are missing here (${reason.replaceAll("_", " ")}).`;
      this.#append(line);
    });
  }

  showMembers(members, own) {
    this.members.replaceChildren(
      ...members.map(({ userId, connections }) => {
        const item = document.createElement("li");
        item.textContent = `${userId}${userId === own ? " (you)" : ""}`;
        item.title = `${connections} connection${connections === 1 ? "" : "s"}`;
        return item;
      }),
    );
  }

  #soon(draw) {
    this.#undrawn.push(draw);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      for (const each of this.#undrawn.splice(0)) each();
    }, DRAW_MS);
  }

  #isNew(id) {
    if (this.#last === null) return true;
    const [epoch, offset] = split(id);
    const [ourEpoch, ourOffset] = split(this.#last);
    return epoch !== ourEpoch || offset > ourOffset;
  }

  #chat(event) {
    // Refs that begin with s. belong to somebody's stream: hundreds of lines that nobody would read.
    if (event.ref?.startsWith("s.")) {
      this.unshown.textContent = `${count(++this.#streamed)} messages of streams are counted, not shown.`;
    } else {
      this.#line("said", event, typed(event.content));
    }
  }

  #line(kind, { userId, timestamp }, text) {
    const line = document.createElement("li");
    line.className = kind;
    const when = document.createElement("time");
    when.dateTime = new Date(timestamp).toISOString();
    when.textContent = time.format(timestamp);
    const who = document.createElement("b");
    who.textContent = userId;
    const what = document.createElement("span");
    what.textContent = text;
    line.append(when, " ", who, " ", what);
    this.#append(line);
  }

  #append(line) {
    const { chat } = this;
    const log = chat.parentElement;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    chat.append(line);
    while (chat.childElementCount > KEPT_LINES) chat.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}

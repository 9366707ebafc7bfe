// The form: reads a case, refuses what no model holds for, and shows the answer.
"use strict";

const form = document.querySelector("form");
const shown = document.querySelector("#answer");
const said = document.querySelector("#said");
const digits = (value) => (value === undefined || value === null ? "–" : Number(value.toPrecision(3)).toLocaleString("en"));
const latency = (figure) => (figure ? `${figure.atLeast ? "≥ " : ""}${digits(figure.value)}` : "–");

function read() {
  const given = new FormData(form);
  const number = (name) => Number(given.get(name));
  return {
    rate: number("rate"), payload: number("payload"), subscribers: number("subscribers"), rooms: number("rooms"),
    direction: given.get("direction"), rtt: number("rtt"), jitter: 0, loss: number("loss"),
    clients: [given.get("clients")], proxy: given.get("proxy"), tls: given.get("tls") !== null,
    within: given.get("within") ? number("within") : null, price: given.get("price"),
  };
}

function refused(asked) {
  if (!form.checkValidity()) return "Each figure must lie within its limits.";
  if (asked.rooms > asked.subscribers) return "There can be no more rooms than subscribers.";
  return "";
}

function show() {
  const asked = read();
  const why = refused(asked);
  shown.replaceChildren();
  if (why) {
    said.textContent = why;
    return;
  }
  const answer = advise(asked);
  const first = answer.ranked[0];
  const currency = data.prices[asked.price].currency;
  const words = ["measured", "between measurements", "modelled"];
  said.textContent = first
    ? `Take ${first.title}: ${currency} ${digits(first.bill.total)} a month, ${words[first.bill.how]}. Heartbeat: ${answer.heartbeat_s} s.`
    : "No transport that was measured fits this case.";
  for (const option of [...answer.ranked, ...answer.out]) {
    const row = shown.insertRow();
    const cells = [
      option.title, latency(option.p50), latency(option.p99), digits(option.wire?.value), digits(option.cpu_us),
      digits(option.size?.machines), digits(option.bill?.perMillion), digits(option.bill?.total), option.out,
    ];
    for (const text of cells) row.insertCell().textContent = text;
  }
}

form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
show();

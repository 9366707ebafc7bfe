/** The lanes there are. A further transport is one client and one entry here. */

import { FetchStreamClient } from "../clients/fetch-stream.js";
import { LongPollClient, ShortPollClient } from "../clients/polls.js";
import { SseClient } from "../clients/sse.js";
import { WebSocketClient } from "../clients/websocket.js";

export const LANES = [
  {
    id: "websocket",
    title: "WebSocket",
    note: "one connection, both ways; messages of this page go up here",
    make: (options) => new WebSocketClient(options),
  },
  {
    id: "sse",
    title: "SSE",
    note: "the browser's EventSource; one connection, down only",
    make: (options) => new SseClient(options),
  },
  {
    id: "fetch-stream",
    title: "SSE over fetch",
    note: "the same stream, read by fetch: status and heartbeats are visible",
    make: (options) => new FetchStreamClient(options),
  },
  {
    id: "longpoll",
    title: "Long poll",
    note: "a request that is answered when there is something to say",
    make: (options) => new LongPollClient(options),
  },
  {
    id: "shortpoll",
    title: "Short poll",
    note: "a question once a second, whether or not there is news",
    make: (options) => new ShortPollClient({ ...options, interval: 1000 }),
  },
];

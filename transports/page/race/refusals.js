/** Errors in words that help. */

const WORDS = {
  unauthorized: "The token is missing, wrong or expired.",
  forbidden: "This token or this page may not enter the room.",
  not_found: "No room can have this name.",
  bad_request: "The server did not accept the request.",
  rate_limited: "Too many messages: the server asked to slow down.",
  slow_consumer: "This lane read too slowly and was disconnected; it resumes from its last position.",
  shutting_down: "The server is shutting down.",
  unavailable: "The server can't reach its store.",
  blocked: "HTTP works here, but this stream doesn't open: are cookies blocked, or an extension at work?",
  silent: "Nothing was received for two heartbeats: the connection counts as dead.",
  hole: "An event was missing: the lane reads it again from its last position.",
};

/** Why a lane is not open. */
export function inWords(error) {
  if (!error) return "";
  if (WORDS[error.code]) return `${WORDS[error.code]} (${error.message})`;
  if (error.code === "close_1006") return "The WebSocket could not be opened, or was cut without a reason.";
  if (error instanceof TypeError) return "The server can't be reached.";
  return error.message;
}

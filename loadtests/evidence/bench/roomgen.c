// Load client for many small rooms: one message in flight in each, and every event checked.
// Usage: roomgen --port P --mode ws|sse|lp --rooms R --members S --path /rooms/r%R/ws ...   (see `options`)
// In mode ws the members of a room publish in turn. In the others each room has one more connection that POSTs to --pubpath.
// A room's next message is published when all members have the last one and its ack (--ack MARK, or the POST's answer) is
// there. --rate N publishes at most N messages per second in all rooms together. `%R` is the room's number, `%T` a line
// of --tokens, another one for each connection. Every second connection goes to --port2 if there is one.
// When all are in it publishes for --warm S seconds, prints an empty line and waits. Each number on its input is a slice:
// it publishes for so many seconds, waits until all messages are through, and prints a line of JSON. So each message is
// counted whole; and the server's CPU until it is idle again, so that polls that come back are in it. Before it every room
// publishes once or more, which does not count: another server may have had the processor's caches meanwhile.
// A message's content begins with ~, the room (6 digits) and the room's sequence number (10 digits). A member has to see each
// number once and in order: what it skips or never gets is `missing`, what comes again `repeated`, another room's `strayed`.
// One thread that sleeps between slices only: `client_busy` is the share of a slice in which it had work, `srv_cpu` the
// server's core.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
typedef uint64_t u64;
enum mode { WS, SSE, LP };
enum state { CONNECTING, HEAD, ENTERING, READY }; // READY: it gets what is published from now on
enum { MARK = 17, BUFFER = 1 << 16, MARGIN_NS = 300000000, IDLE_NS = 20000000 };
struct conn {
  int fd, room, filled;
  enum state state;
  int publishes_only;
  u64 next;          // the sequence number that it should see next
  char position[96]; // of a poll
  char data[BUFFER];
};
struct room {
  u64 sequence, sent_ns;
  int left, acked, turn; // members that have not seen the last message; who publishes the next
};
static enum mode mode;
static int port, port2, rooms = 1, members = 2, payload_bytes = 128, n_conns, n_ready, n_tokens, n_idle, ep;
static const double SETTLE_S = 0.05;
static double warm_up_s = 1, rate;
static const char *pids = "", *path = "", *pubpath = "", *header = "", *opening, *ready_mark, *ack_mark, *wrap = "%s",
                  *position_name = "since";
static char **tokens;
static struct conn *conns;
static struct room *room_of;
static int *idle; // a ring of the rooms whose last message is through
static int idle_first;
static u64 published, through, missing, repeated, strayed, to_ns;
static u64 *latencies_ns, n_latencies;
static u64 now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void die(const char *why) {
  fprintf(stderr, "roomgen: %s%s%s\n", why, errno ? ": " : "", errno ? strerror(errno) : "");
  exit(1);
}
static void send_all(struct conn *c, const char *data, int size) {
  for (int at = 0; at < size;) {
    int sent = send(c->fd, data + at, size - at, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
      die("send");
    at += sent > 0 ? sent : 0;
  }
}
static int fill(char *out, int size, const char *template, struct conn *c, const char *content) {
  int at = 0;
  for (const char *t = template; *t && at < size - 1; t++) {
    if (t[0] != '%' || !strchr("RTs", t[1]))
      out[at++] = *t;
    else if (*++t == 'R')
      at += snprintf(out + at, size - at, "%d", c->room);
    else
      at += snprintf(out + at, size - at, "%s", *t == 's' ? content : n_tokens ? tokens[(c - conns) % n_tokens] : "");
  }
  if (at >= size - 1)
    die("a template is too long");
  out[at] = 0;
  return at;
}
static void send_frame(struct conn *c, int opcode, const char *data, int size) {
  char frame[BUFFER];
  static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
  int at = 0;
  frame[at++] = 0x80 | opcode;
  frame[at++] = 0x80 | (size < 126 ? size : 126);
  if (size >= 126) {
    frame[at++] = size >> 8;
    frame[at++] = size & 255;
  }
  memcpy(frame + at, mask, 4);
  at += 4;
  for (int i = 0; i < size; i++)
    frame[at++] = data[i] ^ mask[i & 3];
  send_all(c, frame, at);
}
static void request(struct conn *c, const char *method, const char *target, const char *more, const char *body) {
  char out[BUFFER], where[512], headers[2048];
  fill(where, sizeof where, target, c, "");
  fill(headers, sizeof headers, header, c, "");
  int size = snprintf(out, sizeof out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n%s", method, where, port,
                      headers, more, body);
  send_all(c, out, size);
}
static void poll_again(struct conn *c) {
  char target[512];
  snprintf(target, sizeof target, *c->position ? "%s%c%s=%s" : "%s", path, strchr(path, '?') ? '&' : '?', position_name,
           c->position);
  request(c, "GET", target, "", "");
}
static void enter(struct conn *c) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &event);
  c->state = c->publishes_only ? READY : mode == LP ? ENTERING : HEAD;
  if (c->publishes_only)
    n_ready++;
  else if (mode == LP)
    poll_again(c);
  else
    request(c, "GET", path,
            mode == SSE ? "Accept: text/event-stream\r\n"
                        : "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Version: 13\r\n",
            "");
}
static void entered(struct conn *c) {
  if (c->state != READY)
    n_ready++;
  c->state = READY;
}
static void publish(int number) {
  struct room *r = &room_of[number];
  int sender = mode == WS ? number * members + r->turn++ % members : rooms * members + number;
  char content[BUFFER / 4], body[BUFFER / 2], more[128];
  int size = snprintf(content, sizeof content, "~%06d%010llu ", number, (unsigned long long)++r->sequence);
  for (; size < payload_bytes; size++)
    content[size] = "abcdefghij klmno"[size & 15];
  content[size] = 0;
  r->left = members;
  r->acked = mode == WS && !ack_mark;
  r->sent_ns = now_ns();
  published++;
  size = fill(body, sizeof body, wrap, &conns[sender], content);
  if (mode == WS) {
    send_frame(&conns[sender], 1, body, size);
  } else {
    snprintf(more, sizeof more, "Content-Type: application/json\r\nContent-Length: %d\r\n", size);
    request(&conns[sender], "POST", pubpath, more, body);
  }
}
static void if_through(struct room *r) {
  if (r->left || !r->acked)
    return;
  idle[(idle_first + n_idle++) % rooms] = r - room_of;
  through++;
  if (n_latencies < 1 << 22)
    latencies_ns[n_latencies++] = now_ns() - r->sent_ns;
}
static void acked(struct conn *c) {
  struct room *r = &room_of[c->room];
  if (!r->acked) {
    r->acked = 1;
    if_through(r);
  }
}
static u64 number_at(const char *digits, int count) {
  u64 value = 0;
  while (count--)
    value = value * 10 + (*digits++ - '0');
  return value;
}
static int seen(struct conn *c, const char *mark) {
  struct room *r = &room_of[c->room];
  u64 sequence = number_at(mark + 7, 10);
  if ((int)number_at(mark + 1, 6) != c->room)
    return strayed++, 1;
  if (sequence < c->next)
    return repeated++, 1;
  missing += sequence - c->next;
  c->next = sequence + 1;
  if (sequence == r->sequence && r->left && !--r->left)
    if_through(r);
  return 1;
}
static int scan(struct conn *c, const char *data, int size, int *found) { // returns how much of it is done with
  const char *end = data + size, *at = data;
  while ((at = memchr(at, '~', end - at)) != NULL && end - at >= MARK) {
    *found += seen(c, at);
    at += MARK;
  }
  return at ? at - data : size;
}
static int read_frame(struct conn *c, unsigned char *data, int size) { // returns its size, 0 if there is more to come
  int head = size < 2 ? 14 : (data[1] & 127) < 126 ? 2 : (data[1] & 127) == 126 ? 4 : 10, found = 0;
  if (size < head)
    return 0;
  u64 length = head == 2 ? data[1] & 127 : head == 4 ? data[2] << 8 | data[3] : BUFFER;
  if (length > BUFFER - 14)
    die("a frame is too long");
  if ((u64)size < head + length)
    return 0;
  char *body = (char *)data + head;
  if ((data[0] & 15) == 9)
    send_frame(c, 10, body, length);
  else if ((data[0] & 15) == 8)
    die("the server closed a WebSocket");
  else if (length == 1 && *body == '2') // Engine.IO's ping
    send_frame(c, 1, "3", 1);
  else if (c->state != READY && (!ready_mark || memmem(body, length, ready_mark, strlen(ready_mark))))
    entered(c);
  else if (scan(c, body, length, &found), !found && ack_mark && memmem(body, length, ack_mark, strlen(ack_mark)))
    acked(c);
  return head + length;
}
static int read_answer(struct conn *c, char *data, int size) { // as read_frame
  char *body = memmem(data, size, "\r\n\r\n", 4), *length_at, *at, *end;
  int found = 0, status = size > 12 ? atoi(data + 9) : 0;
  if (!body)
    return 0;
  body += 4;
  if (status < 200 || status > 299)
    errno = 0, fprintf(stderr, "%.*s\n", size > 300 ? 300 : size, data), die("the server refused a request");
  *(body - 1) = 0;
  length_at = strcasestr(data, "content-length:");
  *(body - 1) = '\n';
  int length = length_at ? atoi(length_at + 15) : 0;
  if (body + length > data + size)
    return 0;
  end = body + length;
  if (c->publishes_only)
    return acked(c), end - data;
  scan(c, body, length, &found);
  for (at = body; (at = memmem(at, end - at, "\"position\":\"", 12)) != NULL;) {
    at += 12;
    char *quote = memchr(at, '"', end - at);
    snprintf(c->position, sizeof c->position, "%.*s", quote ? (int)(quote - at) : 0, at);
  }
  poll_again(c);
  entered(c);
  return end - data;
}
static int read_head(struct conn *c, char *data, int size) {
  char *end = memmem(data, size, "\r\n\r\n", 4);
  if (!end)
    return 0;
  if (strncmp(data, mode == WS ? "HTTP/1.1 101" : "HTTP/1.1 200", 12))
    errno = 0, fprintf(stderr, "%.*s\n", size > 300 ? 300 : size, data), die("the server refused a member");
  c->state = ENTERING;
  if (mode == WS && opening) {
    char text[4096];
    send_frame(c, 1, text, fill(text, sizeof text, opening, c, ""));
  }
  if (!ready_mark)
    entered(c);
  return end + 4 - data;
}
static int read_stream(struct conn *c, char *data, int size) {
  int found = 0;
  if (c->state == ENTERING) {
    char *at = memmem(data, size, ready_mark, strlen(ready_mark));
    return at ? entered(c), at + strlen(ready_mark) - data : 0;
  }
  return scan(c, data, size, &found);
}
static void readable(struct conn *c) {
  for (;;) {
    int got = recv(c->fd, c->data + c->filled, BUFFER - c->filled, 0), at = 0, used;
    if (got < 0 && errno == EAGAIN)
      return;
    if (got <= 0)
      die("the server closed a connection");
    int all = got < BUFFER - c->filled;
    c->filled += got;
    do {
      char *data = c->data + at;
      int size = c->filled - at;
      used = !size                            ? 0
             : c->state == HEAD               ? read_head(c, data, size)
             : c->publishes_only || mode == LP ? read_answer(c, data, size)
             : mode == SSE                    ? read_stream(c, data, size)
                                              : read_frame(c, (unsigned char *)data, size);
      at += used;
    } while (used);
    memmove(c->data, c->data + at, c->filled - at);
    c->filled -= at;
    if (c->filled == BUFFER)
      die("what the server sends has no end");
    if (all) // else there may be more, of which no edge would tell
      return;
  }
}

static u64 cpu_ns(void) { // of all threads of the server's processes
  char list[4096], name[300];
  u64 sum = 0, thread_ns;
  snprintf(list, sizeof list, "%s", pids);
  for (char *pid = strtok(list, ","); pid; pid = strtok(NULL, ",")) {
    snprintf(name, sizeof name, "/proc/%s/task", pid);
    DIR *tasks = opendir(name);
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
      snprintf(name, sizeof name, "/proc/%s/task/%s/schedstat", pid, task->d_name);
      FILE *file = *task->d_name == '.' ? NULL : fopen(name, "r");
      if (file && fscanf(file, "%lu", &thread_ns) == 1)
        sum += thread_ns;
      if (file)
        fclose(file);
    }
    if (tasks)
      closedir(tasks);
  }
  return sum;
}
static u64 busy_ns, due_first_ns, due; // since when messages are due, and how many have been published since
static void turn(void) {
  struct epoll_event events[256];
  u64 began = now_ns();
  int count = epoll_wait(ep, events, 256, 0), publishing = n_idle;
  for (int i = 0; i < count; i++) {
    struct conn *c = events[i].data.ptr;
    if (c->state == CONNECTING && events[i].events & EPOLLOUT)
      enter(c);
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
      readable(c);
  }
  for (; n_idle; n_idle--, due++) {
    if (began >= to_ns || (rate && began < due_first_ns + (u64)(due * 1e9 / rate)))
      break;
    publish(idle[idle_first]);
    idle_first = (idle_first + 1) % rooms;
  }
  if (count > 0 || publishing != n_idle)
    busy_ns += now_ns() - began;
}
static void run_until(u64 end_ns) {
  while (now_ns() < end_ns)
    turn();
}
static void flow(double seconds) { // until all is through that was published in them
  due = 0, due_first_ns = now_ns(), to_ns = due_first_ns + (u64)(seconds * 1e9);
  run_until(to_ns);
  while (through < published && now_ns() < to_ns + 2000000000ull)
    turn();
}
static u64 cpu_until_idle(void) { // and what comes late is read
  u64 before, now = cpu_ns(), limit = now_ns() + 2000000000ull;
  do {
    before = now;
    run_until(now_ns() + IDLE_NS);
    now = cpu_ns();
  } while (now - before > IDLE_NS / 20 && now_ns() < limit);
  return now;
}
static void connect_one(struct conn *c, int i) {
  int one = 1;
  struct linger at_once = {1, 0};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(i % 2 && port2 ? port2 : port),
                           .sin_addr.s_addr = htonl(0x7f000001)};
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
  c->publishes_only = i >= rooms * members;
  c->room = c->publishes_only ? i - rooms * members : i / members;
  c->next = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  if (c->fd < 0 || (connect(c->fd, (void *)&to, sizeof to) && errno != EINPROGRESS))
    die("connect");
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event);
}
static void read_tokens(const char *name) {
  FILE *file = fopen(name, "r");
  char line[1024];
  if (!file)
    die(name);
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    tokens = realloc(tokens, (n_tokens + 1) * sizeof *tokens);
    tokens[n_tokens++] = strdup(line);
  }
  fclose(file);
}
static void options(int count, char **words) {
  for (int i = 1; i + 1 < count; i += 2) {
    const char *name = words[i], *value = words[i + 1];
    static const struct {
      const char *name;
      int *number;
      double *real;
      const char **text;
    } known[] = {{"--port", &port}, {"--port2", &port2}, {"--rooms", &rooms}, {"--members", &members}, {"--size", &payload_bytes},
                 {"--warm", 0, &warm_up_s}, {"--rate", 0, &rate}, {"--pids", 0, 0, &pids},
                 {"--path", 0, 0, &path}, {"--pubpath", 0, 0, &pubpath}, {"--hdr", 0, 0, &header},
                 {"--wsinit", 0, 0, &opening}, {"--ready", 0, 0, &ready_mark}, {"--ack", 0, 0, &ack_mark},
                 {"--wrap", 0, 0, &wrap},
                 {"--curq", 0, 0, &position_name}};
    int k = 0, n_known = sizeof known / sizeof *known;
    while (k < n_known && strcmp(name, known[k].name))
      k++;
    if (!strcmp(name, "--tokens"))
      read_tokens(value);
    else if (!strcmp(name, "--mode"))
      mode = !strcmp(value, "ws") ? WS : !strcmp(value, "sse") ? SSE : LP;
    else if (k == n_known)
      die(name);
    else if (known[k].number)
      *known[k].number = atoi(value);
    else if (known[k].real)
      *known[k].real = atof(value);
    else
      *known[k].text = value;
  }
}
static int by_size(const void *a, const void *b) {
  u64 x = *(const u64 *)a, y = *(const u64 *)b;
  return (x > y) - (x < y);
}
static double percentile_us(double share) { return n_latencies ? latencies_ns[(u64)(share * (n_latencies - 1))] / 1e3 : 0; }
static void measure(double slice_s) {
  flow(SETTLE_S);
  n_latencies = 0;
  u64 cpu = cpu_until_idle(), busy = busy_ns, before = through, start = now_ns(), unanswered = 0;
  flow(slice_s);
  u64 messages = through - before, ns = now_ns() - start, flowing_cpu = cpu_ns() - cpu;
  busy = busy_ns - busy;
  cpu = cpu_until_idle() - cpu;
  for (int i = 0; i < rooms * members; i++) { // what comes later comes again
    missing += room_of[conns[i].room].sequence + 1 - conns[i].next;
    conns[i].next = room_of[conns[i].room].sequence + 1;
  }
  for (int i = 0; i < rooms; i++)
    unanswered += !room_of[i].acked;
  if (!messages)
    errno = 0, die("no message was through in a slice");
  qsort(latencies_ns, n_latencies, sizeof *latencies_ns, by_size);
  printf("{\"rooms\":%d,\"members\":%d,\"messages\":%lu,\"mps\":%.0f,\"us_per_msg\":%.2f,\"p50us\":%.0f,\"p99us\":%.0f,"
         "\"missing\":%lu,\"repeated\":%lu,\"strayed\":%lu,\"unanswered\":%lu,\"client_busy\":%.3f,\"srv_cpu\":%.3f}\n",
         rooms, members, messages, messages * 1e9 / ns, cpu / 1e3 / messages, percentile_us(0.5), percentile_us(0.99),
         missing, repeated, strayed, unanswered, busy / (double)ns, flowing_cpu / (double)ns);
  fflush(stdout);
  missing = repeated = strayed = 0;
}
int main(int count, char **words) {
  options(count, words);
  n_conns = rooms * members + (mode == WS ? 0 : rooms);
  conns = calloc(n_conns, sizeof *conns);
  room_of = calloc(rooms, sizeof *room_of);
  idle = calloc(rooms, sizeof *idle);
  latencies_ns = calloc(1 << 22, sizeof *latencies_ns);
  ep = epoll_create1(0);
  u64 began = now_ns();
  for (int opened = 0; n_ready < n_conns; turn()) {
    for (; opened < n_conns && opened - n_ready < 64; opened++)
      connect_one(&conns[opened], opened);
    if (now_ns() - began > 30000000000ull)
      errno = 0, die("not all members are in after 30 s");
  }
  run_until(now_ns() + MARGIN_NS); // what tells of joins is written, and polls wait
  while (n_idle < rooms)
    idle[n_idle] = n_idle, n_idle++;
  flow(warm_up_s);
  for (u64 limit = now_ns() + 10000000000ull; !through && now_ns() < limit;)
    turn();
  if (!through)
    errno = 0, die("no message was through after 10 s");
  cpu_until_idle();
  puts(""), fflush(stdout);
  for (double slice_s; scanf("%lf", &slice_s) == 1;)
    measure(slice_s);
  return 0;
}

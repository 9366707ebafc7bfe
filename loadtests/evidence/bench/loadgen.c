// One-thread epoll load client for WebSocket, SSE, long and short polling: busy-polls, so that it wakes at once.
// Whether it is the bottleneck shows in what it prints: `client_busy` is the share of its time with work in hand, `srv_cpu`
// the share of a core that the server took.
// Either --window W (W messages in flight: the next is sent when the last has reached everybody) or --rate R (open
// loop). A payload holds its scheduled time as ~T<18 digits>; receivers look for that mark only, so parsing costs them
// little. With --rooms R connection i is in room i % R, `%R` in paths is the room's number, and windows and losses are
// kept per room. With --joins nothing is published: it times N connections from the first SYN to the last welcome, after
// --before M that are there already; line i of --tokens FILE replaces `%T` for connection i. Busy-polls (epoll_wait timeout 0). Timestamps: CLOCK_MONOTONIC ns; latency is from *scheduled* send time.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
typedef uint64_t u64;
static inline u64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
enum { WS, SSE, LP, SP };
struct conn {
  int fd, idx, state, wantinit, room, joined;
  char *carry;
  int clen, ccap;
  u64 nmsg;
  char etag[40], lm[40], cur[96];
  int inflight;
  u64 born;
};
static int mode, N = 100, port = 8000, pubport = 0, W = 8, win = 0, deflate = 0, memtest = 0, connrate = 0,
                 pollms = 1000, paylen = 128, pubws = 0, debug = 0, verify = 1;
static double rate = 0, dur = 3, warm = 1;
static const char *path_template = "/ws", *pubpath_template = "/pub", *wrap = "%s", *wsinit = NULL, *pids = NULL, *label = "",
                  *hdr_template = "",
                  *waitfor = NULL, *curq = NULL;
static int text = 0;
static struct conn *C;
static int ep, nready, nclosed;
static u64 total, sent, comp_frames;
static u64 t_ms, t_me; // measurement start/end
static u64 reqs, resps, resp_err;
#define TSN (1 << 20)
static u64 *tsr;
// ---- rooms: connection i is in room i % rooms
static int rooms = 1, fan;
static u64 *rsent, *rtotal;
static int *rleft, *credit, ncredit; // deliveries until a room's next message is through; rooms that may send one more
static char **tokens;
static int ntokens;
// ---- joins
static int joins = 0, before = 0, joinflight = 256, njoined;
static u64 lastread, seen_joined, expect_joined;
// ---- histogram
#define HB 4096
static u64 hist[HB];
static u64 hcount, hmax;
static inline int hb(u64 v) {
  if (v < 64)
    return v;
  int e = 63 - __builtin_clzll(v);
  int m = (v >> (e - 6)) & 63;
  return ((e - 5) << 6) + m;
}
static inline u64 hv(int b) {
  if (b < 64)
    return b;
  int e = (b >> 6) + 5;
  int m = b & 63;
  return ((u64)(64 + m)) << (e - 6);
}
static void rec(u64 lat) {
  hist[hb(lat)]++;
  hcount++;
  if (lat > hmax)
    hmax = lat;
}
static double pct(double p) {
  u64 t = (u64)(hcount * p / 100.0), s = 0;
  for (int i = 0; i < HB; i++) {
    s += hist[i];
    if (s > t)
      return hv(i) / 1e3;
  }
  return hmax / 1e3;
}
static const char *filled(char *o, int on, const char *t, int room, int idx) {
  if (!strstr(t, "%R") && !strstr(t, "%T"))
    return t;
  int k = 0;
  for (; *t && k < on - 1; t++) {
    if (t[0] == '%' && t[1] == 'R') {
      k += snprintf(o + k, on - k, "%d", room);
      t++;
    } else if (t[0] == '%' && t[1] == 'T') {
      k += snprintf(o + k, on - k, "%s", ntokens ? tokens[idx % ntokens] : "");
      t++;
    } else
      o[k++] = *t;
    if (k > on - 1)
      k = on - 1;
  }
  o[k] = 0;
  return o;
}
static void count_joined(struct conn *c, const char *b, int n) {
  static const char mark[] = "\"user_joined\"";
  const char *e = b + n;
  if (!joins || c->idx)
    return;
  while (b < e && (b = memmem(b, e - b, mark, sizeof mark - 1))) {
    seen_joined++;
    b += sizeof mark - 1;
  }
}
static u64 delivered_win; // delivered inside window (by arrival)
static u64 curt;          // time of current batch
static inline void got(struct conn *c, u64 ts) {
  c->nmsg++;
  total++;
  rtotal[c->room]++;
  if (rooms > 1 && --rleft[c->room] == 0) {
    rleft[c->room] = fan;
    if (win && ncredit < W * rooms) // more were a server's repeats
      credit[ncredit++] = c->room;
  }
  if (curt >= t_ms && curt < t_me)
    delivered_win++;
  if (ts >= t_ms + 20000000ull && ts < t_me) {
    u64 n = now();
    rec(n > ts ? n - ts : 0);
  }
}
static int scan(struct conn *c, const char *b, int n, int final) { // returns consumed
  const char *p = b, *e = b + n;
  while (p < e) {
    const char *q = memchr(p, '~', e - p);
    if (!q)
      return n;
    if (e - q < 20) {
      if (final)
        return n;
      return q - b;
    }
    if (q[1] == 'T') {
      u64 v = 0;
      for (int i = 2; i < 20; i++)
        v = v * 10 + (q[i] - '0');
      got(c, v);
      p = q + 20;
    } else
      p = q + 1;
  }
  return n;
}
static void die(const char *m) {
  fprintf(stderr, "loadgen: %s: %s\n", m, strerror(errno));
  printf("{\"label\":\"%s\",\"error\":\"%s\"}\n", label, m);
  exit(1);
}
static u64 bytes_out_app;
static void sendall(struct conn *c, const char *b, int n) {
  int o = 0;
  while (o < n) {
    int r = send(c->fd, b + o, n - o, MSG_NOSIGNAL);
    if (r < 0) {
      if (errno == EAGAIN) {
        usleep(50);
        continue;
      }
      nclosed++;
      return;
    }
    o += r;
  }
  bytes_out_app += n;
}
static int mkframe(char *o, int op, const char *p, int n) {
  unsigned char mk[4] = {0x37, 0xfa, 0x21, 0x3d};
  int i = 0;
  o[i++] = 0x80 | op;
  if (n < 126)
    o[i++] = 0x80 | n;
  else {
    o[i++] = 0x80 | 126;
    o[i++] = n >> 8;
    o[i++] = n & 255;
  }
  memcpy(o + i, mk, 4);
  i += 4;
  for (int k = 0; k < n; k++)
    o[i + k] = p[k] ^ mk[k & 3];
  return i + n;
}
static void joined(struct conn *c) {
  if (c->joined)
    return;
  c->joined = 1;
  njoined++;
  if (joins)
    rec(now() - c->born);
}
static void lp_req(struct conn *c) {
  char b[2048], pa[256], ha[1024];
  int n;
  const char *path = filled(pa, sizeof pa, path_template, c->room, c->idx);
  const char *hdr = filled(ha, sizeof ha, hdr_template, c->room, c->idx);
  char sep = strchr(path, '?') ? '&' : '?';
  if (c->etag[0])
    n = snprintf(b, sizeof b,
                 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nIf-None-Match: %s\r\nIf-Modified-Since: %s\r\n%s\r\n", path,
                 port, c->etag, c->lm, hdr);
  else if (c->cur[0])
    n = snprintf(b, sizeof b, "GET %s%c%s=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, sep,
                 curq ? curq : "cursor", c->cur, port, hdr);
  else
    n = snprintf(b, sizeof b, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, port, hdr);
  reqs++;
  c->inflight = 1;
  sendall(c, b, n);
}
static void hs(struct conn *c) {
  char b[2048], pa[256], ha[1024];
  int n;
  const char *path = filled(pa, sizeof pa, path_template, c->room, c->idx);
  const char *hdr = filled(ha, sizeof ha, hdr_template, c->room, c->idx);
  if (mode == WS) {
    n = snprintf(b, sizeof b,
                 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: "
                 "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s\r\n",
                 path, port, deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "",
                 hdr);
    sendall(c, b, n);
    c->state = 1;
  } else if (mode == SSE) {
    n = snprintf(b, sizeof b, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\n%s\r\n", path,
                 port, hdr);
    sendall(c, b, n);
    c->state = 1;
  } else {
    c->state = 2;
    nready++;
    if (mode == LP)
      lp_req(c);
  }
}
static int hget(const char *b, int n, const char *k, char *o, int on) {
  int kl = strlen(k);
  const char *p = b;
  while (p < b + n) {
    const char *e = memchr(p, '\n', b + n - p);
    if (!e)
      e = b + n;
    if (e - p > kl && !strncasecmp(p, k, kl)) {
      p += kl;
      while (*p == ' ')
        p++;
      int l = e - p;
      if (l && p[l - 1] == '\r')
        l--;
      if (l >= on)
        l = on - 1;
      memcpy(o, p, l);
      o[l] = 0;
      return 1;
    }
    p = e + 1;
  }
  return 0;
}
#define BATCH 256
static struct conn *asking[BATCH]; // who polls again at the end of this batch
static int nasking;
static void ask(void) {
  for (int i = 0; i < nasking; i++)
    lp_req(asking[i]);
  nasking = 0;
}
static int process(struct conn *c, char *b, int n) {
  int used = 0;
  if (c->state == 1) {
    char *q = memmem(b, n, "\r\n\r\n", 4);
    if (!q)
      return 0;
    if (mode == WS && strncmp(b, "HTTP/1.1 101", 12)) {
      fprintf(stderr, "hs: %.*s\n", n > 300 ? 300 : n, b);
      errno = 0;
      die("ws handshake");
    }
    if (mode == SSE && strncmp(b, "HTTP/1.1 200", 12)) {
      fprintf(stderr, "hs: %.*s\n", n > 300 ? 300 : n, b);
      errno = 0;
      die("sse handshake");
    }
    if (c->idx == 0 && debug)
      fprintf(stderr, "%.*s\n", (int)(q - b + 4), b);
    used = q + 4 - b;
    c->state = 2;
    if (wsinit) {
      char f[4096], in[4096];
      const char *init = filled(in, sizeof in, wsinit, c->room, c->idx);
      sendall(c, f, mkframe(f, 1, init, strlen(init)));
    }
    nready++;
  }
  if (mode == SSE) {
    int m = n - used;
    if (joins && !c->idx) { // it counts: whole lines only
      char *z = memrchr(b + used, '\n', m);
      m = z ? z + 1 - (b + used) : 0;
    }
    if (joins && !c->joined) {
      if (!memmem(b + used, m, "\"welcome\"", 9))
        return used;
      joined(c);
    }
    count_joined(c, b + used, m);
    return used + scan(c, b + used, m, 0);
  }
  if (mode == WS) {
    while (n - used >= 2) {
      unsigned char *p = (unsigned char *)b + used;
      int hl = 2;
      u64 l = p[1] & 127;
      if (l == 126) {
        if (n - used < 4)
          break;
        l = p[2] << 8 | p[3];
        hl = 4;
      } else if (l == 127) {
        if (n - used < 10)
          break;
        l = 0;
        for (int i = 2; i < 10; i++)
          l = l << 8 | p[i];
        hl = 10;
      }
      if ((u64)(n - used) < hl + l)
        break;
      int op = p[0] & 15;
      if (op == 1 || op == 2) {
        if (p[0] & 0x40) {
          comp_frames++;
          got(c, tsr[c->nmsg & (TSN - 1)]);
        } else {
          if (wsinit && l == 1 && p[hl] == '2') {
            char f[16];
            sendall(c, f, mkframe(f, 1, "3", 1));
          } else {
            if (!c->joined && memmem(p + hl, l, "\"welcome\"", 9))
              joined(c);
            count_joined(c, (char *)p + hl, l);
            scan(c, (char *)p + hl, l, 1);
          }
        }
      } else if (op == 9) {
        char f[200];
        sendall(c, f, mkframe(f, 10, (char *)p + hl, l > 120 ? 120 : l));
      } else if (op == 8) {
        nclosed++;
      }
      used += hl + l;
    }
    return used;
  }
  // LP / SP
  while (used < n) {
    char *s = b + used;
    char *q = memmem(s, n - used, "\r\n\r\n", 4);
    if (!q)
      break;
    int hl = q + 4 - s;
    char v[64];
    int bl = -1;
    int st = atoi(s + 9);
    if (st == 100) {
      used += hl;
      continue;
    }
    if (st == 304 || st == 204)
      bl = 0;
    else if (hget(s, hl, "content-length:", v, 64))
      bl = atoi(v);
    else if (hget(s, hl, "transfer-encoding:", v, 64)) {
      char *z = memmem(s + hl - 2, n - used - hl + 2, "\r\n0\r\n\r\n", 7);
      if (!z)
        break;
      bl = z + 7 - (s + hl);
    } else
      bl = 0;
    if (n - used < hl + bl)
      break;
    if (debug && c->idx == 0)
      fprintf(stderr, "%.*s\n--\n", hl + bl, s);
    resps++;
    if (st != 200 && st != 304 && st != 204)
      resp_err++;
    else
      joined(c);
    count_joined(c, s + hl, bl);
    scan(c, s + hl, bl, 1);
    if (hget(s, hl, "x-cursor:", v, 32))
      strcpy(c->cur, v);
    if (curq) {
      char *z = s + hl, *e = z + bl, *f = NULL, *g;
      while (z < e && (g = memmem(z, e - z, "\"position\":\"", 12))) {
        f = g + 12;
        z = f;
      }
      if (f) {
        int k = 0;
        while (f < e && *f != '"' && k < 95)
          c->cur[k++] = *f++;
        c->cur[k] = 0;
      }
    }
    if (hget(s, hl, "etag:", v, 40)) {
      strcpy(c->etag, v);
      hget(s, hl, "last-modified:", c->lm, 40);
    }
    used += hl + bl;
    c->inflight = 0;
    if (mode == LP) // after all that has come is read: else the client's own sending would count as the server's latency
    {
      if (nasking == BATCH) // answered more often than asked
        ask();
      asking[nasking++] = c;
    }
  }
  return used;
}
#define RB (1 << 20)
static char rb[RB + 64];
static int onread(struct conn *c) { // returns whether there may be more
  int cl = c->clen;
  if (cl) {
    memcpy(rb, c->carry, cl);
  }
  int r = recv(c->fd, rb + cl, RB - cl, 0);
  if (r < 0) {
    if (errno == EAGAIN)
      return 0;
  }
  if (r <= 0) {
    nclosed++;
    epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, 0);
    if (debug)
      fprintf(stderr, "closed %d\n", c->idx);
    return 0;
  }
  lastread = curt;
  int n = cl + r;
  int u = process(c, rb, n);
  int left = n - u;
  if (left) {
    if (left > c->ccap) {
      c->ccap = left + 256;
      c->carry = realloc(c->carry, c->ccap);
    }
    memmove(c->carry, rb + u, left);
  } else if (c->ccap > 65536) {
    free(c->carry);
    c->carry = 0;
    c->ccap = 0;
  }
  c->clen = left;
  return r == RB - cl;
}
static int mksock(int i, int prt) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0)
    die("socket");
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, 4);
  struct linger lg = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
  setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, 4);
  struct sockaddr_in a = {.sin_family = AF_INET};
  a.sin_addr.s_addr = htonl(0x7f000002 + (i & 7));
  if (bind(fd, (void *)&a, sizeof a))
    die("bind");
  a.sin_port = htons(prt);
  a.sin_addr.s_addr = htonl(0x7f000001);
  if (connect(fd, (void *)&a, sizeof a) && errno != EINPROGRESS)
    die("connect");
  return fd;
}
static u64 cpuns(void) {
  u64 s = 0;
  if (!pids)
    return 0;
  char b[4096];
  strncpy(b, pids, 4095);
  b[4095] = 0;
  for (char *p = strtok(b, ","); p; p = strtok(0, ",")) {
    char f[300];
    snprintf(f, 300, "/proc/%s/task", p);
    DIR *d = opendir(f);
    if (!d)
      continue;
    struct dirent *e;
    while ((e = readdir(d))) {
      if (e->d_name[0] == '.')
        continue;
      snprintf(f, 300, "/proc/%s/task/%s/schedstat", p, e->d_name);
      FILE *q = fopen(f, "r");
      if (q) {
        unsigned long long v;
        if (fscanf(q, "%llu", &v) == 1)
          s += v;
        fclose(q);
      }
    }
    closedir(d);
  }
  return s;
}
static long rsskb(void) {
  long s = 0;
  if (!pids)
    return 0;
  char b[4096];
  strncpy(b, pids, 4095);
  b[4095] = 0;
  for (char *p = strtok(b, ","); p; p = strtok(0, ",")) {
    char f[300], l[256];
    snprintf(f, 300, "/proc/%s/smaps_rollup", p);
    FILE *q = fopen(f, "r");
    if (!q)
      continue;
    while (fgets(l, 256, q)) {
      long v;
      // Without what is mapped from files, whose share depends on who else has it
      if (sscanf(l, "Pss_Anon: %ld", &v) == 1 || sscanf(l, "Pss_Shmem: %ld", &v) == 1)
        s += v;
    }
    fclose(q);
  }
  return s;
}
static long memavail(void) {
  FILE *q = fopen("/proc/meminfo", "r");
  char l[256];
  long v = 0;
  while (fgets(l, 256, q))
    if (sscanf(l, "MemAvailable: %ld", &v) == 1)
      break;
  fclose(q);
  return v;
}
static u64 selfcpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void cpu0(u64 *busy, u64 *all) {
  FILE *q = fopen("/proc/stat", "r");
  char l[512];
  *busy = *all = 0;
  while (fgets(l, 512, q)) {
    unsigned long long a[8];
    if (sscanf(l, "cpu0 %llu %llu %llu %llu %llu %llu %llu %llu", a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7) ==
        8) {
      for (int i = 0; i < 8; i++)
        *all += a[i];
      *busy = *all - a[3] - a[4] - a[7];
    }
  }
  fclose(q);
}
struct wire {
  u64 bi, bo, si, so;
};
static void wire(struct wire *w) {
  memset(w, 0, sizeof *w);
  for (int i = 0; i < N; i++) {
    struct tcp_info t;
    memset(&t, 0, sizeof t);
    socklen_t l = sizeof t;
    if (getsockopt(C[i].fd, IPPROTO_TCP, TCP_INFO, &t, &l))
      continue;
    w->bi += t.tcpi_bytes_received;
    w->bo += t.tcpi_bytes_acked;
    w->si += t.tcpi_segs_in;
    w->so += t.tcpi_segs_out;
  }
}
// publisher
static int mksock(int i, int prt);
static int pubclose = 0;
static int pfd = -1;
static char *pb;
static size_t pbl, pbc, pbo;
static struct conn P;
static u64 presp;
#define UNANSWERED 64 // POSTs into several rooms: more in one piece than a server must take as one head
static u64 answered;
static void count_answers(const char *b, int n) { // each has one end of a head
  static int at;
  for (int i = 0; i < n; i++) {
    at = b[i] == "\r\n\r\n"[at] ? at + 1 : b[i] == '\r';
    if (at == 4) {
      answered++;
      at = 0;
    }
  }
}
static int may_publish(void) { return rooms == 1 || sent - answered < UNANSWERED; }
static void pflush(void) {
  while (pbo < pbl) {
    ssize_t r = send(pfd, pb + pbo, pbl - pbo, MSG_NOSIGNAL);
    if (r < 0) {
      if (errno == EAGAIN)
        return;
      die("pub send");
    }
    pbo += r;
  }
  pbl = pbo = 0;
}
static void padd(const char *b, int n) {
  if (pbl + n > pbc) {
    pbc = (pbl + n) * 2;
    pb = realloc(pb, pbc);
  }
  memcpy(pb + pbl, b, n);
  pbl += n;
}
static void publish(int room, u64 ts) {
  char pay[16384], body[32768], o[65536], pa[256];
  const char *pubpath = filled(pa, sizeof pa, pubpath_template, room, 0), *hdr = hdr_template;
  rsent[room]++;
  int n = snprintf(pay, sizeof pay,
                   "{\"type\":\"chat\",\"room\":\"lab\",\"user\":\"u0042\",\"id\":\"%08llx\",\"text\":\"~T%018llu ",
                   (unsigned long long)sent, (unsigned long long)ts);
  if (text) {
    n = snprintf(pay, sizeof pay, "~T%018llu ", (unsigned long long)ts);
    while (n < paylen)
      pay[n] = "abcdefghij klmno"[n & 15], n++;
    pay[n] = 0;
  } else {
    while (n < paylen - 2) {
      pay[n] = "abcdefghij klmno"[n & 15];
      n++;
    }
    pay[n++] = '"';
    pay[n++] = '}';
    pay[n] = 0;
  }
  int k = 0;
  for (const char *w = wrap; *w; w++) {
    if (w[0] == '%' && w[1] == 's') {
      memcpy(body + k, pay, n);
      k += n;
      w++;
    } else if (w[0] == '%' && w[1] == 'e') {
      for (int i = 0; i < n; i++) {
        if (pay[i] == '"')
          body[k++] = '\\';
        body[k++] = pay[i];
      }
      w++;
    } else
      body[k++] = *w;
  }
  tsr[sent & (TSN - 1)] = ts;
  if (pubclose) {
    int fd = mksock(0, pubport);
    struct pollfd pf = {fd, POLLOUT, 0};
    poll(&pf, 1, 1000);
    struct linger lg = {0, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    int l = snprintf(o, sizeof o,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nConnection: "
                     "close\r\n%sContent-Length: %d\r\n\r\n",
                     pubpath, pubport, hdr, k);
    memcpy(o + l, body, k);
    if (send(fd, o, l + k, MSG_NOSIGNAL) != l + k)
      die("pub send");
    struct conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->idx = -2;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    sent++;
    return;
  }
  if (pubws) {
    int l = mkframe(o, 1, body, k);
    padd(o, l);
  } else {
    int l = snprintf(
        o, sizeof o,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n",
        pubpath, pubport, hdr, k);
    padd(o, l);
    padd(body, k);
  }
  sent++;
  pflush();
}
static u64 busyns, loops, emptyl;
static int sp_on = 0;
static u64 sp_t0, sp_j;
static struct epoll_event ev[1024];
static void tick(void) { // short-poll driver
  if (mode == SP && sp_on) {
    u64 t = now();
    double step = pollms * 1e6 / N;
    while (sp_t0 + (u64)(sp_j * step) <= t) {
      struct conn *c = &C[sp_j % N];
      sp_j++;
      if (!c->inflight)
        lp_req(c);
    }
  }
}
static u64 next_s;
static double step;
static u64 s0, sidx;
static int pub_on;
static inline void pubpoll(void) {
  if (!pub_on)
    return;
  if (win && rooms > 1) {
    while (ncredit && may_publish())
      publish(credit[--ncredit], now());
  } else if (win) {
    while (sent - total / N < (u64)W) {
      publish(0, now());
    }
  } else if (step > 0) {
    u64 t = now();
    while (next_s <= t && next_s < t_me && may_publish()) {
      publish(sidx % rooms, next_s);
      sidx++;
      next_s = s0 + (u64)(sidx * step);
    }
  }
}
static int loop1(int tmo) {
  u64 a = now();
  curt = a;
  int n = epoll_wait(ep, ev, BATCH, tmo);
  if (n <= 0) {
    emptyl++;
    loops++;
    pubpoll();
    tick();
    if (pbl)
      pflush();
    return 0;
  }
  curt = now();
  for (int i = 0; i < n; i++) {
    if ((i & 15) == 15)
      pubpoll();
    if ((i & 31) == 31) {
      curt = now();
    }
    struct conn *c = ev[i].data.ptr;
    if (c == &P) {
      char b[65536];
      int r = recv(pfd, b, sizeof b, 0);
      if (r <= 0 && errno != EAGAIN) {
        if (r == 0)
          errno = 0;
        die("publisher closed");
      }
      if (debug && r > 0 && presp < 4000) {
        fprintf(stderr, "PUB<- %.*s\n", r > 300 ? 300 : r, b);
      }
      presp += r;
      count_answers(b, r > 0 ? r : 0);
      continue;
    }
    if (c->idx == -2) {
      char b[4096];
      int r = recv(c->fd, b, sizeof b, 0);
      if (debug && r > 0)
        fprintf(stderr, "PUB<- %.*s\n", r, b);
      if (r <= 0 && !(r < 0 && errno == EAGAIN)) {
        close(c->fd);
        free(c);
      }
      continue;
    }
    if (c->state == 0) {
      if (ev[i].events & (EPOLLERR | EPOLLHUP)) {
        errno = 0;
        die("connect refused");
      }
      // Edges only: else the kernel would look at each socket once more after it was read.
      struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.ptr = c};
      epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
      hs(c);
      continue;
    }
    while (onread(c))
      ;
  }
  ask();
  pubpoll();
  tick();
  if (pbl)
    pflush();
  u64 b = now();
  busyns += b - a;
  loops++;
  return n;
}
static void read_tokens(const char *name) {
  FILE *q = fopen(name, "r");
  char l[1024];
  if (!q)
    die("tokens");
  while (fgets(l, sizeof l, q)) {
    l[strcspn(l, "\r\n")] = 0;
    tokens = realloc(tokens, (ntokens + 1) * sizeof *tokens);
    tokens[ntokens++] = strdup(l);
  }
  fclose(q);
}
static void open_one(int i) {
  struct conn *c = &C[i];
  c->idx = i;
  c->room = i % rooms;
  c->born = now();
  c->fd = mksock(i, port);
  c->state = 0;
  struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}
// Until nothing has come for so long; at most 30 s.
static void until_quiet(u64 ns) {
  u64 t = lastread = now();
  while (now() - lastread < ns && now() - t < 30000000000ull)
    loop1(0);
}
#define JOINS_NS 30000000000ull // who is in by then is counted; the rest would only take longer
static void join_up_to(int target) {
  static int opened;
  u64 t = now();
  while (njoined < target && now() - t < JOINS_NS) {
    while (opened < target && opened - njoined < joinflight)
      open_one(opened++);
    loop1(0);
    errno = 0;
    if (nclosed || resp_err)
      die("refused or closed while joining");
  }
}
static int run_joins(void) {
  if (before) {
    join_up_to(before);
    if (njoined < before)
      die("those who are to be there before were not let in within 30 s");
    until_quiet(500000000ull);
  }
  memset(hist, 0, sizeof hist);
  hcount = hmax = 0;
  u64 c0 = cpuns(), b0 = busyns, t0 = now();
  if (!before)
    join_up_to(1); // whoever counts has to be there first: of many who come at once it may well be let in last
  join_up_to(N);
  u64 t1 = now(), b1 = busyns;
  int n = njoined - before;
  u64 expected = n < expect_joined ? n - 1 : expect_joined; // of those who are in
  while (seen_joined < expected && now() - t1 < 20000000000ull)
    loop1(0);
  until_quiet(500000000ull);
  double s = (t1 - t0) / 1e9;
  printf("{\"label\":\"%s\",\"mode\":%d,\"n\":%d,\"before\":%d,\"connects_per_s\":%.0f,\"us_per_join\":%.1f,\"p50us\":%.0f,"
         "\"p99us\":%.0f,\"seen_joined\":%llu,\"client_busy\":%.3f,\"seconds\":%.3f,\"closed\":%d}\n",
         label, mode, n, before, n / s, (cpuns() - c0) / 1e3 / n, pct(50), pct(99), (unsigned long long)seen_joined,
         (b1 - b0) / 1e9 / s, s, nclosed);
  return 0;
}
int main(int ac, char **av) {
  for (int i = 1; i < ac; i++) {
    char *a = av[i];
#define O(s) (!strcmp(a, s))
    if (O("--mode")) {
      a = av[++i];
      mode = !strcmp(a, "ws") ? WS : !strcmp(a, "sse") ? SSE : !strcmp(a, "lp") ? LP : SP;
    } else if (O("-n"))
      N = atoi(av[++i]);
    else if (O("--port"))
      port = atoi(av[++i]);
    else if (O("--path"))
      path_template = av[++i];
    else if (O("--pubport"))
      pubport = atoi(av[++i]);
    else if (O("--pubpath"))
      pubpath_template = av[++i];
    else if (O("--pub")) {
      i++;
      pubws = !strcmp(av[i], "ws");
      pubclose = !strcmp(av[i], "postclose");
    } else if (O("--wrap"))
      wrap = av[++i];
    else if (O("--wsinit"))
      wsinit = av[++i];
    else if (O("--pids"))
      pids = av[++i];
    else if (O("--label"))
      label = av[++i];
    else if (O("--rate"))
      rate = atof(av[++i]);
    else if (O("--window")) {
      win = 1;
      W = atoi(av[++i]);
    } else if (O("--dur"))
      dur = atof(av[++i]);
    else if (O("--warm"))
      warm = atof(av[++i]);
    else if (O("--deflate"))
      deflate = 1;
    else if (O("--mem"))
      memtest = 1;
    else if (O("--connrate"))
      connrate = atoi(av[++i]);
    else if (O("--pollms"))
      pollms = atoi(av[++i]);
    else if (O("--size"))
      paylen = atoi(av[++i]);
    else if (O("--hdr"))
      hdr_template = av[++i];
    else if (O("--rooms"))
      rooms = atoi(av[++i]);
    else if (O("--joins"))
      joins = 1;
    else if (O("--before"))
      before = atoi(av[++i]);
    else if (O("--joinflight"))
      joinflight = atoi(av[++i]);
    else if (O("--expect")) // of the first connection, before the figures are taken
      expect_joined = atoll(av[++i]);
    else if (O("--tokens"))
      read_tokens(av[++i]);
    else if (O("--debug"))
      debug = 1;
    else if (O("--text"))
      text = 1;
    else if (O("--curq"))
      curq = av[++i];
    else {
      fprintf(stderr, "bad arg %s\n", a);
      return 2;
    }
  }
  if (!pubport)
    pubport = port;
  N += before;
  if (rooms < 1 || N % rooms || (rooms > 1 && (memtest || pubws))) {
    fprintf(stderr, "--rooms %d: must divide -n %d, and go with POSTs and without --mem\n", rooms, N);
    return 2;
  }
  fan = N / rooms;
  rsent = calloc(rooms, 8);
  rtotal = calloc(rooms, 8);
  rleft = calloc(rooms, sizeof *rleft);
  credit = calloc((size_t)rooms * (W + 1), sizeof *credit);
  for (int r = 0; r < rooms; r++)
    rleft[r] = fan;
  tsr = calloc(TSN, 8);
  C = calloc(N, sizeof *C);
  ep = epoll_create1(0);
  long rss0 = rsskb(), ma0 = memavail();
  t_ms = t_me = ~0ull;
  u64 tc0 = now();
  if (joins)
    return run_joins();
  int opened = 0;
  int infl = mode == LP ? 32 : 64;
  if (!connrate)
    connrate = mode == LP || mode == SP ? 3000 : 1000000;
  while (nready < N) {
    u64 t = now();
    if (t - tc0 > 60ull * 1000000000) {
      errno = 0;
      fprintf(stderr, "ready %d/%d\n", nready, N);
      die("connect timeout");
    }
    while (opened < N && opened - nready < infl && opened < 1 + (t - tc0) / 1e9 * connrate) {
      open_one(opened++);
    }
    loop1(1);
    if (nclosed) {
      errno = 0;
      die("closed during connect");
    }
  }
  double tconn = (now() - tc0) / 1e9;
  // publisher
  if (!pubclose) {
    pfd = mksock(0, pubport);
    int fl = fcntl(pfd, F_GETFL);
    fcntl(pfd, F_SETFL, fl & ~O_NONBLOCK);
    usleep(20000);
    if (pubws) {
      char b[1024];
      int n = snprintf(b, sizeof b,
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: "
                       "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                       pubpath_template, pubport);
      if (send(pfd, b, n, 0) != n)
        die("pub hs");
      int k = 0;
      while (k < 1000) {
        int r = recv(pfd, b + k, sizeof b - k, 0);
        if (r <= 0)
          die("pub hs recv");
        k += r;
        if (memmem(b, k, "\r\n\r\n", 4))
          break;
      }
      if (strncmp(b, "HTTP/1.1 101", 12)) {
        fprintf(stderr, "%.*s\n", k, b);
        errno = 0;
        die("pub handshake");
      }
      if (wsinit) {
        char f[4096];
        int l = mkframe(f, 1, wsinit, strlen(wsinit));
        send(pfd, f, l, 0);
      }
    }
    fcntl(pfd, F_SETFL, fl | O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &P};
    epoll_ctl(ep, EPOLL_CTL_ADD, pfd, &e);
  }
  u64 t = now();
  u64 settle = memtest ? 2000000000ull : 300000000ull;
  if (mode == LP && N > 1000)
    settle += 1000000000ull;
  while (now() - t < settle)
    loop1(1);
  long rss1 = rsskb(), ma1 = memavail();
  if (memtest) {
    for (int k = 0; k < 5; k++) {
      publish(0, now());
      t = now();
      while (now() - t < 10000000000ull && total < (u64)N * (k + 1))
        loop1(1);
    }
    t = now();
    while (now() - t < 500000000ull)
      loop1(1);
    long rss2 = rsskb();
    printf("{\"label\":\"%s\",\"mode\":%d,\"n\":%d,\"mem\":1,\"rss0_kb\":%ld,\"rss1_kb\":%ld,\"rss2_kb\":%ld,\"kib_per_"
           "conn\":%.2f,\"kib_per_conn_active\":%.2f,\"sys_kib_per_conn\":%.2f,\"tconn\":%.2f,\"got\":%llu,\"closed\":%"
           "d}\n",
           label, mode, N, rss0, rss1, rss2, (rss1 - rss0) / (double)N, (rss2 - rss0) / (double)N,
           (ma0 - ma1) / (double)N, tconn, (unsigned long long)total, nclosed);
    return 0;
  }
  // probe: one message must reach everyone
  if (mode != SP) {
    for (int r = 0; r < rooms; r++) {
      while (!may_publish())
        loop1(0);
      publish(r, now());
    }
    t = now();
    while (now() - t < 5000000000ull && total < (u64)N)
      loop1(0);
    if (total < (u64)N) {
      errno = 0;
      fprintf(stderr, "probe: %llu/%d\n", (unsigned long long)total, N);
      die("probe failed");
    }
  } else {
    sp_on = 1;
    sp_t0 = now();
  }
  if (debug) {
    return 0;
  }
  // warm
  u64 T0 = now();
  ncredit = 0; // the probe's
  for (int i = 0; rooms > 1 && win && i < W * rooms; i++)
    credit[ncredit++] = i % rooms;
  pub_on = 1;
  s0 = next_s = T0;
  step = rate > 0 ? 1e9 / rate : 0;
  sidx = 0;
  t_ms = T0 + (u64)(warm * 1e9);
  t_me = t_ms + (u64)(dur * 1e9);
  while (now() < t_ms)
    loop1(0);
  struct wire w0, w1;
  u64 cb0, ca0, cb1, ca1;
  u64 c0 = cpuns();
  cpu0(&cb0, &ca0);
  wire(&w0);
  u64 del0 = total, bz0 = busyns, rq0 = reqs;
  u64 m0 = now(), sc0 = selfcpu();
  u64 lastprog = now(), lasttot = total;
  int stalled = 0;
  while (now() < t_me) {
    loop1(0);
    if (total != lasttot) {
      lasttot = total;
      lastprog = curt;
    } else if (now() - lastprog > 3000000000ull) {
      stalled = 1;
      break;
    }
  }
  u64 m1 = now(), sc1 = selfcpu();
  u64 c1 = cpuns();
  cpu0(&cb1, &ca1);
  u64 del1 = total, bz1 = busyns, rq1 = reqs;
  wire(&w1);
  double sec = (m1 - m0) / 1e9;
  pub_on = 0;
  u64 drain = lastread = now(); // what is still on its way is not lost
  while (now() - lastread < 2000000000ull && now() - drain < 60000000000ull && total < sent * (u64)fan)
    loop1(0);
  u64 mn = ~0ull, mx = 0;
  for (int i = 0; i < N; i++) {
    if (C[i].nmsg < mn)
      mn = C[i].nmsg;
    if (C[i].nmsg > mx)
      mx = C[i].nmsg;
  }
  long long missing = 0; // over several rooms: whichever way each is off
  for (int r = 0; r < rooms; r++) {
    long long off = (long long)(rsent[r] * fan) - (long long)rtotal[r];
    missing += rooms > 1 ? llabs(off) : off;
  }
  double d = del1 - del0;
  double seg = (double)(w1.si - w0.si) + (w1.so - w0.so);
  double app = (double)(w1.bi - w0.bi) + (w1.bo - w0.bo);
  printf("{\"label\":\"%s\",\"mode\":%d,\"n\":%d,\"win\":%d,\"rooms\":%d,\"rate\":%.1f,\"dps\":%.0f,\"mps\":%.1f,\"p50us\":%.0f,"
         "\"p90us\":%.0f,\"p99us\":%.0f,\"p999us\":%.0f,\"maxus\":%.0f,\"sent\":%llu,\"missing\":%lld,\"minconn\":%llu,"
         "\"closed\":%d,\"stalled\":%d,\"client_busy\":%.3f,\"client_cpu\":%.3f,\"srv_cpu\":%.3f,\"cpu0_busy\":%.3f,"
         "\"us_per_del\":%.3f,\"app_in_per_del\":%.1f,\"app_out_per_del\":%.1f,\"segs_per_del\":%.3f,\"wire_per_del\":%"
         ".1f,\"reqs_per_del\":%.3f,\"comp\":%llu,\"resp_err\":%llu,\"tconn\":%.2f}\n",
         label, mode, N, win ? W : 0, rooms, rate, d / sec, d / sec / fan, pct(50), pct(90), pct(99), pct(99.9), hmax / 1e3,
         (unsigned long long)sent, missing, (unsigned long long)mn, nclosed,
         stalled, (bz1 - bz0) / 1e9 / sec, (sc1 - sc0) / 1e9 / sec, (c1 - c0) / 1e9 / sec,
         (cb1 - cb0) / (double)(ca1 - ca0 + 1e-9), (c1 - c0) / 1e3 / (d + 1e-9), (w1.bi - w0.bi) / (d + 1e-9),
         (w1.bo - w0.bo) / (d + 1e-9), seg / (d + 1e-9), (app + seg * 66) / (d + 1e-9), (rq1 - rq0) / (d + 1e-9),
         (unsigned long long)comp_frames, (unsigned long long)resp_err, tconn);
  return 0;
}

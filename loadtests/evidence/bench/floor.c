// The physical floor of a fan-out: N sockets, one send() per subscriber and message, nothing else. No limits, no
// presence, no resume, no bounds: it is no server for anyone, only what the kernel itself costs.
// Usage: floor PORT [-c]      -c: one send() per subscriber and loop turn, whatever came in it
// Paths: /ws, /sse, /lp?cursor=N to subscribe; /pub (WebSocket) or any POST to publish.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
struct conn {
  int fd, kind, subidx, parked;
  unsigned cur;
  int clen;
  char carry[32768];
};
enum { NEW, WSSUB, WSPUB, SSE, HTTP };
#define MAXC 20000
static struct conn *subs[MAXC];
static int nsub;
static struct conn *parked[MAXC];
static int npark;
static int ep, coal = 0;
static char pend[1 << 20];
static int plen;
#define RING 4096
static char *ring[RING];
static int rlen[RING];
static unsigned head;
static void wr(int fd, const char *b, int n) {
  int o = 0;
  while (o < n) {
    int r = send(fd, b + o, n - o, MSG_NOSIGNAL);
    if (r < 0) {
      if (errno == EAGAIN) {
        struct pollfd p = {fd, POLLOUT, 0};
        poll(&p, 1, 100);
        continue;
      }
      return;
    }
    o += r;
  }
}
static void fan(const char *b, int n) {
  for (int i = 0; i < nsub; i++)
    wr(subs[i]->fd, b, n);
}
static void lpsend(struct conn *c, unsigned from) {
  static char o[1 << 20];
  static unsigned of = ~0u, oh = ~0u;
  static int on;
  if (of != from || oh != head) {
    static char body[1 << 19];
    int bl = 0;
    body[bl++] = '[';
    if (head - from > 1000)
      from = head - 1000;
    for (unsigned s = from; s < head; s++) {
      if (s != from)
        body[bl++] = ',';
      memcpy(body + bl, ring[s % RING], rlen[s % RING]);
      bl += rlen[s % RING];
    }
    body[bl++] = ']';
    on = sprintf(o, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Cursor: %u\r\nContent-Length: %d\r\n\r\n",
                 head, bl);
    memcpy(o + on, body, bl);
    on += bl;
    of = from;
    oh = head;
  }
  wr(c->fd, o, on);
}
static void lpflush(void) {
  for (int i = 0; i < npark; i++) {
    parked[i]->parked = 0;
    lpsend(parked[i], parked[i]->cur);
  }
  npark = 0;
}
static void pub(const char *p, int n) {
  int k = head % RING;
  ring[k] = realloc(ring[k], n);
  memcpy(ring[k], p, n);
  rlen[k] = n;
  head++;
  char f[32768];
  int l = 0;
  if (nsub && subs[0]->kind == SSE) {
    l = sprintf(f, "data: ");
    memcpy(f + l, p, n);
    l += n;
    f[l++] = '\n';
    f[l++] = '\n';
  } else {
    f[l++] = 0x81;
    if (n < 126)
      f[l++] = n;
    else {
      f[l++] = 126;
      f[l++] = n >> 8;
      f[l++] = n;
    }
    memcpy(f + l, p, n);
    l += n;
  }
  if (coal) {
    if (plen + l > (int)sizeof pend) {
      fan(pend, plen);
      plen = 0;
    }
    memcpy(pend + plen, f, l);
    plen += l;
  } else {
    fan(f, l);
    if (npark)
      lpflush();
  }
}
static void addsub(struct conn *c) {
  c->subidx = nsub;
  subs[nsub++] = c;
}
static int proc(struct conn *c, char *b, int n) {
  int u = 0;
  while (u < n) {
    if (c->kind == WSSUB) {
      return n;
    }
    if (c->kind == WSPUB) {
      unsigned char *p = (unsigned char *)b + u;
      if (n - u < 6)
        break;
      int l = p[1] & 127, h = 2;
      if (l == 126) {
        if (n - u < 8)
          break;
        l = p[2] << 8 | p[3];
        h = 4;
      }
      if (n - u < h + 4 + l)
        break;
      char x[32768];
      for (int i = 0; i < l; i++)
        x[i] = p[h + 4 + i] ^ p[h + (i & 3)];
      if ((p[0] & 15) == 1)
        pub(x, l);
      u += h + 4 + l;
      continue;
    }
    char *q = memmem(b + u, n - u, "\r\n\r\n", 4);
    if (!q)
      break;
    char *s = b + u;
    int hl = q + 4 - s;
    if (!strncmp(s, "GET /ws", 7) || !strncmp(s, "GET /pub", 8)) {
      static const char r[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                              "Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
      wr(c->fd, r, sizeof r - 1);
      if (s[5] == 'w') {
        c->kind = WSSUB;
        addsub(c);
      } else
        c->kind = WSPUB;
      u += hl;
    } else if (!strncmp(s, "GET /sse", 8)) {
      static const char r[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n";
      wr(c->fd, r, sizeof r - 1);
      c->kind = SSE;
      addsub(c);
      u += hl;
    } else if (!strncmp(s, "GET /lp", 7)) {
      char *k = strstr(s, "cursor=");
      unsigned cur = head;
      if (k && k < q)
        cur = strtoul(k + 7, 0, 10);
      c->kind = HTTP;
      u += hl;
      if (cur < head)
        lpsend(c, cur);
      else {
        c->cur = head;
        c->parked = 1;
        parked[npark++] = c;
      }
    } else if (!strncmp(s, "POST", 4)) {
      char *k = strcasestr(s, "content-length:");
      int l = k ? atoi(k + 15) : 0;
      if (n - u < hl + l)
        break;
      pub(s + hl, l);
      u += hl + l;
      static const char r[] = "HTTP/1.1 204 No Content\r\n\r\n";
      wr(c->fd, r, sizeof r - 1);
    } else
      u += hl;
  }
  return u;
}
int main(int ac, char **av) {
  int port = 8000;
  for (int i = 1; i < ac; i++) {
    if (!strcmp(av[i], "-c"))
      coal = 1;
    else
      port = atoi(av[i]);
  }
  signal(SIGPIPE, SIG_IGN);
  int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, 4);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(0x7f000001);
  if (bind(l, (void *)&a, sizeof a) || listen(l, 4096)) {
    perror("bind");
    return 1;
  }
  ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0}, ev[512];
  epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
  static char rb[1 << 18];
  for (;;) {
    int n = epoll_wait(ep, ev, 512, -1);
    for (int i = 0; i < n; i++) {
      struct conn *c = ev[i].data.ptr;
      if (!c) {
        for (int k = 0; k < 64; k++) {
          int fd = accept4(l, 0, 0, SOCK_NONBLOCK);
          if (fd < 0)
            break;
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, 4);
          c = malloc(sizeof *c);
          c->fd = fd;
          c->kind = NEW;
          c->clen = 0;
          c->parked = 0;
          e.events = EPOLLIN;
          e.data.ptr = c;
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
        }
        continue;
      }
      memcpy(rb, c->carry, c->clen);
      int r = recv(c->fd, rb + c->clen, sizeof rb - c->clen, 0);
      if (r <= 0) {
        if (r < 0 && errno == EAGAIN)
          continue;
        if (c->kind == WSSUB || c->kind == SSE) {
          struct conn *z = subs[--nsub];
          subs[c->subidx] = z;
          z->subidx = c->subidx;
        }
        if (c->parked)
          for (int k = 0; k < npark; k++)
            if (parked[k] == c) {
              parked[k] = parked[--npark];
              break;
            }
        close(c->fd);
        free(c);
        continue;
      }
      int t = c->clen + r, u = proc(c, rb, t);
      c->clen = t - u;
      if (c->clen > 32768)
        c->clen = 0;
      memmove(c->carry, rb + u, c->clen);
    }
    if (coal) {
      if (plen) {
        fan(pend, plen);
        plen = 0;
      }
      if (npark && parked[0]->cur < head)
        lpflush();
    }
  }
}

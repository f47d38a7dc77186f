/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service that takes what it gets and keeps nothing, for the programs that measure how fast runs are
 * delivered. One thread waits with epoll; it reads the bodies of requests and answers 202.
 *
 *   bench/sink [--delay=MS] [--zstd]
 *
 * The first line that it prints is its port. For each line of its input it prints the number of requests,
 * connections, bytes of bodies, and nanoseconds of processor time since its start. It ends with its input.
 *
 * --delay   each answer to a POST comes so many milliseconds after its request
 * --zstd    /info says that bodies may be compressed */

#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_HEAD   16384
#define MAX_EVENTS 64
#define CHUNK      262144

#define ACCEPTED \
 "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
#define INFO \
 "{\"version\":\"1.0.0\",\"batch_ingest_config\":{\"use_multipart_endpoint\":true,\"size_limit\":10000," \
 "\"size_limit_bytes\":20971520},\"instance_flags\":{\"zstd_compression_enabled\":%s}}"

typedef struct
{
  int fd;
  char head[MAX_HEAD];
  size_t head_len;
  long long body_left; /* -1 while the head is read */
  int is_post;
  int is_waiting; /* for its answer */
  int is_closed;
} Connection;

/* An answer that waits. All wait for the same time, so that the first one is due first. */
typedef struct Answer
{
  struct Answer *next;
  Connection *connection;
  long long due;
} Answer;

static int poll_fd;
static long long delay_ns;
static int takes_zstd;
static Answer *first_answer, **last_answer = &first_answer;
static unsigned long long n_requests, n_connections, n_bytes;
static char scratch[CHUNK];

static void
die (const char *what)
{
  perror (what);
  exit (1);
}

static long long
get_time (clockid_t clock)
{
  struct timespec now;

  if (clock_gettime (clock, &now) != 0)
    die ("clock_gettime");
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void
watch (int fd, void *data)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = data };

  if (epoll_ctl (poll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
    die ("epoll_ctl");
}

static void
drop (Connection *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  self->is_closed = 1;
  if (!self->is_waiting)
    free (self);
}

/* Answers are short: a peer that reads has room for them. */
static void
answer (Connection *self)
{
  char text[512];
  char info[256];
  int len;

  if (self->is_post)
    len = snprintf (text, sizeof text, "%s", ACCEPTED);
  else
    {
      snprintf (info, sizeof info, INFO, takes_zstd ? "true" : "false");
      len = snprintf (
          text, sizeof text,
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
          strlen (info), info);
    }
  if (send (self->fd, text, (size_t) len, MSG_NOSIGNAL) != len)
    fprintf (stderr, "bench/sink: an answer was not sent: %s\n", strerror (errno));
}

static void
end_request (Connection *self)
{
  n_requests++;
  self->body_left = -1;
  if (delay_ns == 0 || !self->is_post)
    answer (self);
  else
    {
      Answer *waiting = calloc (1, sizeof *waiting);

      if (waiting == NULL)
        die ("calloc");
      waiting->connection = self;
      waiting->due = get_time (CLOCK_MONOTONIC) + delay_ns;
      self->is_waiting = 1;
      *last_answer = waiting;
      last_answer = &waiting->next;
    }
}

/* Returns: the milliseconds until the next answer is due, or -1 for none */
static int
answer_due (void)
{
  while (first_answer != NULL)
    {
      Answer *due = first_answer;
      long long left = due->due - get_time (CLOCK_MONOTONIC);

      if (left > 0)
        return (int) ((left + 999999) / 1000000);
      first_answer = due->next;
      if (first_answer == NULL)
        last_answer = &first_answer;
      due->connection->is_waiting = 0;
      if (due->connection->is_closed)
        free (due->connection);
      else
        answer (due->connection);
      free (due);
    }
  return -1;
}

/* Takes what was read of the head; what follows it is the beginning of the body. */
static void
take_head (Connection *self)
{
  char *end, *length;
  size_t rest;

  self->head[self->head_len] = '\0';
  end = strstr (self->head, "\r\n\r\n");
  if (end == NULL)
    {
      if (self->head_len + 1 >= MAX_HEAD)
        {
          fprintf (stderr, "bench/sink: a head is too long\n");
          exit (1);
        }
      return;
    }
  end += 4;
  rest = self->head_len - (size_t) (end - self->head);
  end[-1] = '\0';
  self->is_post = strncmp (self->head, "POST ", 5) == 0 || strncmp (self->head, "PATCH ", 6) == 0;
  length = strcasestr (self->head, "\r\ncontent-length:");
  self->body_left = length != NULL ? atoll (length + strlen ("\r\ncontent-length:")) : 0;
  self->head_len = 0;
  n_bytes += rest;
  self->body_left -= (long long) rest;
  if (self->body_left <= 0)
    end_request (self);
}

static void
read_some (Connection *self)
{
  int in_head = self->body_left < 0;
  ssize_t n = in_head
                  ? recv (self->fd, self->head + self->head_len, MAX_HEAD - 1 - self->head_len, 0)
                  : recv (self->fd, scratch, sizeof scratch, 0);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (n <= 0)
    drop (self);
  else if (in_head)
    {
      self->head_len += (size_t) n;
      take_head (self);
    }
  else
    {
      n_bytes += (unsigned long long) n;
      self->body_left -= n;
      if (self->body_left <= 0)
        end_request (self);
    }
}

static void
accept_one (int listener)
{
  Connection *self = calloc (1, sizeof *self);
  int one = 1;

  if (self == NULL)
    die ("calloc");
  self->fd = accept (listener, NULL, NULL);
  if (self->fd < 0)
    die ("accept");
  setsockopt (self->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  self->body_left = -1;
  n_connections++;
  watch (self->fd, self);
}

static void
read_command (void)
{
  ssize_t n = read (STDIN_FILENO, scratch, sizeof scratch);

  if (n <= 0)
    exit (0);
  for (ssize_t i = 0; i < n; i++)
    if (scratch[i] == '\n')
      printf ("%llu %llu %llu %lld\n", n_requests, n_connections, n_bytes,
              get_time (CLOCK_PROCESS_CPUTIME_ID));
  fflush (stdout);
}

static int
listen_on_loopback (void)
{
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t len = sizeof address;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  if (fd < 0 || bind (fd, (struct sockaddr *) &address, len) != 0 || listen (fd, 128) != 0 ||
      getsockname (fd, (struct sockaddr *) &address, &len) != 0)
    die ("socket");
  printf ("%d\n", ntohs (address.sin_port));
  fflush (stdout);
  return fd;
}

int
main (int argc, char **argv)
{
  static int listener_mark, input_mark;
  struct epoll_event events[MAX_EVENTS];
  int listener;

  for (int i = 1; i < argc; i++)
    {
      if (strncmp (argv[i], "--delay=", 8) == 0)
        delay_ns = atoll (argv[i] + 8) * 1000000;
      else if (strcmp (argv[i], "--zstd") == 0)
        takes_zstd = 1;
      else
        {
          fprintf (stderr, "bench/sink: unknown argument %s\n", argv[i]);
          return 2;
        }
    }
  poll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (poll_fd < 0)
    die ("epoll_create1");
  listener = listen_on_loopback ();
  watch (listener, &listener_mark);
  watch (STDIN_FILENO, &input_mark);
  for (;;)
    {
      int n = epoll_wait (poll_fd, events, MAX_EVENTS, answer_due ());

      if (n < 0 && errno != EINTR)
        die ("epoll_wait");
      for (int i = 0; i < n; i++)
        {
          if (events[i].data.ptr == &listener_mark)
            accept_one (listener);
          else if (events[i].data.ptr == &input_mark)
            read_command ();
          else
            read_some (events[i].data.ptr);
        }
    }
}

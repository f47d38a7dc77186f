/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsobs/core/lsobs-file-lock-private.h"

/* flock() locks an open file description. A forked child has a copy of each descriptor, and so
 * would keep the lock of a parent that is killed. Therefore the child closes them, before fork()
 * returns in it. */

/* How long somebody else's lock is waited for, in µs: a process may be stopped while it holds one. */
#define MAX_WAIT (10 * G_USEC_PER_SEC)

/* The first and the longest time between two tries, in µs. */
#define FIRST_PAUSE 100
#define MAX_PAUSE   10000

/* How many locks this process holds at most. */
#define MAX_LOCKS 256

/* Descriptors plus 1; 0 is a free slot. Accessed atomically: the fork handler takes no lock. */
static int held[MAX_LOCKS];

/* The time between two looks whether a fork is over, in µs. */
#define FORK_PAUSE 100

/* (atomic) how many forks have begun and have ended in this process: odd while it forks. */
static int n_forks;

static void
before_fork_cb (void)
{
  g_atomic_int_inc (&n_forks);
}

/* Runs in the parent, also if the fork has failed. */
static void
after_fork_cb (void)
{
  g_atomic_int_inc (&n_forks);
}

/* Runs in the child. */
static void
forked_cb (void)
{
  for (guint i = 0; i < MAX_LOCKS; i++)
    if (held[i] > 0)
      {
        close (held[i] - 1);
        held[i] = 0;
      }
  n_forks++;
}

__attribute__ ((constructor)) static void
watch_forks (void)
{
  pthread_atfork (before_fork_cb, after_fork_cb, forked_cb);
}

static gboolean
register_fd (LsobsFileLock *self)
{
  for (guint i = 0; i < MAX_LOCKS; i++)
    if (g_atomic_int_compare_and_exchange (&held[i], 0, self->fd + 1))
      {
        self->slot = i;
        return TRUE;
      }
  close (self->fd);
  self->fd = -1;
  errno = ENOLCK;
  return FALSE;
}

static int
open_file (int dir, const char *name, LsobsFileLockOptions options)
{
  const int folder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int how = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  int fd;

  if ((options & LSOBS_FILE_LOCK_FOLDER) != 0)
    return openat (dir, name, folder);
  if ((options & LSOBS_FILE_LOCK_FRESH) != 0)
    how |= O_CREAT | O_EXCL;
  else if ((options & LSOBS_FILE_LOCK_FOUND) == 0)
    how |= O_CREAT;
  fd = openat (dir, name, how, 0600);
  /* To read is enough to lock, on most file systems. */
  if (fd < 0 && (options & LSOBS_FILE_LOCK_FOUND) != 0 && (errno == EACCES || errno == EROFS))
    fd = openat (dir, name, (how & ~O_ACCMODE) | O_RDONLY);
  return fd;
}

/* Opens a descriptor that no forked child has a copy of.
 * Returns: FALSE with errno */
static gboolean
open_alone (LsobsFileLock *self, int dir, const char *name, LsobsFileLockOptions options)
{
  int before;

  for (;;)
    {
      while ((before = g_atomic_int_get (&n_forks)) % 2 != 0)
        g_usleep (FORK_PAUSE);
      self->fd = open_file (dir, name, options);
      if (self->fd < 0 || !register_fd (self))
        return FALSE;
      if (g_atomic_int_get (&n_forks) == before)
        return TRUE;
      /* A child may have a copy that it does not know of. */
      _lsobs_file_lock_release (self);
      if ((options & LSOBS_FILE_LOCK_FRESH) != 0)
        unlinkat (dir, name, 0);
    }
}

/* Whether the file is what it should be, and is not removed.
 * Returns: FALSE with errno */
static gboolean
check_file (int fd, LsobsFileLockOptions options)
{
  struct stat info;

  if (fstat (fd, &info) != 0)
    return FALSE;
  if ((options & LSOBS_FILE_LOCK_FOLDER) == 0 && !S_ISREG (info.st_mode))
    errno = EINVAL;
  else if (info.st_nlink == 0)
    errno = ESTALE;
  else
    return TRUE;
  return FALSE;
}

/* Returns: FALSE with errno */
static gboolean
lock_fd (int fd, gboolean wait)
{
  gint64 deadline = g_get_monotonic_time () + MAX_WAIT;
  gulong pause = FIRST_PAUSE;

  while (flock (fd, LOCK_EX | LOCK_NB) != 0)
    {
      if (errno == EINTR)
        continue;
      if (errno != EWOULDBLOCK || !wait)
        return FALSE;
      if (g_get_monotonic_time () >= deadline)
        {
          errno = ETIMEDOUT;
          return FALSE;
        }
      g_usleep (pause);
      pause = MIN (2 * pause, MAX_PAUSE);
    }
  return TRUE;
}

/* Makes the file, for this user alone, unless it exists. Does not follow a link.
 * @dir: a file descriptor of the directory
 * Returns: FALSE with errno; EWOULDBLOCK: somebody else holds the lock; ETIMEDOUT: for a long time;
 *   ESTALE: the file was removed meanwhile */
gboolean
_lsobs_file_lock_acquire (LsobsFileLock *self,
                          int dir,
                          const char *name,
                          LsobsFileLockOptions options)
{
  int problem;

  if (!open_alone (self, dir, name, options))
    return FALSE;
  if (check_file (self->fd, options) && lock_fd (self->fd, (options & LSOBS_FILE_LOCK_WAIT) != 0) &&
      check_file (self->fd, options))
    return TRUE;
  problem = errno;
  _lsobs_file_lock_release (self);
  errno = problem;
  return FALSE;
}

/* May be called again. In a forked child, the descriptor is closed, and may be another file. */
void
_lsobs_file_lock_release (LsobsFileLock *self)
{
  if (self->fd >= 0 && g_atomic_int_get (&held[self->slot]) == self->fd + 1)
    {
      /* First: a child of a fork from here on does not find the descriptor. */
      flock (self->fd, LOCK_UN);
      g_atomic_int_set (&held[self->slot], 0);
      close (self->fd);
    }
  self->fd = -1;
}

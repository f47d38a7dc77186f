/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-command-private.h"
#include "lsobs/core/lsobs-fork-private.h"

/* The longest time between two checks of a command that prints nothing, in ms. */
#define MAX_SLICE 50

/* The bytes that one call of read() asks for. */
#define CHUNK 4096

typedef struct
{
  const LsobsCommandLimits *limits;
  LsobsBuffer *output; /* (unowned) */
  gint64 deadline;     /* monotonic, µs */
  pid_t pid;
  int fd;           /* (owned) or -1 after the end of the output */
  gboolean ended;   /* the command has ended; its children may still run */
  gboolean unknown; /* the program reaps its children itself, so that the end and the status of the
                     * command are unknown */
} Command;

/* The command gets a new session, and so no terminal at which it could ask for a password. Its
 * children are in its process group, unless they leave it. */
static void
set_attributes (posix_spawnattr_t *attributes)
{
  sigset_t none;
  sigset_t all;

  posix_spawnattr_init (attributes);
  sigemptyset (&none);
  sigfillset (&all);
  posix_spawnattr_setsigmask (attributes, &none);
  posix_spawnattr_setsigdefault (attributes, &all);
  posix_spawnattr_setflags (attributes,
                            POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

/* Standard input and standard error are /dev/null.
 * @output: the standard output, greater than 2 */
static void
set_files (posix_spawn_file_actions_t *actions, int output)
{
  posix_spawn_file_actions_init (actions);
  posix_spawn_file_actions_addopen (actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2 (actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen (actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
  posix_spawn_file_actions_addclosefrom_np (actions, STDERR_FILENO + 1);
#endif
}

/* Uses posix_spawn(), which does not run the fork handlers of the program.
 * Returns: 0 or a code of errno */
static int
spawn (Command *self, const char *text, int output)
{
  char *argv[] = { (char *) "sh", (char *) "-c", (char *) text, NULL };
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  int problem;

  set_attributes (&attributes);
  set_files (&actions, output);
  problem = posix_spawn (&self->pid, "/bin/sh", &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy (&actions);
  posix_spawnattr_destroy (&attributes);
  return problem;
}

static gboolean
start (Command *self, const char *text, GError **error)
{
  int ends[2] = { -1, -1 };
  int output = -1;
  int problem = 0;

  /* If the program has closed its standard streams, a pipe may get their numbers. */
  if (pipe2 (ends, O_CLOEXEC) != 0 || fcntl (ends[0], F_SETFL, O_NONBLOCK) != 0 ||
      (output = fcntl (ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) < 0)
    problem = errno;
  else
    problem = spawn (self, text, output);
  if (output >= 0)
    close (output);
  if (ends[1] >= 0)
    close (ends[1]);
  if (problem == 0)
    {
      self->fd = ends[0];
      return TRUE;
    }
  if (ends[0] >= 0)
    close (ends[0]);
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (problem),
               /* TRANSLATORS: “it” is a command; the text is what the system says of it. */
               _ ("it cannot be started: %s"), g_strerror (problem));
  return FALSE;
}

/* Opens the fork guard during the wait, so that a fork does not wait for the command.
 * @slice: the longest wait, in ms */
static void
wait_for_output (Command *self, int slice)
{
  struct pollfd poll_fd = { self->fd, POLLIN, 0 };
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();

  poll (&poll_fd, self->fd >= 0 ? 1 : 0, slice);
  _lsobs_fork_guard_close (guard);
}

/* Reads what is available.
 * Returns: FALSE if the output exceeds its limit */
static gboolean
read_output (Command *self)
{
  gssize n = 0;

  while (self->fd >= 0)
    {
      char *room;

      if (self->output->len > self->limits->max_bytes)
        return FALSE;
      room = _lsobs_buffer_reserve (self->output, CHUNK);
      n = read (self->fd, room, CHUNK);
      if (n > 0)
        self->output->len += (gsize) n;
      else if (n < 0 && errno == EINTR)
        continue;
      else if (n < 0 && errno == EAGAIN)
        return TRUE;
      else
        {
          close (self->fd);
          self->fd = -1;
        }
    }
  return self->output->len <= self->limits->max_bytes;
}

/* Publishes the process group of the command, which another thread may kill. The command is reaped
 * only after the group is 0 again: until then no other process can get its pid. */
static void
publish_group (Command *self, pid_t group)
{
  if (self->limits->group == NULL)
    return;
  _lsobs_fork_lock ();
  *self->limits->group = group;
  _lsobs_fork_unlock ();
}

/* Checks whether the command has ended, without reaping it, so that no other process can get its
 * pid. */
static void
check_end (Command *self)
{
  siginfo_t info = { 0 };

  if (waitid (P_PID, (id_t) self->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
    self->ended = info.si_pid == self->pid;
  else if (errno == ECHILD)
    {
      /* The program ignores SIGCHLD or has reaped the command itself. */
      self->unknown = TRUE;
      publish_group (self, 0);
    }
}

/* @by_force: whether to kill the process group first
 * Returns: the status as of waitpid(), 0 if it is unknown */
static int
reap (Command *self, gboolean by_force)
{
  LsobsForkGuard *guard = NULL;
  int status = 0;
  pid_t pid;

  if (self->unknown)
    return 0;
  if (by_force)
    kill (-self->pid, SIGKILL);
  guard = _lsobs_fork_guard_open ();
  do
    pid = waitpid (self->pid, &status, 0);
  while (pid < 0 && errno == EINTR);
  _lsobs_fork_guard_close (guard);
  return pid == self->pid ? status : 0;
}

static gboolean
check_status (int status, GError **error)
{
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  if (WIFEXITED (status))
    /* TRANSLATORS: “it” is a command. */
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _ ("it ended with the status %d"),
                 WEXITSTATUS (status));
  else
    /* TRANSLATORS: “it” is a command. */
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _ ("it was ended by the signal %d"),
                 WTERMSIG (status));
  return FALSE;
}

/* Reads until the command has ended. It does not wait for the end of the output, which a background
 * process of the command may keep open.
 * Returns: FALSE if a limit is exceeded */
static gboolean
follow (Command *self, GError **error)
{
  int slice = 1;

  for (;;)
    {
      gint64 left = (self->deadline - g_get_monotonic_time ()) / 1000;

      if (self->limits->stop != NULL && g_atomic_int_get (self->limits->stop) != 0)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, g_strerror (ECANCELED));
          return FALSE;
        }
      /* Before reading: after the end, one more read gets the last output. */
      check_end (self);
      if (!read_output (self))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                       /* TRANSLATORS: “it” is a command. */
                       _ ("it printed more than %" PRIu64 " bytes"),
                       (guint64) self->limits->max_bytes);
          return FALSE;
        }
      if (self->ended || (self->unknown && self->fd < 0))
        return TRUE;
      if (left <= 0)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                       /* TRANSLATORS: “it” is a command. */
                       _ ("it did not end within %" PRId64 " ms"), self->limits->timeout);
          return FALSE;
        }
      wait_for_output (self, (int) MIN (slice, left));
      slice = MIN (2 * slice, MAX_SLICE);
    }
}

/* Runs @command with /bin/sh -c and blocks until it has ended. The command gets no input, and its
 * standard error is discarded. If it exceeds a limit, its process group is killed.
 * @output: empty; gets the output of the command, also on failure; the caller wipes it
 * @error: a code of G_IO_ERROR; its message continues a sentence about the command and does not
 *   quote the output */
gboolean
_lsobs_command_run (const char *command,
                    const LsobsCommandLimits *limits,
                    LsobsBuffer *output,
                    GError **error)
{
  Command self = { .limits = limits, .output = output, .pid = -1, .fd = -1 };
  gboolean complete;
  int status;

  /* In one step: a buffer that grows leaves copies of the secret behind. */
  _lsobs_buffer_reserve (output, limits->max_bytes + 2 * CHUNK);
  self.deadline = g_get_monotonic_time () + limits->timeout * 1000;
  if (!start (&self, command, error))
    return FALSE;
  publish_group (&self, self.pid);
  complete = follow (&self, error);
  publish_group (&self, 0);
  status = reap (&self, !complete);
  if (self.fd >= 0)
    close (self.fd);
  return complete && check_status (status, error);
}

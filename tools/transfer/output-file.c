/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>

#include "lsobs/core/lsobs-buffer-private.h"

#include "tools/transfer/output-file.h"

/* So many bytes are written at once. */
#define CHUNK (256 * 1024)

struct _OutputFile
{
  int fd;
  char *path;      /* (owned) for messages */
  char *temporary; /* (owned) (nullable) the name until the end */
  LsobsBuffer waiting;
};

static gboolean
fail (OutputFile *self, int problem, GError **error)
{
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (problem),
               /* TRANSLATORS: the first %s is a path, the second one what the system says */
               _ ("“%s” cannot be written: %s"), self->path, g_strerror (problem));
  return FALSE;
}

/* Whether the path is a name for a file, or may become one. */
static gboolean
is_replaced (const char *path)
{
  struct stat info;

  return lstat (path, &info) != 0 || S_ISREG (info.st_mode);
}

OutputFile *
output_file_new (const char *path, GError **error)
{
  g_autoptr (OutputFile) self = g_new0 (OutputFile, 1);

  self->fd = STDOUT_FILENO;
  self->path = path != NULL ? g_filename_display_name (path) : g_strdup (_ ("standard output"));
  if (path == NULL)
    return g_steal_pointer (&self);
  if (is_replaced (path))
    {
      self->temporary = g_strconcat (path, ".XXXXXX", NULL);
      self->fd = g_mkstemp_full (self->temporary, O_RDWR | O_CLOEXEC, 0600);
    }
  else
    self->fd = open (path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (self->fd < 0)
    {
      fail (self, errno, error);
      g_clear_pointer (&self->temporary, g_free);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
output_file_free (OutputFile *self)
{
  if (self->temporary != NULL)
    g_unlink (self->temporary);
  if (self->fd >= 0 && self->fd != STDOUT_FILENO)
    close (self->fd);
  g_free (self->temporary);
  g_free (self->path);
  _lsobs_buffer_clear (&self->waiting);
  g_free (self);
}

static gboolean
write_waiting (OutputFile *self, GError **error)
{
  gsize at = 0;

  while (at < self->waiting.len)
    {
      gssize n = write (self->fd, self->waiting.data + at, self->waiting.len - at);

      if (n < 0 && errno != EINTR)
        return fail (self, errno, error);
      at += n > 0 ? (gsize) n : 0;
    }
  if (self->waiting.allocated > 4 * CHUNK)
    _lsobs_buffer_clear (&self->waiting);
  else
    _lsobs_buffer_truncate (&self->waiting, 0);
  return TRUE;
}

gboolean
output_file_write (OutputFile *self, const char *data, gsize len, GError **error)
{
  _lsobs_buffer_append (&self->waiting, data, len);
  return self->waiting.len < CHUNK || write_waiting (self, error);
}

gboolean
output_file_finish (OutputFile *self, GError **error)
{
  g_autofree char *path = NULL;
  int fd = self->fd;

  if (!write_waiting (self, error))
    return FALSE;
  if (self->temporary == NULL)
    return TRUE;
  self->fd = -1;
  /* A full disk may be told as late as this. */
  if (fsync (fd) != 0)
    {
      int problem = errno;

      close (fd);
      return fail (self, problem, error);
    }
  if (close (fd) != 0)
    return fail (self, errno, error);
  path = g_strndup (self->temporary, strlen (self->temporary) - strlen (".XXXXXX"));
  if (rename (self->temporary, path) != 0)
    return fail (self, errno, error);
  g_clear_pointer (&self->temporary, g_free);
  return TRUE;
}

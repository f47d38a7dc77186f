/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "tools/transfer/line-source.h"

#define CHUNK ((gsize) 128 * 1024)

struct _LineSource
{
  int fd;
  char *path; /* (owned) for messages */
  LsobsBuffer text;
  gsize at;      /* where the next line begins in the text */
  gsize scanned; /* up to here, the text has no end of a line behind @at */
  guint64 number;
  gboolean at_end;
};

static void
set_error (LineSource *self, GError **error)
{
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno),
               /* TRANSLATORS: the first %s is a path, the second one what the system says */
               _ ("“%s” cannot be read: %s"), self->path, g_strerror (errno));
}

LineSource *
line_source_new (const char *path, GError **error)
{
  g_autoptr (LineSource) self = g_new0 (LineSource, 1);

  self->path = path != NULL ? g_filename_display_name (path) : g_strdup (_ ("standard input"));
  self->fd = path != NULL ? open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
  if (self->fd >= 0)
    return g_steal_pointer (&self);
  set_error (self, error);
  return NULL;
}

void
line_source_free (LineSource *self)
{
  if (self->fd >= 0 && self->fd != STDIN_FILENO)
    close (self->fd);
  _lsobs_buffer_clear (&self->text);
  g_free (self->path);
  g_free (self);
}

guint64
line_source_get_number (LineSource *self)
{
  return self->number;
}

/* Returns: (nullable): the end of the next line in the text */
static char *
find_end (LineSource *self)
{
  char *end = self->scanned < self->text.len
                  ? memchr (self->text.data + self->scanned, '\n', self->text.len - self->scanned)
                  : NULL;

  if (end == NULL)
    self->scanned = self->text.len;
  return end;
}

gboolean
line_source_has_line (LineSource *self)
{
  return self->at_end || find_end (self) != NULL;
}

/* Reads more text, and drops what is before the next line. */
static gboolean
read_more (LineSource *self, GError **error)
{
  gssize n;

  if (self->at > 0)
    {
      memmove (self->text.data, self->text.data + self->at, self->text.len - self->at);
      self->text.len -= self->at;
      self->scanned -= self->at;
      self->at = 0;
    }
  /* One byte more is for the NUL. */
  _lsobs_buffer_reserve (&self->text, CHUNK + 1);
  do
    n = read (self->fd, self->text.data + self->text.len, CHUNK);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    {
      set_error (self, error);
      return FALSE;
    }
  self->text.len += (gsize) n;
  self->at_end = n == 0;
  return TRUE;
}

LineResult
line_source_next (LineSource *self, const char **line, gsize *len, GError **error)
{
  gboolean too_long = FALSE;
  char *end;

  for (;;)
    {
      end = find_end (self);
      if (end != NULL || self->at_end)
        break;
      if (self->text.len - self->at > LINE_SOURCE_MAX)
        {
          too_long = TRUE;
          self->at = self->scanned = self->text.len;
        }
      if (!read_more (self, error))
        return LINE_FAILED;
    }
  if (end == NULL && self->at == self->text.len && !too_long)
    return LINE_END;
  self->number++;
  if (end == NULL)
    end = self->text.data + self->text.len;
  *line = self->text.data + self->at;
  *len = (gsize) (end - *line);
  *end = '\0';
  self->at = self->scanned = MIN ((gsize) (end - self->text.data) + 1, self->text.len);
  return too_long ? LINE_TOO_LONG : LINE_READ;
}

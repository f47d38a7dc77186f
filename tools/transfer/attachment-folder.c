/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "lsobs/core/lsobs-file-private.h"

#include "tools/transfer/attachment-folder.h"

/* Bytes of the name of an attachment that are in the name of its file. */
#define MAX_NAME 120
/* So many files of different contents may have the same name but for a number. */
#define MAX_SAME 1000
/* A larger file is not read. */
#define MAX_BYTES ((gsize) 1 << 30)

struct _AttachmentFolder
{
  int fd;
  char *path; /* (owned) for messages */
};

static gboolean
fail (AttachmentFolder *self, const char *file, int problem, GError **error)
{
  g_autofree char *path =
      file != NULL ? g_build_filename (self->path, file, NULL) : g_strdup (self->path);

  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (problem),
               /* TRANSLATORS: the first %s is a path, the second one what the system says */
               _ ("“%s” cannot be used: %s"), path, g_strerror (problem));
  return FALSE;
}

AttachmentFolder *
attachment_folder_new (const char *path, gboolean make, GError **error)
{
  g_autoptr (AttachmentFolder) self = g_new0 (AttachmentFolder, 1);

  self->path = g_filename_display_name (path);
  self->fd = -1;
  if (make && g_mkdir_with_parents (path, 0700) != 0)
    {
      fail (self, NULL, errno, error);
      return NULL;
    }
  self->fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (self->fd < 0)
    {
      fail (self, NULL, errno, error);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
attachment_folder_free (AttachmentFolder *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  g_free (self);
}

/* Letters, digits and a few signs stay; all else becomes "_". The id is before it, so that the
 * result is no "..", and no hidden file.
 * @number: of several files with this name, from 1
 * Returns: (transfer full) */
static char *
make_name (const LsobsId *run_id, const char *name, guint number)
{
  char id[LSOBS_UUID_LEN + 1] = "";
  GString *safe = g_string_new (NULL);
  const char *dot;
  gsize at;

  _lsobs_id_write (run_id, id);
  g_string_append_printf (safe, "%s-", id);
  for (const char *p = name; *p != '\0' && safe->len < LSOBS_UUID_LEN + MAX_NAME;
       p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (
          safe, g_unichar_isalnum (c) || (c < 128 && strchr ("-_.+=@ ", (int) c)) ? c : '_');
    }
  if (number == 1)
    return g_string_free (safe, FALSE);
  /* The number comes before the suffix, so that programs still know the type. */
  dot = strrchr (safe->str + LSOBS_UUID_LEN + 1, '.');
  at = dot != NULL && dot > safe->str + LSOBS_UUID_LEN + 1 ? (gsize) (dot - safe->str) : safe->len;
  {
    g_autofree char *text = g_strdup_printf ("-%u", number);

    g_string_insert (safe, (gssize) at, text);
  }
  return g_string_free (safe, FALSE);
}

/* Returns: whether a file has these bytes */
static gboolean
has_bytes (AttachmentFolder *self, const char *file, GBytes *data)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  struct stat info;
  gsize len;
  const char *bytes = g_bytes_get_data (data, &len);

  return fstatat (self->fd, file, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (info.st_mode) &&
         (gsize) info.st_size == len &&
         _lsobs_file_read (self->fd, file, O_NOFOLLOW, len + 1, &text) && text.len == len &&
         (len == 0 || memcmp (text.data, bytes, len) == 0);
}

/* Returns: 0 or errno. A file that was not written whole is removed. */
static int
write_new (AttachmentFolder *self, const char *file, GBytes *data)
{
  gsize len;
  const char *bytes = g_bytes_get_data (data, &len);
  int fd = openat (self->fd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int problem = 0;

  if (fd < 0)
    return errno;
  while (len > 0 && problem == 0)
    {
      gssize n = write (fd, bytes, len);

      if (n >= 0)
        {
          bytes += n;
          len -= (gsize) n;
        }
      else if (errno != EINTR)
        problem = errno;
    }
  if (close (fd) != 0 && problem == 0)
    problem = errno;
  if (problem != 0)
    unlinkat (self->fd, file, 0);
  return problem;
}

char *
attachment_folder_write (AttachmentFolder *self,
                         const LsobsId *run_id,
                         const char *name,
                         GBytes *data,
                         GError **error)
{
  for (guint number = 1; number <= MAX_SAME; number++)
    {
      g_autofree char *file = make_name (run_id, name, number);
      int problem = write_new (self, file, data);

      if (problem == 0 || (problem == EEXIST && has_bytes (self, file, data)))
        return g_steal_pointer (&file);
      if (problem != EEXIST)
        {
          fail (self, file, problem, error);
          return NULL;
        }
    }
  fail (self, NULL, EEXIST, error);
  return NULL;
}

GBytes *
attachment_folder_read (AttachmentFolder *self, const char *file, GError **error)
{
  LsobsBuffer text = LSOBS_BUFFER_INIT;

  if (*file == '\0' || strchr (file, '/') != NULL || strcmp (file, ".") == 0 ||
      strcmp (file, "..") == 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME,
                   /* TRANSLATORS: %s: what a line of a file says */
                   _ ("“%s” is not the name of a file in the folder of the attachments"), file);
      return NULL;
    }
  if (!_lsobs_file_read (self->fd, file, O_NOFOLLOW, MAX_BYTES, &text))
    {
      fail (self, file, errno, error);
      _lsobs_buffer_clear (&text);
      return NULL;
    }
  return _lsobs_buffer_steal_bytes (&text);
}

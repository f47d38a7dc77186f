/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "lsobs/core/lsobs-file-lock-private.h"
#include "lsobs/core/lsobs-file-private.h"

#include "tools/service/instance.h"
#include "tools/store/database.h"

#define SUFFIX "-serve"

struct _Instance
{
  LsobsFileLock lock;
};

/* The path of the file that says where the service of a database is. A database has one such file,
 * whatever links lead to the database. Returns: (transfer full) */
static char *
dup_path (const char *database)
{
  g_autofree char *real = database_dup_real_path (database);

  return g_strconcat (real, SUFFIX, NULL);
}

/* Returns: (transfer full) (nullable) */
static char *
read_url (const char *path)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (!_lsobs_file_read (AT_FDCWD, path, O_NOFOLLOW, 4096, &text) || text.len == 0)
    return NULL;
  return g_strstrip (g_strndup (text.data, text.len));
}

Instance *
instance_new (const char *database, GError **error)
{
  g_autoptr (Instance) self = g_new0 (Instance, 1);
  const LsobsFileLock none = LSOBS_FILE_LOCK_INIT;
  g_autofree char *path = dup_path (database);
  g_autofree char *folder = g_path_get_dirname (database);
  g_autofree char *url = NULL;

  self->lock = none;
  if (g_mkdir_with_parents (folder, 0700) == 0 &&
      _lsobs_file_lock_acquire (&self->lock, AT_FDCWD, path, LSOBS_FILE_LOCK_NONE))
    return g_steal_pointer (&self);
  if (errno != EWOULDBLOCK)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno),
                   /* TRANSLATORS: the first %s is a path, the second one what the system says */
                   _ ("The file “%s” cannot be locked: %s"), path, g_strerror (errno));
      return NULL;
    }
  url = read_url (path);
  g_set_error (
      error, G_IO_ERROR, G_IO_ERROR_BUSY,
      /* TRANSLATORS: the first %s is a path, the second one an address */
      _ ("“lsobs serve” runs already for the database “%s”, at %s: use that one, or choose "
         "another --database"),
      database, url != NULL ? url : "?");
  return NULL;
}

void
instance_set_url (Instance *self, const char *url)
{
  gsize len = strlen (url);

  /* A reader that finds an incomplete address takes it that there is no service yet. */
  if (ftruncate (self->lock.fd, 0) != 0 || pwrite (self->lock.fd, url, len, 0) != (gssize) len)
    g_debug ("the address cannot be written: %s", g_strerror (errno));
}

void
instance_free (Instance *self)
{
  if (self->lock.fd >= 0)
    (void) !ftruncate (self->lock.fd, 0);
  _lsobs_file_lock_release (&self->lock);
  g_free (self);
}

char *
instance_find (const char *database)
{
  LsobsFileLock lock = LSOBS_FILE_LOCK_INIT;
  g_autofree char *path = dup_path (database);

  if (_lsobs_file_lock_acquire (&lock, AT_FDCWD, path, LSOBS_FILE_LOCK_FOUND))
    {
      _lsobs_file_lock_release (&lock);
      return NULL;
    }
  return errno == EWOULDBLOCK ? read_url (path) : NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "lsobs/core/lsobs-file-private.h"

#include "tools/service/token.h"

#define PREFIX     "lsobs_"
#define N_RANDOM   24 /* bytes */
#define MIN_LENGTH 16
#define MAX_LENGTH 256

/* The characters of base64 for addresses. */
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

char *
token_dup_default_path (void)
{
  return g_build_filename (g_get_user_state_dir (), "lsobs", "token", NULL);
}

gboolean
token_is_valid (const char *token)
{
  gsize len = strlen (token);

  return len >= MIN_LENGTH && len <= MAX_LENGTH && strspn (token, LETTERS "._~") == len;
}

gboolean
token_equal (const char *token, const char *text)
{
  gsize len = strlen (token);
  guint differs = 0;

  /* The length of the token is no secret. */
  if (text == NULL || strlen (text) != len)
    return FALSE;
  for (gsize i = 0; i < len; i++)
    differs |= (guint) (guchar) token[i] ^ (guint) (guchar) text[i];
  return differs == 0;
}

static gboolean
fail (const char *path, int problem, GError **error)
{
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (problem),
               /* TRANSLATORS: the first %s is a path, the second one what the system says */
               _ ("The token in “%s” cannot be used: %s"), path, g_strerror (problem));
  return FALSE;
}

/* Makes the file, unless it is there. It appears as a whole. */
static gboolean
make_file (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  char text[sizeof PREFIX + 4 * N_RANDOM / 3 + 1] = PREFIX;
  guchar random[N_RANDOM];
  gsize len = strlen (PREFIX);
  int fd;

  if (g_mkdir_with_parents (folder, 0700) != 0 || getrandom (random, sizeof random, 0) != N_RANDOM)
    return fail (path, errno, error);
  for (guint i = 0; i < N_RANDOM; i += 3)
    {
      guint bits = (guint) random[i] << 16 | (guint) random[i + 1] << 8 | random[i + 2];

      for (guint j = 0; j < 4; j++)
        text[len++] = LETTERS[bits >> (18 - 6 * j) & 63];
    }
  text[len++] = '\n';
  fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail (path, errno, error);
  /* Another process may make one at the same time: the first one wins. */
  if (write (fd, text, len) != (gssize) len || fsync (fd) != 0 ||
      (link (temporary, path) != 0 && errno != EEXIST))
    {
      int problem = errno;

      close (fd);
      unlink (temporary);
      return fail (path, problem, error);
    }
  close (fd);
  unlink (temporary);
  return TRUE;
}

char *
token_load (const char *path, GError **error)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autofree char *token = NULL;
  struct stat info;

  if (access (path, F_OK) != 0 && !make_file (path, error))
    return NULL;
  if (!_lsobs_file_read_with_info (AT_FDCWD, path, O_NOFOLLOW, 4096, &text, &info))
    {
      fail (path, errno, error);
      return NULL;
    }
  token = g_strstrip (g_strndup (text.data, text.len));
  if (info.st_uid == geteuid () && (info.st_mode & 077) == 0 && token_is_valid (token))
    return g_steal_pointer (&token);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
               /* TRANSLATORS: %s: a path */
               _ ("The token in “%s” is not used, as other users can read it, or it is malformed: "
                  "remove the file, and a new one is made"),
               path);
  return NULL;
}
